"""The models screen: versions and which is in use, trainings and how they go."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from core.errors import AstridError
from core.text import SafeText, safe_text
from screens.action import Situation, Where
from screens.frame.base import FrameScreen
from screens.frame.work import start as start_work
from screens.lines import Line, Tone
from screens.models.card import card_lines, training_sheet
from screens.models.view import PANES, SHIPPED, Page, Pane, page_lines, version_rows
from screens.widgets.sheet import Sheet

if TYPE_CHECKING:
    from core.database.store import Store
    from core.models.overview import ModelRow, VersionRow
    from core.models.trainings import Training
    from screens.models.reading import Answer, Card, Started

LOOK_S = 5.0  # trainings write files and MLflow its database, which the store does not tell


class ModelsScreen(FrameScreen["Answer"]):
    """Models, versions of the one under the cursor, trainings; ``tab`` goes between them."""

    WHERE = Where.MODELS

    def __init__(self) -> None:
        super().__init__()
        self._pane = Pane.MODELS
        self._name: str | None = None  # of the model that is chosen
        self._version: int | None = None  # and its version: the newest where that is none
        self._training: str | None = None  # the newest where that is none
        self._is_changing = False
        self._is_behind = False  # a version was put to use, and what is shown may be of before
        self._told = ""  # what became of it, to be said once that is shown

    # -- reading -----------------------------------------------------------------------------------

    def question(self) -> Callable[[Store], Answer] | None:
        """Read models and trainings, and the registry if it was written to."""
        from screens.models.reading import read  # SQLAlchemy: not before the first frame is out

        opened = self.host.opened
        return None if opened is None else partial(read, opened.settings, self.data, self._training)

    def answer(self, data: Answer) -> None:
        """Keep what was read; what was asked for once a change was made tells of it."""
        super().answer(data)
        self._is_behind = self._is_changing
        if self._told and not self._is_behind:
            self.say(safe_text(self._told, 400), Tone.GOOD)
            self._told = ""

    def opened(self) -> None:
        """Look again from time to time."""
        self.set_interval(LOOK_S, self._look)

    def _look(self) -> None:
        if self.is_current:
            self.ask(at_once=False)

    # -- what is on the screen ---------------------------------------------------------------------

    def body(self, width: int, height: int) -> list[Line]:
        """The page."""
        if self.data is None:
            return []
        page = Page(
            self.data,
            time.time(),
            self._pane,
            self._model_place,
            self._version_place,
            self._training_place,
            self._is_plain,
        )
        return page_lines(page, width, height)

    @property
    def situation(self) -> Situation:
        """What is under the cursor."""
        chosen = self._chosen_training
        at_training = self._pane is Pane.TRAININGS
        return self.base_situation(
            has_row=chosen is not None if at_training else self._model is not None,
            state=chosen.state if at_training and chosen else "",
            is_writing=self._is_behind,
        )

    @property
    def is_busy(self) -> bool:
        """Whether a version is being put to use."""
        return self._is_changing

    @property
    def _is_plain(self) -> bool:
        return self.host.terminal.drawing == "ascii"

    @property
    def _models(self) -> tuple[ModelRow, ...]:
        return self.data.models if self.data else ()

    @property
    def _model_place(self) -> int:
        return next((place for place, each in enumerate(self._models) if each.name == self._name), 0)

    @property
    def _model(self) -> ModelRow | None:
        return self._models[self._model_place] if self._models else None

    @property
    def _versions(self) -> list[VersionRow | None]:
        return version_rows(self._model) if self._model else []

    @property
    def _version_place(self) -> int:
        numbers = (row.number if row else SHIPPED for row in self._versions)
        return next((place for place, number in enumerate(numbers) if number == self._version), 0)

    @property
    def _chosen_number(self) -> int:
        row = self._versions[self._version_place] if self._versions else None
        return row.number if row else SHIPPED

    @property
    def _trainings(self) -> tuple[Training, ...]:
        return self.data.trainings if self.data else ()

    @property
    def _training_place(self) -> int:
        return next((place for place, each in enumerate(self._trainings) if each.key == self._training), 0)

    @property
    def _chosen_training(self) -> Training | None:
        return self._trainings[self._training_place] if self._trainings else None

    # -- moving ------------------------------------------------------------------------------------

    def handlers(self) -> Mapping[str, Callable[[], None]]:
        """What each key does."""
        return {
            "pane": self._next_pane,
            "open": self._open,
            "models:train": self._ask_training,
            "models:promote": self._ask_promote,
            "models:rollback": self._ask_rollback,
            "models:stop": self._ask_stop,
        }

    def move_by(self, steps: int) -> None:
        """Choose another model, version or training."""
        places = {
            Pane.MODELS: self._model_place,
            Pane.VERSIONS: self._version_place,
            Pane.TRAININGS: self._training_place,
        }
        self.move_to(max(places[self._pane] + steps, 0))

    def move_to(self, place: int | None) -> None:
        """Choose the one at a place."""
        counts = {
            Pane.MODELS: len(self._models),
            Pane.VERSIONS: len(self._versions),
            Pane.TRAININGS: len(self._trainings),
        }
        last = counts[self._pane] - 1
        if last < 0:
            return
        place = last if place is None else min(place, last)
        if self._pane is Pane.MODELS:
            self._name, self._version = self._models[place].name, None
        elif self._pane is Pane.VERSIONS:
            row = self._versions[place]
            self._version = row.number if row else SHIPPED
        else:
            self._training = self._trainings[place].key
            self.ask()  # its curve
        self.paint()

    def step_back(self) -> bool:
        """To the models."""
        if self._pane is Pane.MODELS:
            return False
        self._pane = Pane.MODELS
        self.paint()
        return True

    def copied_text(self) -> SafeText | None:
        """The training, or the digest of the version."""
        if self._pane is Pane.TRAININGS:
            return safe_text(self._chosen_training.key) if self._chosen_training else None
        row = self._versions[self._version_place] if self._versions else None
        if self._model is None:
            return None
        digest = f" {row.digest}" if row else ""
        return safe_text(f"{self._model.name} {self._chosen_number}{digest}", 400)

    def remembered(self) -> dict[str, Any]:
        """The model."""
        return {"model": self._name}

    def recall(self, state: Mapping[str, Any]) -> None:
        """Take it up again."""
        self._name = found if isinstance(found := state.get("model"), str) else None

    def _next_pane(self) -> None:
        self._pane = PANES[(PANES.index(self._pane) + 1) % len(PANES)]
        self.paint()

    def _open(self) -> None:
        """A model opens its versions; a version or a training all that is known of it."""
        if self._pane is Pane.MODELS:
            self._next_pane()
        elif self._pane is Pane.TRAININGS:
            self._open_training()
        else:
            self._open_version()

    def _open_training(self) -> None:
        from core.models.trainings import curve

        training = self._chosen_training
        if training is None:
            self.refuse("nothing was trained yet")
            return

        def show(found: dict[str, list[tuple[float, float]]]) -> None:
            make = partial(training_sheet, training, found, plain=self._is_plain)
            self.show_page(Sheet(f"training {safe_text(training.key, 60)}", make))

        self.in_background(partial(curve, training), show, "the training cannot be shown")

    def _open_version(self) -> None:
        from screens.models.reading import read_card

        opened, model = self.host.opened, self._model
        if opened is None or model is None:
            return

        def show(card: Card) -> None:
            make = partial(card_lines, card, plain=self._is_plain)
            self.show_page(Sheet(f"{safe_text(card.name, 40)}, version {card.number}", make))

        what = "the version cannot be shown"
        self.in_background(
            partial(read_card, model, self._chosen_number, opened.store, opened.settings), show, what
        )

    # -- acting ------------------------------------------------------------------------------------

    def _ask_training(self) -> None:
        name = self._model.name if self._model else "realbogus"
        from screens.models.reading import OPTIONS, SAME

        name = SAME.get(name, name)
        question = "train what, such as: realbogus minutes=10"
        self.prompt.ask(
            question, name, self._train, forgotten=lambda: self.say("nothing was started", Tone.DIM)
        )
        more = " ".join(f"{option}=" for option in OPTIONS[name])
        self.say(f"train {name}: enter starts it, esc does not; may follow: {more}", Tone.DIM)

    def _train(self, words: str) -> None:
        from core.models.trainings import TrainingRefused
        from screens.models.reading import command_of, start

        try:
            command_of(words)
        except TrainingRefused as refused:
            self.refuse(safe_text(refused))
            return
        self.prompt.close()
        opened = self.host.opened
        if opened is None:
            return

        def told(started: Started) -> None:
            self._training = started.key
            later = "" if started.key else "; it is listed as soon as it begins"
            self.say(f"a training of {safe_text(started.name, 24)} is at work{later}", Tone.GOOD)
            self.ask()

        self.say("a training is being started", Tone.DIM)
        self.in_background(partial(start, words, opened), told, "nothing was started")

    def _ask_promote(self) -> None:
        model, number = self._model, self._chosen_number
        if model is None or self._pane is not Pane.VERSIONS:
            self.refuse("choose a version first")
        elif number == model.in_use:
            self.refuse(f"version {number} of {model.name} is in use already")
        else:
            question = f"use version {number} of {safe_text(model.name, 24)} instead of {model.in_use}"
            self.host.confirm(question, "promote", partial(self._change, model.name, number))

    def _ask_rollback(self) -> None:
        model = self._model
        if model is None or model.previous is None:
            self.refuse("no other version was in use before")
            return
        question = f"go back to version {model.previous} of {safe_text(model.name, 24)} from {model.in_use}"
        self.host.confirm(question, "rollback", partial(self._change, model.name, None))

    def _change(self, name: str, number: int | None) -> None:
        """Promote a version, or roll back where that is none."""
        from screens.models.reading import promote, rollback

        opened = self.host.opened
        if opened is None:
            return

        work: Callable[[], str] = partial(rollback, name, opened)
        if number is not None:
            work = partial(promote, name, number, opened)
        self._is_changing = self._is_behind = True

        async def change() -> None:
            try:
                self._told = await asyncio.to_thread(work)
            except AstridError as error:
                self.fail(f"nothing was changed: {error}")
            finally:
                self._is_changing = False
            self.host.look()
            self.ask()

        start_work(self, change, group="work")

    def _ask_stop(self) -> None:
        training = self._chosen_training
        if training is not None:
            question = f"stop the training {safe_text(training.key, 40)}"
            self.host.confirm(question, "stop", partial(self._stop, training))

    def _stop(self, training: Training) -> None:
        from core.models.trainings import stop

        def told(_none: None) -> None:
            self.say(f"the training of {safe_text(training.name, 24)} was asked to stop", Tone.GOOD)
            self.ask()

        self.in_background(partial(stop, training), told, "nothing was stopped")

"""The models screen: what the registry holds, read from MLflow's own database."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from core.text import SafeText, safe_text
from screens.action import Situation, Where
from screens.frame.base import FrameScreen
from screens.lines import Line
from screens.models.view import Page, Pane, page_lines, version_sheet
from screens.widgets.sheet import Sheet

if TYPE_CHECKING:
    from core.database.store import Store
    from core.models.registry import Model, ModelVersion
    from screens.models.reading import Answer

LOOK_S = 10.0  # MLflow's database is written to by others, which the store does not tell


class ModelsScreen(FrameScreen["Answer"]):
    """Models above, the versions of the one under the cursor below; ``tab`` goes between them."""

    WHERE = Where.MODELS

    def __init__(self) -> None:
        super().__init__()
        self._pane = Pane.MODELS
        self._name: str | None = None  # of the model that is chosen
        self._version: int | None = None  # and its version: the newest where that is none

    def question(self) -> Callable[[Store], Answer] | None:
        """Read the registry, if it was written to."""
        from screens.models.reading import read  # SQLAlchemy: not before the first frame is out

        opened = self.host.opened
        return None if opened is None else partial(read, opened.settings, self.data)

    def opened(self) -> None:
        """Look again from time to time."""
        self.set_interval(LOOK_S, self._look)

    def _look(self) -> None:
        if self.is_current:
            self.ask(at_once=False)

    def body(self, width: int, height: int) -> list[Line]:
        """The page."""
        if self.data is None:
            return []
        page = Page(self.data.registry, self.data.judged, self._pane, self._model_place, self._version_place)
        return page_lines(page, width, height)

    @property
    def situation(self) -> Situation:
        """Whether there is a model."""
        return self.base_situation(has_row=self._model is not None)

    def handlers(self) -> Mapping[str, Callable[[], None]]:
        """Look into a version."""
        return {"pane": self._next_pane, "open": self._open}

    def move_by(self, steps: int) -> None:
        """Choose another model or version."""
        place = self._model_place if self._pane is Pane.MODELS else self._version_place
        self.move_to(max(place + steps, 0))

    def move_to(self, place: int | None) -> None:
        """Choose the one at a place."""
        rows = self._models if self._pane is Pane.MODELS else self._versions
        if not rows:
            return
        chosen = rows[-1 if place is None else min(place, len(rows) - 1)]
        if self._pane is Pane.MODELS:
            self._name, self._version = self._models[rows.index(chosen)].name, None
        else:
            self._version = self._versions[rows.index(chosen)].number
        self.paint()

    def step_back(self) -> bool:
        """From the versions to the models."""
        if self._pane is Pane.MODELS:
            return False
        self._next_pane()
        return True

    def copied_text(self) -> SafeText | None:
        """What MLflow calls the version."""
        if self._model is None:
            return None
        if not self._versions:
            return safe_text(self._model.name, 400)
        return safe_text(f"models:/{self._model.name}/{self._versions[self._version_place].number}", 400)

    def remembered(self) -> dict[str, Any]:
        """The model."""
        return {"model": self._name}

    def recall(self, state: Mapping[str, Any]) -> None:
        """Take it up again."""
        self._name = found if isinstance(found := state.get("model"), str) else None

    @property
    def _models(self) -> tuple[Model, ...]:
        return self.data.registry.models if self.data else ()

    @property
    def _model_place(self) -> int:
        return next((place for place, each in enumerate(self._models) if each.name == self._name), 0)

    @property
    def _model(self) -> Model | None:
        return self._models[self._model_place] if self._models else None

    @property
    def _versions(self) -> tuple[ModelVersion, ...]:
        return self._model.versions if self._model else ()

    @property
    def _version_place(self) -> int:
        places = (place for place, each in enumerate(self._versions) if each.number == self._version)
        return next(places, 0)

    def _next_pane(self) -> None:
        self._pane = Pane.VERSIONS if self._pane is Pane.MODELS else Pane.MODELS
        self.paint()

    def _open(self) -> None:
        """A model opens its versions, a version all that is known of it."""
        if self._model is None:
            self.refuse("no model is registered")
        elif self._pane is Pane.MODELS:
            self._next_pane()
        elif self._versions:
            version = self._versions[self._version_place]
            title = f"{safe_text(self._model.name, 40)}, version {version.number}"
            self.app.push_screen(Sheet(title, version_sheet(self._model, version, self.size.width - 3)))
        else:
            self.refuse("it has no version yet")

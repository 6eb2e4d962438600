"""The ingest screen: what waits, runs, is done or failed; one frame in full; and what to do about it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from core.text import SafeText, safe_text
from screens.action import Situation, Where
from screens.frame.base import FrameScreen
from screens.frame.commands import Command, CommandRefused, Words
from screens.frame.host import Target
from screens.ingest import detail, view
from screens.ingest.changing import Changing
from screens.ingest.view import ALL, STATES, ListPage
from screens.lines import Line
from screens.review.drawings import in_cells

if TYPE_CHECKING:
    from core.database.store import Store
    from core.frames.frame_detail import FrameDetail, Header
    from core.frames.frame_list import Counted, FrameRow
    from screens.ingest.reading import Answer

NO_FRAME = "there is no frame under the cursor"
_NEAR = 40  # rows of the list's read part left in the direction of the cursor before more are read


class IngestScreen(FrameScreen["Answer"]):
    """A list of frames by state and filter; ``enter`` shows one of them in full."""

    WHERE = Where.INGEST
    TICK_S = 30.0  # ages

    def __init__(self) -> None:
        super().__init__()
        self._state = ALL
        self._row: FrameRow | None = None  # under the cursor
        self._from_end = False
        self._steps = 0  # of the cursor since, where it is not known yet on which row it comes to stand
        self._arriving: int | None = None  # a frame that a jump leads to
        self._typed: str | None = None  # a filter whose list is shown from its start once it was read
        self._opened: int | None = None  # the frame that is to be shown in full
        self._detail: FrameDetail | None = None  # and what is shown: the one before until that was read
        self._is_opening = False  # what the cursor comes to stand on is to be shown in full
        self._before_jump: tuple[str, str, FrameRow | None] | None = None  # state, filter and row, until back
        self._is_led = False  # the frame that is open, or on its way, is where a jump leads
        self._scrolled = 0
        self._sections: list[int] = []
        self._top = 0
        self._changing = Changing(self)

    # -- reading -----------------------------------------------------------------------------------

    def question(self) -> Callable[[Store], Answer]:
        """The part of the list about the cursor, and the frame that is open."""
        from screens.ingest.reading import Wish, find, read

        opened = self.host.opened
        cadence_s = opened.settings.camera.cadence_s if opened else 0.0
        wish = Wish(self._state, self.filter, self._row, self._from_end, self._opened)
        if self.filter == self._typed:
            wish = Wish(self._state, self.filter)
        arriving, known = self._arriving, self.data
        if arriving is None:
            return partial(read, wish, cadence_s, known)

        def read_there(store: Store) -> Answer:
            there = Wish(ALL, "", find(arriving, store), opened=arriving)
            return read(there, cadence_s, known, store)

        return read_there

    def answer(self, data: Answer) -> None:
        """Keep what was read, with the cursor on the row it was on, or what came into its place."""
        if self._arriving is not None and data.wish.opened == self._arriving:
            self._arriving = None
            self._state, self.filter, self._opened, self._row = ALL, "", data.wish.opened, data.wish.row
        if data.wish.filters == self._typed:
            self._close()
            self._row, self._top = None, 0
        if self.data is not None and self.data.wish.expression != data.wish.expression:
            self._changing.forget()
        above = self._here - self._top
        self.data = data
        self._detail = data.detail if self.is_open else None
        self._from_end = False
        rows, moved_to = data.part.rows, self._row.id if self._row else None
        here = next((place for place, row in enumerate(rows) if row.id == moved_to), data.part.here)
        steps, self._steps = self._steps if moved_to is None else 0, 0  # else it was put on a row since
        here = min(max(here + steps, 0), max(len(rows) - 1, 0))
        self._row = rows[here] if rows else None
        self._top = max(here - above, 0)
        if self._is_opening:
            self._is_opening = False
            if self._row is not None:
                self._show(self._row.id)
            else:
                self.refuse(NO_FRAME)

    @property
    def _here(self) -> int:
        """The cursor's place among the rows that were read."""
        rows = self.data.part.rows if self.data else ()
        wanted = self._row.id if self._row else None
        return next((place for place, row in enumerate(rows) if row.id == wanted), 0)

    # -- what is on the screen ---------------------------------------------------------------------

    def body(self, width: int, height: int) -> list[Line]:
        """The list, or the frame that is open."""
        if self.data is None:
            return []
        if self._detail is not None:
            return self._frame_lines(self._detail, self.data.header, width, height)
        page = self._list_page(self.data)
        room = view.room_for_frames(page, width, height)
        # Scroll no more than the cursor asks for, and never beyond the rows that were read.
        top = min(max(self._top, page.here - room + 1), page.here)
        self._top = max(min(top, len(page.rows) - room), 0)
        return view.list_lines(self._list_page(self.data), width, height)

    def _list_page(self, data: Answer) -> ListPage:
        return ListPage(
            now=time.time(),
            state=data.wish.state,
            chip=self.chip(),
            intake=data.intake,
            rows=data.part.rows,
            top=self._top,
            here=self._here,
            before=data.part.before,
            total=data.part.total,
            marks=self._changing.marks,
        )

    def _frame_lines(self, shown: FrameDetail, header: Header | None, width: int, height: int) -> list[Line]:
        page = detail.DetailPage(
            now=time.time(),
            detail=shown,
            header=header,
            look=self._look(),
            candidates_key=self.host.registry.sign("ingest:candidates"),
            retry_key="" if self.host.read_only else self.host.registry.sign("ingest:retry"),
        )
        lines, self._sections = detail.detail_lines(page, width, height)
        self._scrolled = max(min(self._scrolled, len(lines) - height), 0)
        return lines[self._scrolled : self._scrolled + height]

    def _look(self) -> Any:
        from core.cells import Look  # numpy comes with it

        opened = self.host.opened
        drawing = opened.settings.review.drawing if opened else "auto"
        theme = self.app.theme
        return Look(
            drawing=in_cells(drawing, self.host.terminal),
            colour_map="red" if theme == "dome" else "grey",
            dark_ink=theme == "light",
        )

    @property
    def situation(self) -> Situation:
        """What is under the cursor, or open, and what is marked."""
        row = self.chosen_row
        return self.base_situation(
            has_row=row is not None,
            state=row.state if row else "",
            marked=0 if self.is_open else self._changing.count,
        )

    @property
    def is_open(self) -> bool:
        """Whether a frame is shown in full, or on its way."""
        return self._opened is not None

    @property
    def is_visit(self) -> bool:
        """Whether a jump led to what is shown."""
        return self._before_jump is not None

    @property
    def is_within(self) -> bool:
        """Whether a frame is open."""
        return self.is_open

    @property
    def chosen_row(self) -> FrameRow | None:
        """The frame that is open, else the one under the cursor, which may be on its way."""
        is_read = self._detail is not None and self._detail.row.id == self._opened
        return self._detail.row if self._detail is not None and is_read else self._row

    @property
    def total(self) -> Counted:
        """How many frames the list has."""
        from core.frames.frame_list import Counted

        return self.data.part.total if self.data else Counted(0)

    # -- moving ------------------------------------------------------------------------------------

    def handlers(self) -> Mapping[str, Callable[[], None]]:
        """What each key does."""
        return {
            "open": self._open,
            "pane": self._next_pane,
            "mark": self._changing.mark,
            "filter": self.ask_filter,
            "ingest:state-next": lambda: self._change_state(1),
            "ingest:state-before": lambda: self._change_state(-1),
            "ingest:frame-after": lambda: self._neighbour(1),
            "ingest:frame-before": lambda: self._neighbour(-1),
            "ingest:mark-all": self._changing.mark_all,
            "ingest:candidates": self._review,
            "ingest:priority": self._changing.ask_priority,
            "ingest:retry": self._changing.retry,
            "ingest:drop": self._changing.drop,
        }

    def move_by(self, steps: int) -> None:
        """Move the cursor; in a frame, scroll."""
        if self._opened is not None:
            self._scrolled = max(self._scrolled + steps, 0)
            self.paint()
        elif not (self._is_opening and self.is_asking):  # else the frame that is on its way would be another
            self._step(steps)

    def move_to(self, place: int | None) -> None:
        """Go to the first row, the last one, or the one of a number that was read."""
        if self._opened is not None:
            self._scrolled = 1_000_000 if place is None else place
            self.paint()
        elif self.data is not None:
            first = self.data.part.before.frames
            if place and 0 <= place - first < len(self.data.part.rows):
                self._step(place - first - self._here)
            else:
                self._begin_at(from_end=place is None)

    def _begin_at(self, *, from_end: bool = False) -> None:
        """Read the list from its start or its end, and put the cursor there."""
        self._row, self._from_end, self._steps, self._top = None, from_end, 0, 0
        self.ask()

    def _step(self, steps: int) -> None:
        if self._row is None and self.is_asking:
            self._steps += steps
            return
        if self.data is None or not self.data.part.rows:
            return
        part = self.data.part
        here = min(max(self._here + steps, 0), len(part.rows) - 1)
        self._row = part.rows[here]
        self.paint()
        short_below = here + _NEAR >= len(part.rows) and not part.is_end
        short_above = here < _NEAR and (part.before.frames > 0 or part.before.more)
        if (steps > 0 and short_below) or (steps < 0 and short_above):
            self.ask(at_once=False)

    def _neighbour(self, steps: int) -> None:
        """The frame beside this one, open if this one is."""
        self._step(steps)
        if self._opened is not None and self._row is not None:
            self._show(self._row.id)

    def _change_state(self, steps: int) -> None:
        """Choose the next state that holds frames."""
        if self.data is None:
            return
        counts = self.data.intake.counts
        offered = [each for each in STATES if each in (ALL, self._state) or counts.get(each)]
        place = (offered.index(self._state) + steps) % len(offered)
        self._close()
        self._state = offered[place]
        self._begin_at()

    def _open(self) -> None:
        if self._opened is not None:
            self._review()
        elif self._row is not None:
            self._show(self._row.id)
        elif self.is_asking:  # keys came quicker than the list: wait for it
            self._is_opening = True
        else:
            self.refuse(NO_FRAME)

    def _show(self, frame_id: int) -> None:
        self._opened, self._typed, self._scrolled = frame_id, None, 0
        self.ask()

    def _close(self) -> None:
        self._opened, self._detail, self._is_opening = None, None, False
        self._arriving = self._typed = None
        self._is_led = False

    def _next_pane(self) -> None:
        """The next state; in a frame, its next section."""
        if self._opened is None:
            self._change_state(1)
            return
        below = [place for place in self._sections if place > self._scrolled]
        self._scrolled = below[0] if below else 0
        self.paint()

    def step_back(self) -> bool:
        """Close the frame, forget marks, then filter and state; from what a jump led to, go back there."""
        if self._opened is not None and not self._is_led:
            self._close()
        elif self._changing.count and not self._is_led:
            self._changing.forget()
        elif self._before_jump is not None:
            (self._state, before, self._row), self._before_jump = self._before_jump, None
            self._close()
            self.choose(before)
            return False
        elif super().step_back():
            return True
        elif self._state:
            self._state = ALL
            self._begin_at()
        else:
            return False
        self.paint()
        return True

    def arrive(self, target: Target) -> None:
        """Show a frame, or the frames that pass a filter."""
        if target.observation_id is None and target.filter is None:
            return
        self._before_jump = self._before_jump or (self._state, self.filter_to_come, self._row)
        if target.observation_id is not None:
            self._arriving, self._typed, self._scrolled = target.observation_id, None, 0
            self._is_led = True
            self.ask()
        elif target.filter is not None:
            self._close()
            self._state, self._row = ALL, None
            self.choose(target.filter)

    def _review(self) -> None:
        """On to the frame's candidates."""
        row = self.chosen_row
        if row is None or not row.candidates:
            self.refuse("this frame has no candidates")
            return
        from core.review.filter_words import quoted  # SQLAlchemy comes with it: not before the first paint

        self.host.jump(Where.REVIEW, Target(observation_id=row.id, filter=f"frame:{quoted(row.frame)}"))

    def copied_text(self) -> SafeText | None:
        """Where the frame's file is."""
        row = self.chosen_row
        if row is None:
            return None
        shown = self._detail
        return safe_text(shown.path if shown and shown.row.id == row.id else row.frame)

    def ask_filter(self) -> None:
        """Let the user type a filter."""
        self.ask_line("filter, such as: field:M31 reason:*stars* -state:done", self.filter, self.choose_typed)

    def choose_typed(self, filters: str) -> None:
        """Show the list from its start once it was read."""
        self._typed = filters
        self.choose(filters)

    def remembered(self) -> dict[str, Any]:
        """State and filter."""
        return super().remembered() | {"state": self._state}

    def recall(self, state: Mapping[str, Any]) -> None:
        """Take them up again."""
        super().recall(state)
        if state.get("state") in STATES:
            self._state = str(state["state"])

    def commands(self) -> list[Command]:
        """The states by name."""
        names = [state or "all" for state in STATES]
        return [
            Command(
                "state",
                "frames of one state",
                self._choose_state,
                "|".join(names),
                complete=lambda _: names,
            )
        ]

    def _choose_state(self, words: Words) -> None:
        name = words[0] if len(words) == 1 else ""
        if name not in ("all", *STATES[1:]):
            raise CommandRefused(f"state takes one of all, {', '.join(STATES[1:])}")
        self._close()
        self._state = ALL if name == "all" else name
        self._begin_at()

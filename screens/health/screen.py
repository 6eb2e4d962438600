"""The health screen: what the checks say, troubles to be acknowledged, and the end of a log."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from core.errors import AstridError
from core.text import SafeText, counted, safe_text
from screens.action import Situation, Where
from screens.frame.base import FrameScreen
from screens.frame.host import Target
from screens.frame.work import start
from screens.health.view import Page, Pane, all_checks, event_sheet, page_lines
from screens.lines import Line, Tone
from screens.log_lines import line_sheet
from screens.widgets.sheet import Sheet

if TYPE_CHECKING:
    from core.database.store import Store
    from core.health.events import Event
    from screens.health.reading import Answer, Wish

LOG_S = 2.0  # a log grows without the store being written to

# Where more is to be seen of what a check is about.
_WAYS_ON = {
    "queue": (Where.INGEST, "state:queued"),
    "frames": (Where.INGEST, "state:quarantined"),
    "sky": (Where.INGEST, 'reason:"*saturated here*"'),
    "watch": (Where.INGEST, None),
    "camera": (Where.INGEST, None),
    "runs": (Where.PIPELINE, None),
    "prefect": (Where.PIPELINE, None),
    "models": (Where.MODELS, None),
    "gpu": (Where.POWER, None),
}
_RUN = "run "


class HealthScreen(FrameScreen["Answer"]):
    """Checks on top, then troubles, then the log; ``tab`` moves the cursor between the last two."""

    WHERE = Where.HEALTH
    TICK_S = 60.0  # a time of the last day becomes one of a date

    def __init__(self) -> None:
        super().__init__()
        self._pane = Pane.EVENTS
        self._event: int | None = None  # under the cursor, by its id
        self._event_place = 0  # where it stood last
        self._line_place: int | None = None  # none: the last line, which is followed
        self._past = False
        self._log: str | None = None
        self._again = False
        self._is_writing = False

    # -- reading -----------------------------------------------------------------------------------

    def question(self) -> Callable[[Store], Answer] | None:
        """Look at everything, unless that was a moment ago."""
        from screens.health.reading import Wish, read  # SQLAlchemy: not before the first frame is out

        opened = self.host.opened
        if opened is None:
            return None
        words = tuple(self.filter.split())
        wish: Wish = Wish(self._past, self._log, self._line_place is None, words)
        return partial(read, wish, opened.settings, self.data, self._again)

    def opened(self) -> None:
        """Follow the log from now on."""
        self.set_interval(LOG_S, self._follow)

    def answer(self, data: Answer) -> None:
        """Keep the cursor on its event, or where that stood; and the log, whichever is written to next."""
        self.data, self._again = data, False
        self._log = data.log.name if data.log else None
        places = {event.id: place for place, event in enumerate(data.events)}
        if self._event in places:
            self._event_place = places[self._event]
        self._event_place = min(self._event_place, max(len(data.events) - 1, 0))
        self._event = data.events[self._event_place].id if data.events else None
        if self._line_place is not None:
            self._line_place = min(self._line_place, max(len(data.lines) - 1, 0))

    def _follow(self) -> None:
        if self.is_current and self._line_place is None:
            self.ask(at_once=False)

    # -- what is shown -----------------------------------------------------------------------------

    def body(self, width: int, height: int) -> list[Line]:
        """The page."""
        data = self.data
        if data is None:
            return []
        page = Page(
            now=time.time(),
            checks=data.checks,
            events=data.events,
            lines=data.lines,
            pane=self._pane,
            event_place=self._event_place,
            line_place=self._line,
            past=data.wish.past,
            log=data.log.name if data.log else None,
            other_logs=max(len(data.logs) - 1, 0),
            log_trouble=data.trouble,
            is_following=self._line_place is None,
            chip=self.chip(),
        )
        return page_lines(page, width, height)

    @property
    def situation(self) -> Situation:
        """What is under the cursor; ``marked`` where another screen shows more of it."""
        event = self._current
        return self.base_situation(
            has_row=event is not None,
            state=event.state if event else "",
            marked=int(event is not None and event.check in _WAYS_ON),
        )

    @property
    def is_busy(self) -> bool:
        """Whether an acknowledgement is being written."""
        return self._is_writing

    @property
    def _current(self) -> Event | None:
        if self._pane is not Pane.EVENTS or self.data is None or not self.data.events:
            return None
        return self.data.events[self._event_place]

    @property
    def _line(self) -> int:
        last = max(len(self.data.lines) - 1, 0) if self.data else 0
        return last if self._line_place is None else min(self._line_place, last)

    # -- actions -----------------------------------------------------------------------------------

    def handlers(self) -> Mapping[str, Callable[[], None]]:
        """Acknowledge, go on, look into."""
        return {
            "pane": self._next_pane,
            "open": self._open,
            "filter": self._ask_words,
            "health:acknowledge": self._acknowledge,
            "health:acknowledge-all": self._acknowledge_all,
            "health:go": self._go_on,
            "health:past": self._toggle_past,
            "health:checks": self._show_checks,
            "health:look": self._look,
            "health:log-next": self._next_log,
            "health:follow": self._toggle_following,
        }

    def move_by(self, steps: int) -> None:
        """Move the cursor of its pane; one that leaves the end of the log stops following it."""
        self.move_to(max((self._event_place if self._pane is Pane.EVENTS else self._line) + steps, 0))

    def move_to(self, place: int | None) -> None:
        """Move it to a place; at the end of the log, follow it."""
        if self.data is None:
            return
        rows = self.data.events if self._pane is Pane.EVENTS else self.data.lines
        last = max(len(rows) - 1, 0)
        place = last if place is None else min(place, last)
        if self._pane is Pane.EVENTS:
            self._event_place = place
            self._event = self.data.events[place].id if self.data.events else None
        else:
            self._line_place = None if place == last else place
        self.paint()
        self.paint_footer()

    def copied_text(self) -> SafeText | None:
        """The trouble or the line under the cursor."""
        if event := self._current:
            return safe_text(f"{event.check} {event.severity}: {event.message}", 2000)
        if self._pane is Pane.LOG and self.data and self.data.lines:
            return safe_text(self.data.lines[self._line], 4000)
        return None

    def remembered(self) -> dict[str, Any]:
        """Filter and pane."""
        return super().remembered() | {"pane": self._pane.value, "past": self._past}

    def recall(self, state: Mapping[str, Any]) -> None:
        """Take them up again."""
        super().recall(state)
        if state.get("pane") in set(Pane):
            self._pane = Pane(state["pane"])
        self._past = state.get("past") is True

    def _next_pane(self) -> None:
        self._pane = Pane.LOG if self._pane is Pane.EVENTS else Pane.EVENTS
        self.paint()

    def _ask_words(self) -> None:
        self.ask_line("words that lines must have; !word: must not", self.filter, self.choose)

    def _open(self) -> None:
        if event := self._current:
            self.app.push_screen(Sheet(f"Trouble {event.id}", partial(event_sheet, event, time.time())))
        elif self._pane is Pane.LOG and self.data and self.data.lines and self.data.log:
            title = f"Log {safe_text(self.data.log.name, 40)}"
            self.app.push_screen(Sheet(title, partial(line_sheet, self.data.lines, self._line)))
        else:
            self.refuse("there is nothing under the cursor")

    def _show_checks(self) -> None:
        if self.data is not None:
            self.app.push_screen(Sheet("What each check says", partial(all_checks, self.data.checks)))

    def _look(self) -> None:
        self._again = True
        self.ask()
        self.say("looked at everything")

    def _toggle_past(self) -> None:
        self._past = not self._past
        self.ask()

    def _toggle_following(self) -> None:
        if self._line_place is not None:
            self._line_place = None
        elif self.data and len(self.data.lines) > 1:
            self._line_place = len(self.data.lines) - 1
        self.paint()
        self.ask()

    def _next_log(self) -> None:
        logs = self.data.logs if self.data else ()
        if len(logs) < 2:
            self.refuse("there is no other log")
            return
        names = sorted(log.name for log in logs)
        place = names.index(self._log) if self._log in names else -1
        self._log, self._line_place = names[(place + 1) % len(names)], None
        self.ask()

    def _go_on(self) -> None:
        event = self._current
        if event is None or event.check not in _WAYS_ON:
            return
        where, filters = _WAYS_ON[event.check]
        number = event.cause.removeprefix(_RUN)
        if event.cause.startswith(_RUN) and number.isdecimal():
            self.host.jump(where, Target(run_id=int(number)))
        else:
            self.host.jump(where, Target(filter=filters))

    def _acknowledge(self) -> None:
        if event := self._current:
            self._write((event.id,))

    def _acknowledge_all(self) -> None:
        unseen = [e.id for e in self.data.events if e.acknowledged_at is None] if self.data else []
        if unseen:
            self._write(tuple(unseen))
        else:
            self.refuse("there is nothing that nobody has seen")

    def _write(self, ids: tuple[int, ...]) -> None:
        from screens.health.reading import acknowledge

        opened = self.host.opened
        if opened is None:
            return
        self._is_writing = True

        async def write() -> None:
            try:
                self._written(await asyncio.to_thread(acknowledge, ids, opened.reviewer, opened.store))
            except AstridError as error:
                self.fail(f"not acknowledged: {error}")
            finally:
                self._is_writing = False

        start(self, write, group="write")

    def _written(self, count: int) -> None:
        self.say(f"{counted(count, 'trouble')} acknowledged", Tone.GOOD)
        self.ask()
        self.host.look()

"""The pipeline screen: runs, their stages, failures by cause, workers, the night, the log."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from core.text import SafeText, safe_text
from screens.action import Situation, Where
from screens.frame.base import FrameScreen
from screens.frame.host import Target
from screens.lines import Line, Tone
from screens.log_lines import came, line_sheet
from screens.pipeline.view import PANES, Page, line_place, page_lines
from screens.widgets.sheet import Sheet

if TYPE_CHECKING:
    from core.database.store import Store
    from core.operations.launch import StartedRun
    from screens.pipeline.reading import Answer, RunFacts

_MOST_WORKERS = 64
_EASE_S = 3.0  # a run writes all the time, and what it changes here is seen by the minute


class PipelineScreen(FrameScreen["Answer"]):
    """Panes that ``tab`` goes through.

    ``enter`` leads from a failure, a worker or a point to its frame, and opens a line of the log in full.
    """

    WHERE = Where.PIPELINE
    TICK_S = 30.0  # ages, and runs that fell silent

    def __init__(self) -> None:
        super().__init__()
        self._pane = PANES[0]
        self._cursors: dict[str, int] = {}
        self._run_id: int | None = None  # none: the newest
        self._is_easing = self._is_behind = False

    # -- reading -----------------------------------------------------------------------------------

    def question(self) -> Callable[[Store], Answer] | None:
        """Everything, for the run under the cursor."""
        from screens.pipeline.reading import read

        opened = self.host.opened
        return partial(read, self._run_id, opened.settings) if opened else None

    def answer(self, data: Answer) -> None:
        """Keep what was read, with each cursor on the row it was on."""
        before = self.data
        following = before is None or self._cursors.get("night", 0) >= len(before.night.points) - 1
        if before is not None:
            kept = self._cursors.get("failures", 0)
            if kept < len(before.causes):
                there = before.causes[kept]
                found = [(each.state, each.pattern) for each in data.causes]
                if (there.state, there.pattern) in found:
                    self._cursors["failures"] = found.index((there.state, there.pattern))
            self._cursors["log"] = self._log_place(before, data)
        if following:
            self._cursors["night"] = max(len(data.night.points) - 1, 0)
        self._find_run(data)
        self.data = data

    def _find_run(self, data: Answer) -> None:
        """Put the cursor on the run that is wanted, the newest where that is none of them."""
        places = [run.run_id for run in data.runs]
        self._cursors["runs"] = places.index(self._run_id) if self._run_id in places else 0

    def _log_place(self, before: Answer, data: Answer) -> int:
        """Where the line under the log's cursor is now; at its end the log is followed."""
        back = self._cursors.get("log", 0)
        if not back or before.log_name != data.log_name:
            return 0
        return min(back + came(before.log, data.log), max(len(data.log) - 1, 0))

    def store_changed(self) -> None:
        """Read again, but not more often than the page is worth it."""
        if self._is_easing:
            self._is_behind = True
            return
        self._is_easing, self._is_behind = True, False
        self.set_timer(_EASE_S, self._eased)
        super().store_changed()

    def _eased(self) -> None:
        self._is_easing = False
        if self._is_behind:
            self.store_changed()

    # -- what is on the screen ---------------------------------------------------------------------

    def body(self, width: int, height: int) -> list[Line]:
        """The page."""
        if self.data is None:
            return []
        page = Page(
            now=time.time(),
            answer=self.data,
            pane=self._pane,
            cursors=self._cursors,
            start_key="" if self.host.read_only else self.host.registry.sign("pipeline:start"),
            plain=self.host.terminal.drawing == "ascii",
        )
        return page_lines(page, width, height)

    @property
    def situation(self) -> Situation:
        """The run under the cursor."""
        run = self._run
        return self.base_situation(has_row=self._places() > 0, state=run.state if run else "")

    @property
    def _run(self) -> RunFacts | None:
        """The run under the cursor, whose stages may still be on their way."""
        runs = self.data.runs if self.data else ()
        return runs[self._cursors.get("runs", 0)] if runs else None

    def _places(self) -> int:
        """How many places the cursor of the pane has."""
        data = self.data
        if data is None:
            return 0
        return {
            "runs": len(data.runs),
            "night": len(data.night.points),
            "failures": len(data.causes),
            "workers": len(data.workers),
            "log": len(data.log),
        }.get(self._pane, 0)

    # -- moving ------------------------------------------------------------------------------------

    def handlers(self) -> Mapping[str, Callable[[], None]]:
        """What each key does."""
        return {
            "open": self._open,
            "pane": lambda: self._change_pane(1),
            "pipeline:pane-before": lambda: self._change_pane(-1),
            "pipeline:frames": self._list_frames,
            "pipeline:start": self._ask_workers,
            "pipeline:kill": self._ask_kill,
        }

    def move_by(self, steps: int) -> None:
        """Move the cursor of the pane; in the log, down is towards its end."""
        place = self._cursors.get(self._pane, 0)
        self._put(place - steps if self._pane == "log" else place + steps)

    def move_to(self, place: int | None) -> None:
        """The first or last row."""
        if self._pane == "log":
            self._put(0 if place is None else self._places())
        else:
            self._put(self._places() if place is None else place)

    def _put(self, place: int) -> None:
        last = max(self._places() - 1, 0)
        place = self._cursors[self._pane] = min(max(place, 0), last)
        if self._pane == "runs" and self.data is not None and self.data.runs:
            self._run_id = self.data.runs[place].run_id if place else None
            self._cursors["log"] = 0
            self.ask()
        self.paint()

    def _change_pane(self, steps: int) -> None:
        self._pane = PANES[(PANES.index(self._pane) + steps) % len(PANES)]
        self.paint()

    def step_back(self) -> bool:
        """Back to the end of the log, then to the runs."""
        if self._pane == "log" and self._cursors.get("log"):
            self._cursors["log"] = 0
        elif self._pane != PANES[0]:
            self._pane = PANES[0]
        else:
            return False
        self.paint()
        return True

    def _open(self) -> None:
        if self._pane in ("runs", "stages"):
            self._pane = "log" if self._pane == "runs" else "failures"
            self.paint()
            return
        if self._pane == "log":
            self._open_line()
            return
        frame = self._frame
        if frame is None:
            self.refuse("no frame belongs to this")
        else:
            self.host.jump(Where.INGEST, Target(observation_id=frame))

    def _open_line(self) -> None:
        """The line of the log under the cursor in full."""
        data = self.data
        if data is None or not data.log:
            self.refuse("nothing was logged yet")
            return
        place = line_place(len(data.log), self._cursors.get("log", 0))
        title = f"Log {safe_text(data.log_name, 40)}"
        self.app.push_screen(Sheet(title, partial(line_sheet, data.log, place)))

    @property
    def _frame(self) -> int | None:
        """The frame that the row under the cursor is about."""
        data, place = self.data, self._cursors.get(self._pane, 0)
        if data is None or place >= self._places():
            return None
        if self._pane == "failures":
            return data.causes[place].newest_id
        if self._pane == "workers":
            return data.workers[place].frame_id
        return data.night.points[place].observation_id if self._pane == "night" else None

    def _list_frames(self) -> None:
        """All frames of the cause under the cursor."""
        place = self._cursors.get("failures", 0)
        if self._pane != "failures" or self.data is None or place >= len(self.data.causes):
            self.refuse("choose a cause among the failures first")
            return
        self.host.jump(Where.INGEST, Target(filter=self.data.causes[place].filter))

    def arrive(self, target: Target) -> None:
        """Show a run."""
        if target.run_id is not None:
            self._run_id, self._pane = target.run_id, PANES[0]
            if self.data is not None:
                self._find_run(self.data)
            self.ask()

    def copied_text(self) -> SafeText | None:
        """The cause in full, or the run."""
        if (
            self._pane == "failures"
            and self.data
            and self._cursors.get("failures", 0) < len(self.data.causes)
        ):
            cause = self.data.causes[self._cursors.get("failures", 0)]
            return safe_text(f"{cause.newest_frame}: {cause.newest_reason}", 1000)
        return safe_text(f"run {self._run.run_id}") if self._run else None

    def remembered(self) -> dict[str, Any]:
        """The pane."""
        return {"pane": self._pane}

    def recall(self, state: Mapping[str, Any]) -> None:
        """Take it up again."""
        if state.get("pane") in PANES:
            self._pane = str(state["pane"])

    # -- acting ------------------------------------------------------------------------------------

    def _ask_workers(self) -> None:
        self.ask_line("how many workers", "1", self._start)

    def _start(self, text: str) -> None:
        from screens.pipeline.reading import start

        if not (text.isascii() and text.isdecimal() and 1 <= int(text[:4]) <= _MOST_WORKERS):
            self.refuse(f"workers are a number from 1 to {_MOST_WORKERS}")
            return
        self.prompt.close()
        opened = self.host.opened
        if opened is None:
            return

        def told(run: StartedRun) -> None:
            self._run_id = None
            note = f"; {run.note}" if run.note else ""
            self.say(f"run {run.run_id} has begun, {run.engine}{note}", Tone.GOOD)
            self.host.look()
            self.ask()

        self.host.warm_up()
        self.say("starting a run …", Tone.DIM)
        self.in_background(
            partial(start, opened, engine="auto", workers=int(text)),
            told,
            "no run was started",
            is_write=True,
        )

    def _ask_kill(self) -> None:
        run = self._run
        if run is not None:
            what = "give back the frames of run" if run.is_stopping else "stop run"
            self.host.confirm(
                f"{what} {run.run_id} on {safe_text(run.host, 24)}", "kill", partial(self._kill, run)
            )

    def _kill(self, run: RunFacts) -> None:
        from screens.pipeline.reading import stop

        opened = self.host.opened
        if opened is None:
            return

        def told(ended: bool) -> None:
            self.say(f"run {run.run_id} {'is over' if ended else 'was asked to stop'}", Tone.GOOD)
            self.host.look()
            self.ask()

        self.in_background(partial(stop, run, opened.store), told, "nothing was stopped", is_write=True)

"""The pipeline screen as lines: runs, stages, the night, failures by cause, workers, the log."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from core.text import counted, hourly
from core.vocabulary import ObservationState
from screens.ages import ago, length, short, work
from screens.ingest.view import STATE_TONES
from screens.lines import Line, Span, Tone, cells_of, drawn, padded, shortened, span
from screens.log_lines import listed
from screens.pipeline.night import night_lines

if TYPE_CHECKING:
    from core.operations.causes import Cause
    from core.operations.crew import Worker
    from core.operations.stage_times import StageTimes
    from screens.pipeline.reading import Answer, RunFacts

PANES = ("runs", "stages", "night", "failures", "workers", "log")
WIDE, TALL = 110, 28  # from here on all panes stand beside each other
_SILENT_S = 180.0  # a run at work says once a minute that it is alive
_FEW_RUNS = 3
_MOST_NIGHT_ROWS = 24

_Row = TypeVar("_Row")


@dataclass(frozen=True, slots=True)
class Page:
    """All that the screen shows.

    Attributes
    ----------
    pane : str
        The one that keys go to.
    cursors : mapping
        The place under the cursor of each pane; of the log, how many lines were scrolled back.
    start_key : str
        What starts a run; empty where nothing may.
    plain : bool
        ASCII only.
    """

    now: float
    answer: Answer
    pane: str
    cursors: Mapping[str, int]
    start_key: str
    plain: bool = False

    def cursor(self, pane: str) -> int:
        """The place under a pane's cursor."""
        return self.cursors.get(pane, 0)


def page_lines(page: Page, width: int, rows: int) -> list[Line]:
    """The page, at most `rows` lines."""
    if is_wide(width, rows):
        return _wide(page, width, rows)
    few = _FEW_RUNS if page.pane != "runs" else max(rows // 2, 2)
    runs = run_lines(page, width, min(len(page.answer.runs) or 1, few) + 1)
    lines = [*runs, progress_line(page, width), tab_line(page, width)]
    pane = "stages" if page.pane == "runs" else page.pane
    return [*lines, *_BODIES[pane](page, width, max(rows - len(lines), 1))][:rows]


def is_wide(width: int, rows: int) -> bool:
    """Whether all panes have room beside each other."""
    return width >= WIDE and rows >= TALL


def _wide(page: Page, width: int, rows: int) -> list[Line]:
    left, right = (width - 2) // 2, width - 2 - (width - 2) // 2
    log_rows = max(rows // 5, 5)
    above = rows - log_rows - 1
    stages = _titled(page, "stages", left, len(page.answer.stages) + 1)
    workers = min(len(page.answer.workers) or 1, 6)
    few = max(above - len(stages) - workers - 4, 3)
    runs = [_heading(page, "runs"), *run_lines(page, left, few), progress_line(page, left)]
    column = [*runs, (), *stages, (), *_titled(page, "workers", left, workers)]
    night = min(max(above * 2 // 3, 9), _MOST_NIGHT_ROWS)
    failures = max(above - night - 3, 1)
    other = [
        *_titled(page, "night", right, night),
        (),
        *_titled(page, "failures", right, failures),
    ]
    return [*_beside(column, other, left, above), (), *_titled(page, "log", width, log_rows - 1)][:rows]


def _titled(page: Page, pane: str, width: int, rows: int) -> list[Line]:
    body = _BODIES[pane](page, width, rows)
    return [_heading(page, pane), *(body + [()] * rows)[:rows]]


def _heading(page: Page, pane: str) -> Line:
    title = f" {_title(page, pane)} "
    return (span(title, Tone.CHIP if page.pane == pane else Tone.STRONG),)


def _beside(left: Sequence[Line], right: Sequence[Line], width: int, rows: int) -> list[Line]:
    lines = []
    for row in range(rows):
        first = left[row] if row < len(left) else ()
        second = right[row] if row < len(right) else ()
        lines.append((*padded(shortened(first, width), width + 2), *second))
    return lines


def tab_line(page: Page, width: int) -> Line:
    """The panes, the one that is shown set apart; a narrow line leaves out numbers, then blanks."""
    for told in (PANES, (page.pane,), ()):
        titles = {pane: _title(page, pane) if pane in told else pane for pane in PANES}
        if sum(len(title) + 2 for title in titles.values()) <= width:
            return tuple(_tab(page, pane, f" {title} ") for pane, title in titles.items())
    line: list[Span] = []
    for pane in PANES:  # one blank between two, on either side of what is set apart in its tone
        before = "" if line and line[-1].text.endswith(" ") else " "
        line.append(_tab(page, pane, f"{before}{pane}" + (" " if pane == page.pane else "")))
    return shortened(tuple(line), width)


def _tab(page: Page, pane: str, title: str) -> Span:
    return span(title, Tone.CHIP if pane == page.pane else Tone.DIM)


def _title(page: Page, pane: str) -> str:
    number = {
        "failures": sum(cause.frames for cause in page.answer.causes),
        "workers": len(page.answer.workers),
        "runs": len(page.answer.runs),
    }.get(pane)
    if pane == "log" and page.cursor("log"):
        return f"log -{page.cursor('log')}"
    return f"{pane} {number}" if number else pane


# -- runs -------------------------------------------------------------------------------------------


def run_lines(page: Page, width: int, rows: int) -> list[Line]:
    """A window of runs about the one under the cursor, newest first."""
    found = page.answer.runs
    if not found:
        if not page.start_key:
            return [(span(" No run yet: `astrid run` starts one", Tone.DIM),)]
        return [
            (
                span(" No run yet: ", Tone.DIM),
                span(page.start_key, Tone.KEY),
                span(" starts one, or `astrid run`", Tone.DIM),
            )
        ]
    heading = span(f"  {'run':>4} {'state':<11} {'engine':<8} {'workers':>7} {'took':>7}  frames", Tone.DIM)
    cursor = min(page.cursor("runs"), len(found) - 1)
    return [
        shortened((heading,), width),
        *(
            _run_line(run, place == cursor, page, width)
            for place, run in window(found, cursor, max(rows - 1, 1))
        ),
    ]


def _run_line(run: RunFacts, is_here: bool, page: Page, width: int) -> Line:
    state, tone = run.state, _RUN_TONES.get(run.state, Tone.PLAIN)
    if run.is_stopping:
        state, tone = "stopping", Tone.WARN
    elif run.is_gone or _is_silent(run, page.now):
        state, tone = "gone" if run.is_gone else "silent", Tone.BAD
    took = short((run.ended_at or page.now) - run.started_at)
    counts = ", ".join(f"{number} {name}" for name, number in run.counts.items()) or _nothing(run)
    start: Line = (
        span(("> " if is_here else "  ") + f"{run.run_id:>4} ", Tone.KEY if is_here else Tone.STRONG),
        span(f"{state:<11} ", tone),
        *padded((span(run.engine, limit=8),), 9),
        span(f"{run.workers:>7} {took:>7}  ", Tone.DIM),
        span(counts, limit=80),
    )
    why = run.reason if run.reason and not run.is_stopping else None
    return shortened((*start, span(f"  {why}", Tone.DIM)) if why else start, width)


def _is_silent(run: RunFacts, now: float) -> bool:
    return run.is_at_work and now - run.heard_at > _SILENT_S


def _nothing(run: RunFacts) -> str:
    return "none was due" if run.state == "done" else "none" if run.ended_at else "counted at its end"


_RUN_TONES: Mapping[str, Tone] = {
    "running": Tone.GOOD,
    "failed": Tone.BAD,
    "lost": Tone.BAD,
    "interrupted": Tone.WARN,
}


def progress_line(page: Page, width: int) -> Line:
    """How many frames are left, and how long they will take."""
    answer = page.answer
    if not answer.left:
        return (span(" no frame is queued", Tone.DIM),)
    frames = counted(answer.left, "frame")
    pieces: list[Line] = [(span(f" {frames} left", Tone.STRONG),)]
    at_work = [run for run in answer.runs if run.is_at_work]
    if not at_work:
        starts = (span(": "), span(page.start_key, Tone.KEY), span(" starts one")) if page.start_key else ()
        pieces.append((span("no run is at work"), *starts))
    elif all(_is_silent(run, page.now) for run in at_work):
        pieces.append((span("nobody at work is heard of: whether they go on is not known", Tone.WARN),))
    elif answer.left_s is None:
        pieces.append((span("how long they take is not known yet", Tone.DIM),))
    else:
        end = time.strftime("%H:%M", time.gmtime(answer.at + answer.left_s))
        pieces.append((span(f"{length(answer.left_s)}, until about {end} UTC"),))
    if answer.pace.per_hour is not None:
        pieces.append((span(hourly(answer.pace.per_hour), Tone.DIM),))
    line = pieces[0]
    for piece in pieces[1:]:
        line = (*line, span(" · ", Tone.DIM), *piece)
    return shortened(line, width)


# -- stages -----------------------------------------------------------------------------------------


def stage_lines(page: Page, width: int, rows: int) -> list[Line]:
    """Stages against their times: median, 95th percentile, last, and the share of all the time."""
    grid = page.answer.stages
    if not grid:
        there = page.answer.runs
        of = f" of run {there[min(page.cursor('runs'), len(there) - 1)].run_id}" if there else ""
        return [(span(f" No stage{of} is recorded.", Tone.DIM),)]
    heading = f" {'stage':<11}{'p50':>8}{'p95':>8}{'last':>8}{'share':>6}"
    room = max(width - len(heading) - 22, 0)
    lines = [shortened((span(f"{heading} {'':<{room}} {'times':>5}  ended badly", Tone.DIM),), width)]
    return [*lines, *(_stage_line(row, room, page.plain, width) for row in grid)][:rows]


def _stage_line(row: StageTimes, room: int, is_plain: bool, width: int) -> Line:
    bar = ("#" if is_plain else "▇") * round(row.share * room)
    bad = []
    if row.refused:
        bad.append(f"{row.refused} refused")
    if row.failed:
        bad.append(f"{row.failed} failed")
    line: Line = (
        *padded((span(f" {row.stage}", Tone.STRONG, 11),), 12),
        span(f"{work(row.p50):>8}{work(row.p95):>8}{work(row.last):>8}{row.share:>6.0%} "),
        *padded((drawn(bar, Tone.DIM),), room),
        span(f" {row.times:>5}  ", Tone.DIM),
        span(", ".join(bad), Tone.BAD if row.failed else Tone.WARN),
    )
    return shortened(line, width)


# -- failures, workers, log -------------------------------------------------------------------------


def failure_lines(page: Page, width: int, rows: int) -> list[Line]:
    """Causes, those of most frames first; numbers and names are left out of them."""
    found = page.answer.causes
    if not found:
        return [(span(" Nothing failed.", Tone.GOOD),)]
    cursor = min(page.cursor("failures"), len(found) - 1)
    return [
        _cause_line(cause, place == cursor and page.pane == "failures", width)
        for place, cause in window(found, cursor, rows)
    ]


def _cause_line(cause: Cause, is_here: bool, width: int) -> Line:
    tone = STATE_TONES.get(cause.state, Tone.WARN)
    state = "retried" if cause.state == ObservationState.QUEUED else cause.state
    start: Line = (
        span(("> " if is_here else "  ") + f"{cause.frames:>4} ", Tone.KEY if is_here else Tone.STRONG),
        *padded((span(state, tone, 12),), 12),
    )
    room = max(width - cells_of(start), 8)
    name = span(f"  {cause.newest_frame}", Tone.DIM, max(room // 3, 8))
    return shortened((*start, span(cause.pattern, limit=max(room - len(name.text), 8)), name), width)


def worker_lines(page: Page, width: int, rows: int) -> list[Line]:
    """Who is at work on what, and whether they still speak."""
    found = page.answer.workers
    if not found:
        return [(span(" Nobody is at work.", Tone.DIM),)]
    cursor = min(page.cursor("workers"), len(found) - 1)
    gone = {run.run_id for run in page.answer.runs if run.is_gone}
    return [
        _worker_line(
            worker,
            place == cursor and page.pane == "workers",
            page.now,
            width,
            is_gone=worker.run_id in gone,
        )
        for place, worker in window(found, cursor, rows)
    ]


def _worker_line(worker: Worker, is_here: bool, now: float, width: int, *, is_gone: bool) -> Line:
    if is_gone:
        state, tone = "its run is gone", Tone.BAD
    elif worker.lease_until is not None and worker.lease_until < now:
        state, tone = f"its lease ran out {ago(now - worker.lease_until)}", Tone.BAD
    elif worker.heard_at is not None and now - worker.heard_at > _SILENT_S:
        state, tone = f"silent, heard {ago(now - worker.heard_at)}", Tone.BAD
    elif worker.heard_at is None:
        state, tone = "of no run that is known", Tone.WARN
    else:
        state, tone = f"heard {ago(now - worker.heard_at)}", Tone.DIM
    return shortened(
        (
            *padded(
                (span(("> " if is_here else "  ") + worker.name, Tone.KEY if is_here else Tone.STRONG, 20),),
                16,
            ),
            *padded((span(worker.frame or "between two frames", limit=30),), 24),
            span(f"  {state}", tone),
            span(f"  {worker.host}" if worker.host else "", Tone.DIM, 30),
        ),
        width,
    )


def log_lines(page: Page, width: int, rows: int) -> list[Line]:
    """The end of the log, or what stands before it where one scrolled back."""
    found = page.answer.log
    if not found:
        return [(span(f" {page.answer.log_name} says nothing yet.", Tone.DIM),)]
    place = line_place(len(found), page.cursor("log"))
    return listed(found, place, width, rows, has_cursor=page.pane == "log")


def line_place(count: int, back: int) -> int:
    """Which line of so many is under the cursor, `back` lines before the last."""
    return max(count - 1 - back, 0)


def window(found: Sequence[_Row], cursor: int, rows: int) -> list[tuple[int, _Row]]:
    """Those rows about a cursor that there is room for, with their places."""
    first = min(max(cursor - rows + 1, 0), max(len(found) - rows, 0))
    return list(enumerate(found))[first : first + rows]


_BODIES: Mapping[str, Callable[[Page, int, int], list[Line]]] = {
    "runs": run_lines,
    "stages": stage_lines,
    "night": night_lines,
    "failures": failure_lines,
    "workers": worker_lines,
    "log": log_lines,
}

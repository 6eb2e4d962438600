"""The health screen as lines: what the checks say, troubles, and the end of a log."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from core.text import counted
from screens.lines import Line, Tone, drawn, indented, shortened, span, spread, window, wrapped
from screens.log_lines import listed

if TYPE_CHECKING:
    from core.health.check import Check
    from core.health.events import Event

CHECK_COLUMNS = 10
LEAST_LOG_ROWS = 3
NAME_ROWS = 3  # of the checks that find nothing wrong, on a narrow page
LEAST_ROWS_FOR_NAMES = 16
MOST_EVENT_ROWS = 5  # while the log has the cursor
DAY_S = 86400.0
YEARLESS_S = 300 * DAY_S  # a date so far away could be taken for one of another year

STATE_TONES = {"ok": Tone.GOOD, "warning": Tone.WARN, "failed": Tone.BAD, "unknown": Tone.DIM}
EVENT_TONES = {"open": Tone.STRONG, "seen": Tone.PLAIN, "over": Tone.PLAIN, "past": Tone.DIM}


class Pane(StrEnum):
    """Where the cursor is."""

    EVENTS = "troubles"
    LOG = "log"


@dataclass(frozen=True, slots=True)
class Page:
    """All that the screen shows.

    Attributes
    ----------
    event_place, line_place : int
        Where the cursor stands in each pane.
    past : bool
        Events that are over and were seen are among those shown.
    log : str or None
        The name of the log that is shown; none: there is none.
    other_logs : int
        How many more there are.
    """

    now: float
    checks: Sequence[Check] = ()
    events: Sequence[Event] = ()
    lines: Sequence[str] = ()
    pane: Pane = Pane.EVENTS
    event_place: int = 0
    line_place: int = 0
    past: bool = False
    log: str | None = None
    other_logs: int = 0
    log_trouble: str | None = None
    is_following: bool = True
    chip: Line = ()


def page_lines(page: Page, width: int, height: int) -> list[Line]:
    """The page, at most `height` lines."""
    chips = [page.chip] if page.chip else []
    room = height - len(chips)
    names = NAME_ROWS if room >= LEAST_ROWS_FOR_NAMES else 1
    checks = check_lines(page.checks, width, full=room >= len(page.checks) + 18, rows=names)
    room -= len(checks) + 1
    if page.pane is Pane.EVENTS:
        events = event_lines(page, width, max(room - LEAST_LOG_ROWS - 2, 2))
    else:
        events = event_lines(page, width, min(max(room - LEAST_LOG_ROWS - 2, 2), MOST_EVENT_ROWS))
    log = log_lines(page, width, max(room - len(events) - 1, 2))
    return [*chips, *checks, (), *events, (), *log][:height]


# -- checks -----------------------------------------------------------------------------------------


def check_lines(checks: Sequence[Check], width: int, *, full: bool, rows: int = 1) -> list[Line]:
    """A line for each check; or for each that is in trouble, and the names of the others in so many rows."""
    if full:
        return [check_line(each, width) for each in checks]
    lines = [check_line(each, width) for each in checks if each.is_trouble]
    in_trouble = {each.name for each in checks if each.is_trouble}
    for state, said in (("ok", "ok"), ("unknown", "not known")):
        names = [each.name for each in checks if each.state == state and each.name not in in_trouble]
        if names:
            text = " ".join(dict.fromkeys(names))
            line = (span(f" {said.ljust(CHECK_COLUMNS)}", STATE_TONES[state]), span(text, Tone.DIM))
            lines += wrapped(line, width, rows, indent=CHECK_COLUMNS + 1)
    return lines


def check_line(check: Check, width: int) -> Line:
    """What one check says."""
    state = span(f" {check.state.ljust(CHECK_COLUMNS)}", STATE_TONES[check.state])
    name = span(check.name.ljust(CHECK_COLUMNS), Tone.STRONG if check.is_trouble else Tone.PLAIN)
    tone = Tone.PLAIN if check.is_trouble else Tone.DIM
    return shortened((state, name, span(check.message, tone, width)), width)


def all_checks(checks: Sequence[Check], width: int) -> list[Line]:
    """What every check says, in full."""
    lines: list[Line] = []
    for check in checks:
        heading = (span(f" {check.name} ", Tone.STRONG), span(check.state, STATE_TONES[check.state]))
        lines += [heading, *indented((span(check.message, limit=2000),), width), ()]
    return lines


# -- troubles ---------------------------------------------------------------------------------------


def event_lines(page: Page, width: int, rows: int) -> list[Line]:
    """The troubles, a window of them around the cursor."""
    unseen = sum(each.acknowledged_at is None for each in page.events)
    left = _title("Troubles", page.pane is Pane.EVENTS)
    which = "of all times" if page.past else "that last or that nobody has seen"
    right: Line = (span(f"{unseen} unseen of {len(page.events)} {which} ", Tone.DIM),)
    lines = [spread(left, right, width)]
    if not page.events:
        text = "none ever" if page.past else "none that lasts, none that nobody has seen"
        return [*lines, *wrapped((span(f"   {text}", Tone.DIM),), width, indent=3)]
    for place in window(page.event_place, len(page.events), rows - 1):
        at_cursor = page.pane is Pane.EVENTS and place == page.event_place
        lines.append(event_line(page.events[place], page.now, width, at_cursor=at_cursor))
    return lines


def event_line(event: Event, now: float, width: int, *, at_cursor: bool) -> Line:
    """One trouble: since when, how often, what."""
    tone = EVENT_TONES[event.state]
    grave = STATE_TONES[event.severity] if event.state != "past" else Tone.DIM
    often = f"{event.count}x " if event.count > 1 else ""
    head: Line = (
        span(" > " if at_cursor else "   ", Tone.KEY),
        span(event.state.ljust(5), tone),
        span(event.severity.ljust(8), grave),
        span(event.check.ljust(CHECK_COLUMNS), tone),
        span(f"{moment(event.opened_at, now)} ", Tone.DIM),
    )
    return shortened((*head, span(f"{often}{event.message}", tone, width)), width)


def event_sheet(event: Event, now: float, width: int) -> list[Line]:
    """Everything about one trouble."""
    facts = [
        ("check", event.check),
        ("about", event.cause or "no part of it alone"),
        ("machine", event.host or "the whole store"),
        ("first", moment(event.first_at, now)),
        ("came", f"{moment(event.opened_at, now)}, {counted(event.count, 'time')} in all"),
        ("last seen", moment(event.last_at, now)),
        ("over", "no: it lasts" if event.closed_at is None else f"since {moment(event.closed_at, now)}"),
        ("seen by", _seen_by(event, now)),
        ("alerted", _alerted(event, now)),
    ]
    heading: Line = (span(f" {event.severity} ", STATE_TONES[event.severity]), span(event.state, Tone.DIM))
    lines = [heading, *indented((span(event.message, limit=2000),), width), ()]
    return [*lines, *((span(f" {name.ljust(10)}", Tone.DIM), span(text, limit=400)) for name, text in facts)]


def _seen_by(event: Event, now: float) -> str:
    if event.acknowledged_at is None:
        return "nobody yet"
    return f"{event.acknowledged_by or 'somebody'}, {moment(event.acknowledged_at, now)}"


def _alerted(event: Event, now: float) -> str:
    if event.alerted_at is None:
        return "nobody beside the console"
    when = moment(event.alerted_at, now)
    return f"{when}, but {event.alert_problem}" if event.alert_problem else when


# -- the log ----------------------------------------------------------------------------------------


def log_lines(page: Page, width: int, rows: int) -> list[Line]:
    """The end of the log, or the part of it around the cursor."""
    title = _title("Log", page.pane is Pane.LOG)
    if page.log is None:
        return [title, (span("   nothing was logged yet", Tone.DIM),)]
    state = "followed" if page.is_following else "stands still"
    more = f", {counted(page.other_logs, 'other')}" if page.other_logs else ""
    left: Line = (*title, span(f" {page.log}", Tone.PLAIN, 40))
    lines = [spread(shortened(left, width), (span(f"{state}{more} ", Tone.DIM),), width)]
    if page.log_trouble is not None:
        return [*lines, shortened((span(f"   it cannot be read: {page.log_trouble}", Tone.BAD),), width)]
    if not page.lines:
        return [*lines, (span("   no line passes the filter" if page.chip else "   it is empty", Tone.DIM),)]
    has_cursor = page.pane is Pane.LOG
    return [*lines, *listed(page.lines, page.line_place, width, rows - 1, has_cursor=has_cursor)]


# -- parts ------------------------------------------------------------------------------------------


def moment(at: float, now: float) -> str:
    """A time of the last day by its hour, an older one with its date, which after months names the year."""
    if 0 <= now - at < DAY_S:
        pattern = "%H:%M"
    else:
        pattern = "%m-%d %H:%M" if abs(now - at) < YEARLESS_S else "%Y-%m-%d"
    return time.strftime(pattern, time.gmtime(at))


def _title(text: str, has_cursor: bool) -> Line:
    return (drawn(" "), span(text, Tone.KEY if has_cursor else Tone.STRONG))

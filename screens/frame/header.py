"""The header: one line that says where one is, when it is, and how things stand."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.epochs import mjd_of, night_of, unix_of
from core.text import SafeText
from screens.lines import Line, Span, Tone, cells_of, drawn, padded, plain, span

if TYPE_CHECKING:
    from core.operations.headline import Headline

_GAP = "  "


@dataclass(frozen=True, slots=True)
class Clock:
    """How exactly the header tells the time: each change is sent to the terminal."""

    by: str = "minutes"  # "seconds", "minutes" or "off"
    east_deg: float = 0.0  # of the site, whose noon parts two nights

    def text(self, now: float) -> str:
        """The time of day in UTC, or nothing."""
        if self.by == "off":
            return ""
        pattern = "%H:%M:%S UTC" if self.by == "seconds" else "%H:%M UTC"
        return time.strftime(pattern, time.gmtime(now))

    def date(self, now: float) -> str:
        """The day in UTC, or nothing."""
        return "" if self.by == "off" else time.strftime("%Y-%m-%d", time.gmtime(now))

    def night(self, now: float) -> str:
        """The night by the day of the site on which it begins: one name from noon to noon there."""
        begins = night_of(mjd_of(now), self.east_deg)
        return time.strftime("%m-%d", time.gmtime(unix_of(begins)))


@dataclass(frozen=True, slots=True)
class Surroundings:
    """All that the header shows beside the counts."""

    screen: str
    key: str  # that leads to the screen
    host: SafeText
    now: float  # Unix seconds
    clock: Clock
    read_only: bool
    trouble: SafeText | None = None  # the store cannot be used
    is_silent: bool = False  # the store has not answered yet
    note: str = ""  # such as: Prefect is warming up


@dataclass(frozen=True, slots=True)
class _Part:
    """A piece of the header; the lower its rank, the less is it given up for others."""

    rank: int
    line: Line
    is_right: bool = False


def header_line(around: Surroundings, headline: "Headline | None", width: int) -> Line:
    """As much as fits: what must be seen first, then how things stand, then where and when this is.

    Parameters
    ----------
    around : Surroundings
    headline : Headline or None
        None before the store was read.
    width : int
        Cells.
    """
    parts = [part for part in (*_place(around, headline), *_standing(around, headline)) if plain(part.line)]
    room = width - 2
    kept: set[int] = set()
    for place, part in sorted(enumerate(parts), key=lambda item: item[1].rank):
        needed = cells_of(part.line) + (len(_GAP) if kept else 0)
        if needed <= room or not kept:
            kept.add(place)
            room -= needed
    left = _joined(part.line for place, part in enumerate(parts) if place in kept and not part.is_right)
    right = _joined(part.line for place, part in enumerate(parts) if place in kept and part.is_right)
    line = (drawn(" ", Tone.BAR), *left)
    line = (*padded(line, width - cells_of(right) - 1, Tone.BAR), *right)
    return padded(_cut(line, width), width, Tone.BAR)


def _place(around: Surroundings, headline: "Headline | None") -> Iterator[_Part]:
    """Where and when this is; what changes by the second stands near the start of the line.

    Textual sends a line from its start to the last cell that changed.
    """
    yield _Part(12, (span("AstrID", Tone.BAR),))
    yield _Part(0, (span(f"{around.key} ", Tone.BAR), span(around.screen, Tone.HERE)))
    yield _Part(7, (span(around.clock.text(around.now), Tone.BAR),))
    if headline is not None and headline.watts is not None:
        yield _Part(10, (span(f"{headline.watts:.0f} W", Tone.BAR),))
    yield _Part(13, (span(around.clock.date(around.now), Tone.BAR),))
    yield _Part(11, (span(around.host, Tone.BAR, 24),))
    yield _Part(14, (span(f"night of {around.clock.night(around.now)}", Tone.BAR),))


def _standing(around: Surroundings, headline: "Headline | None") -> Iterator[_Part]:
    """How things stand; from left to right what matters more."""

    def part(rank: int, text: str, tone: Tone = Tone.BAR) -> _Part:
        return _Part(rank, (span(text, tone, 40),), is_right=True)

    if headline is not None:
        if headline.queued:
            yield part(9, f"{headline.queued} queued")
        if headline.failed:
            yield part(8, f"{headline.failed} failed", Tone.BAR_ALERT)
        yield part(6, f"{headline.awaiting} await")
        if (run := headline.run) is not None:
            doing = " stopping" if run.is_stopping else ""
            yield part(5, f"run {run.run_id}{doing}{_more(run.others)}")
    yield part(4, around.note)
    if headline is not None and (event := headline.event) is not None:
        yield part(3, f"! {event.severity}{_more(event.others)}", Tone.BAR_ALERT)
    if around.trouble is not None:
        yield part(1, "STORE DOWN", Tone.BAR_ALERT)
    elif around.is_silent:
        yield part(1, "STORE SILENT", Tone.BAR_ALERT)
    if around.read_only:
        yield part(2, "READ-ONLY", Tone.BAR_ALERT)


def _more(others: int) -> str:
    return f" +{others}" if others else ""


def _joined(lines: Iterable[Line]) -> Line:
    joined: Line = ()
    for line in lines:
        joined = (*joined, *((drawn(_GAP, Tone.BAR),) if joined else ()), *line)
    return joined


def _cut(line: Line, width: int) -> Line:
    """Never more than the terminal has."""
    kept: Line = ()
    for piece in line:
        room = width - cells_of(kept)
        if room <= 0:
            break
        kept = (*kept, drawn(piece.text[:room], piece.tone) if isinstance(piece, Span) else piece)
    return kept

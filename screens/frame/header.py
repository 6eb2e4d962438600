"""The header: one line that says where one is, when it is, and how things stand."""

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.text import SafeText
from screens.lines import Line, Span, Tone, drawn, padded, plain, span

if TYPE_CHECKING:
    from core.headline import Headline

_NIGHT_SHIFT_S = 12 * 3600  # a night has one name from noon to noon
_GAP = "  "


@dataclass(frozen=True, slots=True)
class Clock:
    """How exactly the header tells the time: each change is sent to the terminal."""

    by: str = "minutes"  # "seconds", "minutes" or "off"

    def text(self, now: float) -> str:
        """The time of day in UTC, or nothing."""
        if self.by == "off":
            return ""
        pattern = "%Y-%m-%d %H:%M:%S UTC" if self.by == "seconds" else "%Y-%m-%d %H:%M UTC"
        return time.strftime(pattern, time.gmtime(now))


@dataclass(frozen=True, slots=True)
class Surroundings:
    """All that the header shows beside the counts."""

    screen: str
    key: str  # that leads to the screen
    host: SafeText
    now: float  # Unix seconds
    clock: Clock
    read_only: bool
    trouble: SafeText | None = None  # the store does not answer
    note: str = ""  # such as: Prefect is warming up


def header_line(around: Surroundings, headline: "Headline | None", width: int) -> Line:
    """What fits of it; where and when this is gives way to how things stand.

    Parameters
    ----------
    around : Surroundings
    headline : Headline or None
        None before the store was read.
    width : int
        Cells.
    """
    right = _standing(around, headline)
    left = _place(around)
    # The least important goes first: from the left its last parts, then from the right its first.
    while left[1:] and _length(left) + _length(right) + 2 > width:
        left = left[:-1]
    while right[1:] and _length(left) + _length(right) + 2 > width:
        right = right[1:]
    start = padded((drawn(" ", Tone.BAR), *_joined(left)), width - _length(right) - 1, Tone.BAR)
    return _cut((*start, *_joined(right), drawn(" ", Tone.BAR)), width)


def _place(around: Surroundings) -> list[Line]:
    screen = (span(f"{around.key} ", Tone.BAR), span(around.screen, Tone.HERE))
    parts: list[Line] = [
        (span("AstrID ", Tone.BAR), *screen),
        (span(around.clock.text(around.now), Tone.BAR),),
        (span(around.host, Tone.BAR, 24),),
        (span("night of " + time.strftime("%m-%d", time.gmtime(around.now - _NIGHT_SHIFT_S)), Tone.BAR),),
    ]
    return [part for part in parts if plain(part)]


def _standing(around: Surroundings, headline: "Headline | None") -> list[Line]:
    """From what can be missed to what must be seen."""
    parts: list[Line] = []
    if headline is not None:
        if headline.watts is not None:
            parts.append((span(f"{headline.watts:.0f} W", Tone.BAR),))
        if headline.queued:
            parts.append((span(f"{headline.queued} queued", Tone.BAR),))
        if headline.failed:
            parts.append((span(f"{headline.failed} failed", Tone.BAR_ALERT),))
        parts.append((span(f"{headline.awaiting} await", Tone.BAR),))
        if headline.run is not None:
            doing = "stopping" if headline.run.is_stopping else "running"
            more = f" +{headline.run.others}" if headline.run.others else ""
            parts.append((span(f"run {headline.run.run_id} {doing}{more}", Tone.BAR),))
    if around.note:
        parts.append((span(around.note, Tone.BAR, 30),))
    if headline is not None and headline.event is not None:
        more = f" +{headline.event.others}" if headline.event.others else ""
        parts.append((span(f"! {headline.event.severity}", Tone.BAR_ALERT, 20), span(more, Tone.BAR_ALERT)))
    if around.trouble is not None:
        parts.append((span("STORE DOWN", Tone.BAR_ALERT),))
    if around.read_only:
        parts.append((span("READ-ONLY", Tone.BAR_ALERT),))
    return parts


def _joined(parts: list[Line]) -> Line:
    line: Line = ()
    for part in parts:
        line = (*line, *((drawn(_GAP, Tone.BAR),) if line else ()), *part)
    return line


def _length(parts: list[Line]) -> int:
    return sum(len(plain(part)) for part in parts) + len(_GAP) * max(len(parts) - 1, 0)


def _cut(line: Line, width: int) -> Line:
    """Never more than the terminal has."""
    kept: Line = ()
    for piece in line:
        room = width - len(plain(kept))
        if room <= 0:
            break
        kept = (*kept, drawn(piece.text[:room], piece.tone) if isinstance(piece, Span) else piece)
    return kept

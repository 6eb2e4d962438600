"""Lines of AstrID's logs, as the screens list them: a window about the cursor, and one line in full."""

import re
from collections.abc import Sequence

from screens.lines import Line, Tone, indented, shortened, span, window

_HEAD = re.compile(r"^\d{4}-\d\d-\d\d (?P<hour>\d\d:\d\d:\d\d)[,.]\d+Z? \d+ (?P<level>[A-Z]+) [\w.]+: ")
_LEVEL = re.compile(r"\b(?:CRITICAL|ERROR|WARNING)\b|^(?:Traceback\b|error:)")
_LEVEL_WITHIN = 80  # characters: further on it is part of a message
_WIDE = 120  # from here on a line has room for its whole head
_AROUND = 12


def listed(lines: Sequence[str], place: int, width: int, rows: int, *, has_cursor: bool) -> list[Line]:
    """A window of the log, the line at `place` among them, and marked if the cursor is on it."""
    found: list[Line] = []
    for number in window(place, len(lines), rows):
        sign = span(" > " if has_cursor and number == place else "   ", Tone.KEY)
        text = lines[number]
        told = text if width >= _WIDE else _HEAD.sub(_short_head, text, count=1)
        found.append(shortened((sign, span(told, log_tone(text), width)), width))
    return found


def came(before: Sequence[str], after: Sequence[str]) -> int:
    """How many lines a log grew by at its end, of whose beginning some may be gone.

    All of them are new where none that was there is left. The last one may have been half written.
    """
    for new in range(len(after) if before else 0):
        end = len(after) - new
        kept = min(end, len(before))
        if after[end - 1].startswith(before[-1]) and before[-kept:-1] == after[end - kept : end - 1]:
            return new
    return len(after)


def line_sheet(lines: Sequence[str], place: int, width: int) -> list[Line]:
    """A line of the log in full, then those around it."""
    sheet = [
        *indented((span(lines[place], Tone.STRONG, 4000),), width),
        (),
        (span(" Around it", Tone.STRONG),),
    ]
    for number in range(max(place - _AROUND, 0), min(place + _AROUND + 1, len(lines))):
        tone = Tone.STRONG if number == place else Tone.DIM
        sheet += indented((span(lines[number], tone, 4000),), width) or [()]
    return sheet


def log_tone(text: str) -> Tone:
    """By its level, which stands in the beginning of the line."""
    found = _LEVEL.search(text[:_LEVEL_WITHIN])
    if found is None:
        return Tone.PLAIN
    return Tone.WARN if found[0] == "WARNING" else Tone.BAD


def _short_head(head: re.Match[str]) -> str:
    """The hour, and the level where it is trouble: a narrow line has room for little before its message."""
    return f"{head['hour']} " + ("" if head["level"] in {"INFO", "DEBUG"} else f"{head['level']} ")

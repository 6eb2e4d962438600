"""Values over time as a strip of dots: braille, two by four a cell, or plain ASCII."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from screens.lines import Line, Span, Tone, drawn, span

LABEL_COLUMNS = 8
_BRAILLE = 0x2800
_DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))  # left and right column, from the top down
_CHOSEN, _PLAIN_CHOSEN, _PLAIN_DOT = "◆", "X", "o"


@dataclass(frozen=True, slots=True)
class Series:
    """One quantity over time; none where it was not measured."""

    title: str
    unit: str
    values: Sequence[float | None]
    digits: int = 2


def strip_lines(
    times: Sequence[float], series: Series, chosen: int, *, width: int, rows: int, plain: bool
) -> list[Line]:
    """A title with the chosen value, and the values as dots in at least one row.

    Parameters
    ----------
    times : sequence of float
        Of all values, rising.
    chosen : int
        The place of the value under the cursor.
    width, rows : int
        Cells, with the title.
    """
    known = [value for value in series.values if value is not None and math.isfinite(value)]
    if not known:
        return [
            (span(f"{series.title:<{LABEL_COLUMNS}}", Tone.STRONG), span("not measured", Tone.DIM)),
            *[()] * (rows - 1),
        ]
    low, high = _range(known, series.digits)
    now = series.values[chosen] if chosen < len(series.values) else None
    gap = "" if series.unit.startswith("″") else " "
    told = "–" if now is None else f"{now:.{series.digits}f}{gap}{series.unit}".rstrip()
    title: Line = (
        span(f"{series.title:<{LABEL_COLUMNS}}", Tone.STRONG),
        span(told, Tone.KEY),
        span(f"   {min(known):.{series.digits}f} to {max(known):.{series.digits}f}", Tone.DIM),
    )
    heights = max(rows - 1, 1)
    grid = _Grid(max(width - LABEL_COLUMNS, 4), heights, plain)
    for place, value in enumerate(series.values):
        if value is not None and math.isfinite(value):
            grid.put(_share(times, place), (value - low) / (high - low), place == chosen)
    labels = [f"{high:.{series.digits}f}", *[""] * (heights - 2), f"{low:.{series.digits}f}"][-heights:]
    return [
        title,
        *(
            (span(label.rjust(LABEL_COLUMNS - 1) + " ", Tone.DIM), *grid.line(row))
            for row, label in enumerate(labels)
        ),
    ]


def _range(known: Sequence[float], digits: int) -> tuple[float, float]:
    """The ends of the scale: never closer than what the labels can tell apart."""
    low, high = min(known), max(known)
    least = 4 * 10.0**-digits
    missing = max(least - (high - low), 0.0)
    return low - missing / 2, high + missing / 2


def _share(times: Sequence[float], place: int) -> float:
    length = times[-1] - times[0]
    return (times[place] - times[0]) / length if length > 0 else 0.5


class _Grid:
    """Cells that dots are put into."""

    def __init__(self, columns: int, rows: int, plain: bool) -> None:
        self._columns, self._rows, self._plain = columns, rows, plain
        self._across, self._down = (1, 1) if plain else (2, 4)
        self._bits: dict[tuple[int, int], int] = {}
        self._chosen: tuple[int, int] | None = None

    def put(self, x: float, y: float, is_chosen: bool) -> None:
        """A dot at shares of the width (from the left) and of the height (from below)."""
        column = min(int(x * self._across * self._columns), self._across * self._columns - 1)
        row = min(int((1 - y) * self._down * self._rows), self._down * self._rows - 1)
        cell = row // self._down, column // self._across
        bit = 1 if self._plain else _DOTS[column % self._across][row % self._down]
        self._bits[cell] = self._bits.get(cell, 0) | bit
        if is_chosen:
            self._chosen = cell

    def line(self, row: int) -> tuple[Span, ...]:
        """One row, the chosen cell set apart."""
        text = "".join(self._sign(row, column) for column in range(self._columns))
        if self._chosen is None or self._chosen[0] != row:
            return (drawn(text),)
        column = self._chosen[1]
        sign = _PLAIN_CHOSEN if self._plain else _CHOSEN
        return drawn(text[:column]), drawn(sign, Tone.KEY), drawn(text[column + 1 :])

    def _sign(self, row: int, column: int) -> str:
        bits = self._bits.get((row, column), 0)
        if not bits:
            return " "
        return _PLAIN_DOT if self._plain else chr(_BRAILLE + bits)

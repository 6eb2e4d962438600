"""A history as an area of dots: braille, two bins a column and four heights a row, or plain ASCII."""

import math
from collections.abc import Sequence

from screens.lines import Line, Tone, drawn, padded, span

LABEL_COLUMNS = 7
_BRAILLE = 0x2800
_DOTS = ((0x40, 0x04, 0x02, 0x01), (0x80, 0x20, 0x10, 0x08))  # left and right column, from the bottom up
_STEPS = (1.0, 2.0, 3.0, 5.0, 10.0)


def bins_in(width: int, *, plain: bool) -> int:
    """How many bins a plot of some width shows."""
    columns = max(width - LABEL_COLUMNS, 1)
    return columns if plain else 2 * columns


def ceiling(values: Sequence[float | None], least: float) -> float:
    """The top of the scale: 1, 2, 3 or 5 times a power of ten, so that it seldom changes; from `least` up."""
    highest = max((value for value in values if value is not None and math.isfinite(value)), default=0.0)
    if highest <= least:
        return least
    decade = 10.0 ** math.floor(math.log10(highest))
    return next(step * decade for step in _STEPS if step * decade >= highest * (1 - 1e-9))


def area_lines(
    values: Sequence[float | None], *, top: float, unit: str, rows: int, plain: bool, ends: tuple[str, str]
) -> list[Line]:
    """Draw values from 0 to `top`; a bin without one stays empty.

    Parameters
    ----------
    values : sequence of float or None
        One a bin, oldest first; as many as `bins_in` says.
    top : float
        What the upper edge stands for.
    unit : str
    rows : int
        Of the area and of the line of times below it; at least 3.
    plain : bool
        ASCII only.
    ends : tuple of str
        What is written below the first and the last bin.
    """
    heights = rows - 1
    columns = len(values) if plain else math.ceil(len(values) / 2)
    area = _ascii(values, top, heights) if plain else _braille(values, top, heights)
    labels = [f"{top:g} {unit}", *[""] * (heights - 2), f"0 {unit}"]
    lines: list[Line] = [
        (span(label.rjust(LABEL_COLUMNS - 1) + " ", Tone.DIM), drawn(text, Tone.KEY))
        for label, text in zip(labels, area, strict=True)
    ]
    first, last = ends
    below = padded((span(" " * LABEL_COLUMNS + first, Tone.DIM),), LABEL_COLUMNS + columns - len(last))
    lines.append((*below, span(last, Tone.DIM)))
    return lines


def _braille(values: Sequence[float | None], top: float, rows: int) -> list[str]:
    dots = [_height(value, top, 4 * rows) for value in values]
    dots += [0] * (len(dots) % 2)
    lines = []
    for row in reversed(range(rows)):
        cells = []
        for left, right in zip(dots[::2], dots[1::2], strict=True):
            bits = sum(
                bit
                for height, column in ((left, _DOTS[0]), (right, _DOTS[1]))
                for level, bit in enumerate(column)
                if height > 4 * row + level
            )
            cells.append(chr(_BRAILLE + bits) if bits else " ")
        lines.append("".join(cells))
    return lines


def _ascii(values: Sequence[float | None], top: float, rows: int) -> list[str]:
    halves = [_height(value, top, 2 * rows) for value in values]
    return [
        "".join("#" if height > 2 * row + 1 else "." if height > 2 * row else " " for height in halves)
        for row in reversed(range(rows))
    ]


def _height(value: float | None, top: float, levels: int) -> int:
    """How many levels are filled: at least one where anything was measured, so that 0 is not a gap."""
    if value is None or not math.isfinite(value):
        return 0
    return min(max(round(value / top * levels), 1), levels)

"""What lies over an image: ticks that point at the candidate, a compass, and a bar of known length."""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from core.cells.glyphs import Cells
from core.orientation import ToSky, towards

_FEWEST_BAR_CELLS = 3
_SMALLEST_COMPASS = (7, 16)  # rows and columns of a panel that has room for one
_TALL = 17  # rows of a panel from which on a compass has longer arms
_SHAFTS = ("─-", "╱/", "│|", "╲\\")  # to the right, and each an eighth of a turn further; in ASCII after it


class Mark(NamedTuple):
    """One character over a panel."""

    row: int
    column: int
    glyph: str


def ticks(rows: int, columns: int, *, plain: bool) -> list[Mark]:
    """Short ticks at the middle of each edge, pointing at the candidate without covering it.

    Parameters
    ----------
    plain : bool
        Use ASCII only.
    """
    middle, centre = rows // 2, columns // 2
    vertical, horizontal = ("|", "-") if plain else ("▏" if columns % 2 == 0 else "│", "─")
    return [
        Mark(0, centre, vertical),
        Mark(rows - 1, centre, vertical),
        Mark(middle, 0, horizontal),
        Mark(middle, columns - 1, horizontal),
    ]


def compass(rows: int, columns: int, to_sky: ToSky, *, plain: bool) -> list[Mark]:
    """North and east in the upper left corner, as they lie in the image; nothing on a small panel.

    Parameters
    ----------
    to_sky : ToSky
        Of the image, whose first row is drawn at the bottom.
    """
    directions = towards(to_sky)
    if rows < _SMALLEST_COMPASS[0] or columns < _SMALLEST_COMPASS[1] or directions is None:
        return []
    arm = 2 if rows >= _TALL else 1  # rows; a column is half as wide as a row is high
    centre = arm, 2 * arm + 1
    marks: dict[tuple[int, int], str] = {}
    for name, direction in zip("NE", directions, strict=True):
        down, across = _on_ring(arm, *direction)
        steps = max(abs(down), abs(across))
        for step in range(1, steps):
            place = centre[0] + _rounded(down * step / steps), centre[1] + _rounded(across * step / steps)
            marks.setdefault(place, _shaft(*direction, plain=plain))
        marks[centre[0] + down, centre[1] + across] = name
    marks[centre] = "+" if plain else "·"
    return [Mark(row, column, glyph) for (row, column), glyph in marks.items()]


def _on_ring(arm: int, right: float, up: float) -> tuple[int, int]:
    """The cell about a centre, rows down and columns across, that lies in a direction most exactly."""
    span = range(-arm, arm + 1)
    edges = [(row, column) for row in (-arm, arm) for column in range(-2 * arm, 2 * arm + 1)]
    sides = [(row, column) for row in span for column in (-2 * arm, 2 * arm)]
    # A row is as high as two columns are wide.
    return max(
        edges + sides,
        key=lambda cell: (cell[1] / 2 * right - cell[0] * up) / math.hypot(cell[0], cell[1] / 2),
    )


def scale_bar(rows: int, columns: int, pixels: int, arcsec: float | None, *, plain: bool) -> list[Mark]:
    """A bar of 1, 2 or 5 times a power of ten in the lower left corner, with its length.

    Its length is right to a quarter of a cell, in ASCII to half of one; nothing where none fits left of the
    tick.

    Parameters
    ----------
    pixels : int
        Of the image, across the panel.
    arcsec : float or None
        The side of a pixel; without it the bar is in pixels.
    """
    unit = " px" if arcsec is None else "″" if not plain else '"'
    per_cell = pixels / columns * (1.0 if arcsec is None else arcsec)
    for length in _round_numbers(per_cell * columns):
        cells, label = length / per_cell, f" {length:g}{unit}"
        if arcsec is None and length < 1:
            break
        bar = _bar(cells, plain=plain)
        if cells >= _FEWEST_BAR_CELLS and 1 + len(bar) + len(label) <= columns // 2:
            return [Mark(rows - 1, 1 + place, glyph) for place, glyph in enumerate(bar + label)]
    return []


def on_blank(marks: Sequence[Mark]) -> list[Mark]:
    """Marks on an empty box: among characters that draw an image, others are not seen."""
    rows, columns = [mark.row for mark in marks], [mark.column for mark in marks]
    if not marks:
        return []
    box = {
        (row, column): " "
        for row in range(min(rows), max(rows) + 1)
        for column in range(max(min(columns) - 1, 0), max(columns) + 2)
    }
    box |= {(mark.row, mark.column): mark.glyph for mark in marks}
    return [Mark(row, column, glyph) for (row, column), glyph in box.items()]


def with_marks(cells: Cells, marks: Sequence[Mark], colour: int) -> Cells:
    """Write marks over cells, in a colour of the cells' own kind or in the terminal's own (-1)."""
    glyphs, fore = cells.glyphs.copy(), cells.fore.copy()
    for row, column, glyph in marks:
        glyphs[row, column], fore[row, column] = glyph, colour
    return Cells(glyphs, fore, cells.back, cells.palette)


def _bar(cells: float, *, plain: bool) -> str:
    halves = round(2 * cells)
    if plain:
        return "=" * round(cells)
    return "━" * (halves // 2) + "╸" * (halves % 2)


def _round_numbers(most: float) -> Iterator[float]:
    """Numbers of one digit, 1, 2 or 5, from the largest below a limit downwards."""
    if not (math.isfinite(most) and most > 0):
        return
    power = math.floor(math.log10(most))
    for exponent in range(power, power - 3, -1):
        for digit in (5, 2, 1):
            if digit * 10.0**exponent <= most:
                yield digit * 10.0**exponent


def _rounded(number: float) -> int:
    """To the nearest whole number, halves away from 0, so that opposite directions look alike."""
    return int(math.copysign(math.floor(abs(number) + 0.5), number))


def _shaft(right: float, up: float, *, plain: bool) -> str:
    """The line that leads into a direction, of four there are."""
    return _SHAFTS[round(math.atan2(up, right) / (math.pi / 4)) % 4][plain]

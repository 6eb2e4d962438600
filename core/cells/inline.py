"""Pictures among the lines of a plain terminal, which go on below them."""

from core.cells.ansi import to_ansi
from core.cells.glyphs import Cells
from core.cells.image import Image
from core.cells.kitty import display
from core.cells.sixel import sixel
from core.cells.triplet import Panel

_SAVE, _RESTORE = "\x1b7", "\x1b8"


def to_pictures(*panels: Panel, cell: tuple[int, int] | None, gap: int = 1) -> str:
    """Panels of equal size with their images side by side, as what to write at the start of a line.

    Parameters
    ----------
    panels : Panel
        Drawn by one of `GRAPHICS`.
    cell : (int, int) or None
        The height and width of a cell in pixels, for Sixel; none: by Kitty's protocol.
    """
    rows, columns = panels[0].cells.rows, panels[0].cells.columns
    out = ["\n" * rows, f"\x1b[{rows}A", _SAVE]  # the lines are there before anything is drawn on them
    for place, panel in enumerate(panels):
        if panel.image is not None:
            left = place * (columns + gap)
            out.append(_at(0, left) + _picture(panel.image, rows, columns, cell))
            out += _marks(panel.cells, left)
    out.append(_at(rows, 0))
    return "".join(out)


def _picture(image: Image, rows: int, columns: int, cell: tuple[int, int] | None) -> str:
    if cell is None:
        return display(image, rows, columns)
    return sixel(image, rows * cell[0], columns * cell[1])


def _marks(cells: Cells, left: int) -> list[str]:
    """What is written over a picture."""
    return [
        _at(row, left + column) + to_ansi(cells.part(row, column))
        for row in range(cells.rows)
        for column in range(cells.columns)
        if cells.glyphs[row, column] != " "
    ]


def _at(down: int, right: int) -> str:
    """From where the pictures begin."""
    return _RESTORE + (f"\x1b[{down}B" if down else "") + (f"\x1b[{right}C" if right else "")

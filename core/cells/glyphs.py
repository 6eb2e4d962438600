"""Brightness as characters: half blocks, ASCII by measured ink, braille."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.cells.colour import STEPS, grey_indices, true_colours

DRAWINGS = ("half", "grey", "braille", "ascii")
GRAPHICS = ("kitty", "sixel")  # pixels that the terminal shows over blank cells

# Sixteen characters whose ink was measured (DejaVu Sans Mono, share of the densest one), chosen
# about evenly; the usual long ramps are not monotone in ink.
_RAMP = " .:;*+cznoXAOQ@M"
_INK = np.array(
    [0, 0.099, 0.198, 0.255, 0.346, 0.393, 0.474, 0.520, 0.591, 0.653, 0.729, 0.796, 0.855, 0.914, 0.969, 1]
)
_MASKED_CHARACTER = "/"

# Bayer's 4 x 4 ordered dither, as thresholds.
_BAYER = (np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]]) + 0.5) / 16
# Bits of the braille dots, by row and column within a cell (Unicode 2800).
_DOTS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])

_COARSE_LEVELS = 24


class Run(NamedTuple):
    """Neighbouring cells of one style. A colour is a number of `Cells`' kind, or none: the default."""

    text: str
    fore: int | None
    back: int | None


@dataclass(frozen=True, slots=True)
class Cells:
    """An image in terminal cells.

    Attributes
    ----------
    glyphs : (rows, columns) str
        One character a cell.
    fore, back : (rows, columns) int32
        Colours; -1 is the terminal's own.
    palette : bool
        Colours are indices of the 256-colour palette; else 0xRRGGBB.
    """

    glyphs: NDArray[np.str_]
    fore: NDArray[np.int32]
    back: NDArray[np.int32]
    palette: bool = False

    @property
    def rows(self) -> int:
        """How many lines of the terminal it takes."""
        return int(self.glyphs.shape[0])

    @property
    def columns(self) -> int:
        """How many characters a line has."""
        return int(self.glyphs.shape[1])

    def part(self, row: int, column: int) -> "Cells":
        """One cell."""
        place = slice(row, row + 1), slice(column, column + 1)
        return Cells(self.glyphs[place], self.fore[place], self.back[place], self.palette)

    def runs(self, row: int) -> Iterator[Run]:
        """One line, neighbours of one style joined."""
        cells = zip(self.glyphs[row].tolist(), self.fore[row].tolist(), self.back[row].tolist(), strict=True)
        for (fore, back), group in groupby(cells, key=lambda cell: cell[1:]):
            text = "".join(cell[0] for cell in group)
            yield Run(text, fore if fore >= 0 else None, back if back >= 0 else None)


def sample_grid(drawing: str, rows: int, columns: int) -> tuple[int, int]:
    """How many samples (vertical, horizontal) a panel of ``rows`` x ``columns`` cells can show."""
    if drawing == "braille":
        return 4 * rows, 2 * columns
    return (rows, columns) if drawing == "ascii" else (2 * rows, columns)


def half_blocks(brightness: NDArray[np.float32], colour_map: str, palette: bool) -> Cells:
    """Two samples a cell: the upper one's colour on the lower one's.

    Parameters
    ----------
    brightness : (2 * rows, columns) float32
        From 0 to 1, NaN where masked.
    colour_map : str
        A name of `COLOUR_MAPS`.
    palette : bool
        Few colours, for a thin line: the palette's greys, or 24 steps of another map.
    """
    indexed = palette and colour_map == "grey"
    if indexed:
        colours = grey_indices(brightness)
    else:
        colours = true_colours(brightness, colour_map, _COARSE_LEVELS if palette else STEPS)
    upper, lower = colours[0::2], colours[1::2]
    same = upper == lower
    # Where both halves agree a space needs no foreground, and joins its neighbours.
    return Cells(np.where(same, " ", "▀"), np.where(same, -1, upper), lower, palette=indexed)


def ascii_ink(brightness: NDArray[np.float32], dark_ink: bool) -> Cells:
    """One sample a cell, (rows, columns), drawn by how much ink a character has.

    ``dark_ink`` says that the terminal writes dark on light, where more ink is darker.
    """
    ink = 1 - brightness if dark_ink else brightness
    step = np.searchsorted((_INK[1:] + _INK[:-1]) / 2, np.nan_to_num(ink))
    glyphs = np.where(np.isnan(ink), _MASKED_CHARACTER, np.array(list(_RAMP))[step])
    return _uncoloured(glyphs)


def braille_dots(brightness: NDArray[np.float32], dark_ink: bool) -> Cells:
    """Eight samples a cell, (4 * rows, 2 * columns), dithered; masked samples are empty."""
    ink = 1 - brightness if dark_ink else brightness
    height, width = ink.shape
    thresholds = np.tile(_BAYER, (-(-height // 4), -(-width // 4)))[:height, :width]
    dots = np.nan_to_num(ink) > thresholds
    cells = dots.reshape(height // 4, 4, width // 2, 2)
    codes = 0x2800 + np.einsum("rycx,yx->rc", cells.astype(np.int64), _DOTS)
    return _uncoloured(np.array([[chr(code) for code in row] for row in codes.tolist()]))


def blanks(rows: int, columns: int) -> Cells:
    """Cells for a picture to lie on."""
    return _uncoloured(np.full((rows, columns), " "))


def _uncoloured(glyphs: NDArray[np.str_]) -> Cells:
    default = np.full(glyphs.shape, -1, dtype=np.int32)
    return Cells(glyphs, default, default)

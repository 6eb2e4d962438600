"""New, reference and difference, drawn by the same rules so that they can be compared."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.cells.glyphs import Cells, ascii_ink, braille_dots, half_blocks, sample_grid, with_ticks
from core.cells.grid import cropped, resampled, squared
from core.cells.stretch import Limits, brightness, sky_limits, symmetric_limits

_TICK_COLOURS = {"grey": 0xFFB000, "viridis": 0xFFFFFF, "cividis": 0xFFFFFF, "red": 0xFF5050}
_TICK_INDEX = 214  # the palette's amber


@dataclass(frozen=True, slots=True)
class Look:
    """How cutouts are drawn; what a verdict records of what was on the screen.

    Attributes
    ----------
    drawing : str
        ``half`` (true colour), ``grey`` (few colours), ``braille`` or ``ascii``.
    stretch : str
        One of `STRETCHES`.
    colour_map : str
        One of `COLOUR_MAPS`.
    contrast, zoom : float
        1 is the whole cutout from the sky to its brightest pixel.
    dark_ink : bool
        The terminal writes dark on light (matters to braille and ASCII).
    """

    drawing: str = "grey"
    stretch: str = "asinh"
    colour_map: str = "grey"
    invert: bool = False
    contrast: float = 1.0
    zoom: float = 1.0
    dark_ink: bool = False


@dataclass(frozen=True, slots=True)
class Panel:
    """One drawn plane, with the limits that its caption states."""

    cells: Cells
    limits: Limits
    masked_fraction: float  # of the samples shown


def draw_triplet(
    new: NDArray[np.float32],
    ref: NDArray[np.float32],
    diff: NDArray[np.float32],
    rows: int,
    columns: int,
    look: Look,
) -> tuple[Panel, Panel, Panel]:
    """Draw three planes of one place, north-up as the pixels are: the first row at the bottom.

    New and reference share their limits; the difference has its own, symmetric about 0.

    Parameters
    ----------
    new, ref, diff : (height, width) float32
        In sigma of each plane's own sky, NaN where masked.
    rows, columns : int
        Cells of one panel; twice as many columns as rows make square pixels.
    """
    grid = sample_grid(look.drawing, rows, columns)
    shown = [resampled(cropped(squared(plane), look.zoom)[::-1], *grid) for plane in (new, ref, diff)]
    sky = sky_limits(np.concatenate([shown[0], shown[1]]), look.stretch, look.contrast)
    both = symmetric_limits(shown[2], look.stretch, look.contrast)
    return (
        _panel(shown[0], sky, look),
        _panel(shown[1], sky, look),
        _panel(shown[2], both, look),
    )


def draw_plane(values: NDArray[np.float32], rows: int, columns: int, look: Look) -> Panel:
    """Draw one image, its first row at the bottom, with limits that show its sky.

    Parameters
    ----------
    values : (height, width) float32
        Any linear unit, NaN where masked.
    rows, columns : int
        Cells; twice as many columns as rows make square pixels.
    """
    grid = sample_grid(look.drawing, rows, columns)
    shown = resampled(cropped(squared(values), look.zoom)[::-1], *grid)
    return _panel(shown, sky_limits(shown, look.stretch, look.contrast), look)


def faint_sources_survive(drawing: str, columns: int) -> bool:
    """Whether a panel of this width shows a source near the detection limit.

    Half blocks keep .85 of its significance at 26 columns; braille and ASCII .12 and .22 there and
    about .8 at 63 (measured on simulated cutouts of 63 pixels).
    """
    return drawing in ("half", "grey") or columns >= 60


def _panel(values: NDArray[np.float32], limits: Limits, look: Look) -> Panel:
    level = brightness(values, limits, look.stretch)
    if look.invert:
        level = 1 - level
    if look.drawing == "ascii":
        cells = with_ticks(ascii_ink(level, look.dark_ink), -1, plain=True)
    elif look.drawing == "braille":
        cells = with_ticks(braille_dots(level, look.dark_ink), -1, plain=False)
    else:
        blocks = half_blocks(level, look.colour_map, palette=look.drawing == "grey")
        colour = _TICK_INDEX if blocks.palette else _TICK_COLOURS[look.colour_map]
        cells = with_ticks(blocks, colour, plain=False)
    return Panel(cells, limits, float(np.isnan(values).mean()))

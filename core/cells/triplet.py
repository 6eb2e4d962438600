"""New, reference and difference, drawn by the same rules so that they can be compared."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.cells.glyphs import GRAPHICS, Cells, ascii_ink, blanks, braille_dots, half_blocks, sample_grid
from core.cells.grid import cropped, resampled, squared, zoomed_side
from core.cells.image import PIXELS, Image, picture
from core.cells.marks import Mark, compass, on_blank, scale_bar, ticks, with_marks
from core.cells.stretch import Limits, brightness, sky_limits, symmetric_limits
from core.orientation import ToSky, pixel_arcsec

_MARK_COLOURS = {"grey": 0xFFB000, "viridis": 0xFFFFFF, "cividis": 0xFFFFFF, "red": 0xFF5050}
_MARK_INDEX = 214  # the palette's amber


@dataclass(frozen=True, slots=True)
class Look:
    """How cutouts are drawn; what a verdict records of what was on the screen.

    Attributes
    ----------
    drawing : str
        ``half`` (true colour), ``grey`` (few colours), ``braille``, ``ascii``, or pixels by ``kitty`` or
        ``sixel``.
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
    """One drawn plane, with the limits that its caption states.

    Attributes
    ----------
    image : Image or None
        To be shown under the text of the cells, where the drawing is one of `GRAPHICS`.
    """

    cells: Cells
    limits: Limits
    masked_fraction: float  # of the samples shown
    image: Image | None = None


def draw_triplet(
    new: NDArray[np.float32],
    ref: NDArray[np.float32],
    diff: NDArray[np.float32],
    rows: int,
    columns: int,
    look: Look,
    *,
    score: NDArray[np.float32] | None = None,
    to_sky: ToSky | None = None,
    arcsec: float | None = None,
    marked: int = 0,
) -> tuple[Panel, ...]:
    """Draw three or four planes of one place as the pixels are: the first row at the bottom.

    New and reference share their limits; difference and score have their own, symmetric about 0.

    Parameters
    ----------
    new, ref, diff, score : (height, width) float32
        In sigma of each plane's own sky, NaN where masked.
    rows, columns : int
        Cells of one panel; twice as many columns as rows make square pixels.
    to_sky : ToSky, optional
        How the pixels lie on the sky; without it there is no compass.
    arcsec : float, optional
        The side of a pixel where only that is known; without it and without `to_sky` the bar is in pixels.
    marked : int
        Which plane has the compass and the bar over it.

    Returns
    -------
    tuple of Panel
        New, reference, difference and, if there is one, score.
    """
    planes = (new, ref, diff) if score is None else (new, ref, diff, score)
    shown = [_shown(plane, rows, columns, look) for plane in planes]
    sky = sky_limits(np.concatenate([shown[0], shown[1]]), look.stretch, look.contrast)
    limits = [sky, sky, *(symmetric_limits(each, look.stretch, look.contrast) for each in shown[2:])]
    marks = _marks(new.shape, rows, columns, look, to_sky, arcsec)
    return tuple(
        _panel(each, rows, columns, limit, look, marks if place == marked else [])
        for place, (each, limit) in enumerate(zip(shown, limits, strict=True))
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
    shown = _shown(values, rows, columns, look)
    limits = sky_limits(shown, look.stretch, look.contrast)
    return _panel(shown, rows, columns, limits, look, [])


def faint_sources_survive(drawing: str, columns: int) -> bool:
    """Whether a panel of this width shows a source near the detection limit.

    Half blocks keep .85 of its significance at 26 columns; braille and ASCII .12 and .22 there and
    about .8 at 63 (measured on simulated cutouts of 63 pixels).
    """
    return drawing in ("half", "grey", *GRAPHICS) or columns >= 60


def _marks(
    shape: tuple[int, ...], rows: int, columns: int, look: Look, to_sky: ToSky | None, arcsec: float | None
) -> list[Mark]:
    """Compass and bar."""
    plain = look.drawing == "ascii"
    across = zoomed_side(max(shape), look.zoom)
    side = arcsec if to_sky is None else pixel_arcsec(to_sky)
    groups = [scale_bar(rows, columns, across, side, plain=plain)]
    if to_sky is not None:
        groups.append(compass(rows, columns, to_sky, plain=plain))
    if look.drawing in ("ascii", "braille"):
        groups = [on_blank(group) for group in groups]
    return [mark for group in groups for mark in group]


def _shown(plane: NDArray[np.float32], rows: int, columns: int, look: Look) -> NDArray[np.float32]:
    """The samples that a panel can show."""
    seen = cropped(squared(plane), look.zoom)[::-1]
    if look.drawing not in GRAPHICS:
        return resampled(seen, *sample_grid(look.drawing, rows, columns))
    most = PIXELS[0] * rows, PIXELS[1] * columns
    if seen.shape[0] > most[0] or seen.shape[1] > most[1]:
        return resampled(seen, *np.minimum(seen.shape, most).tolist())
    return np.where(np.isfinite(seen), seen, np.float32(np.nan))


def _panel(
    values: NDArray[np.float32], rows: int, columns: int, limits: Limits, look: Look, marks: list[Mark]
) -> Panel:
    level = brightness(values, limits, look.stretch)
    if look.invert:
        level = 1 - level
    image = None
    if look.drawing in GRAPHICS:
        cells, image = blanks(rows, columns), picture(level, look.colour_map)
        colour = _MARK_COLOURS[look.colour_map]
    elif look.drawing == "ascii":
        cells, colour = ascii_ink(level, look.dark_ink), -1
    elif look.drawing == "braille":
        cells, colour = braille_dots(level, look.dark_ink), -1
    else:
        cells = half_blocks(level, look.colour_map, palette=look.drawing == "grey")
        colour = _MARK_INDEX if cells.palette else _MARK_COLOURS[look.colour_map]
    marks = marks + ticks(cells.rows, cells.columns, plain=look.drawing == "ascii")
    return Panel(with_marks(cells, marks, colour), limits, float(np.isnan(values).mean()), image)

"""Where the stars themselves do not subtract: there a difference shows stars, and not what changed.

A chip of a mosaic lies elsewhere than its WCS says, a map is off in a corner, a part of a frame is behind the
dome or a cloud with a sharp edge: maps, flux ratios and PSFs are smooth, and stars that do not follow them
were dismissed as outliers. So each part of a difference is judged by the stars nearest to it.
"""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from core.text import beside
from core.vocabulary import MaskPlane
from pipeline.frame import Difference, FrameRefused, Image, MaskImage
from pipeline.subtraction.second_image import OF_STARS, second_images

BRIGHT = 20.0  # flux errors of the sky around it that a star must have to tell; its own hold what scatters
LEFT = 0.25  # of its flux, at least, is left of a star that is not subtracted; a wrong PSF leaves less
SCATTERS = 2.0  # of single stars, as of their colours and motions: one that is subtracted may leave so much
NEAREST = 20  # stars that judge a place
MOST = 0.9  # of them: changes may be many, but stars that stayed what they are lie between them
ALONG = 0.2  # of them, along the border of a place where most are left
CELL_PX = 16
SIDE_FWHM = 0.6  # from a star: there most is left of one that lies a little off
HALO_FWHM = 2.5  # from a star: what is as bright all around it there is none of its own light
MOST_OF_FRAME = 0.5  # may be without
UNSUBTRACTED = np.uint16(MaskPlane.UNSUBTRACTED)

Values = NDArray[np.float64]
Lights = tuple[Values, Values, Values]  # x, y and flux
Index = NDArray[np.int64]
Cells = NDArray[np.bool_]


def mask_unsubtracted(
    flux: Image, flux_err: Image, mask: MaskImage, stars: Lights, fwhm: float, scatter: float
) -> float:
    """Mark in a mask, in place, where stars do not subtract.

    Parameters
    ----------
    flux, flux_err : (height, width) float32
        The flux of a point source at each pixel of a difference, and its error.
    mask : (height, width) uint16
        Gets `MaskPlane.UNSUBTRACTED` as far as the frame reaches; what is masked already tells nothing.
    stars : (x, y, flux)
        Those of both frames, in the units of ``flux``: one that is in both tells twice.
    fwhm : float
        Of the wider PSF, in pixels.
    scatter : float
        Of single stars' flux ratios, relative, and of their places, in FWHM. Stars that fit nowhere are not
        among them.

    Returns
    -------
    float
        The share of bright stars elsewhere that do not subtract either; 0 where there are too few to tell.

    Raises
    ------
    FrameRefused
        The stars of more than half of what is not masked do not subtract, or stand in one frame twice.
    """
    at, left = _judged(flux, flux_err, mask, stars, fwhm, max(LEFT, SCATTERS * scatter))
    _refuse_second_images(flux, at, left, fwhm)
    found = where_most_are_left(at, left, mask.shape)
    elsewhere = ~found[tuple((at // CELL_PX).T)]
    share = float(left[elsewhere].mean()) if np.count_nonzero(elsewhere) >= NEAREST else 0.0
    if found.any():
        _leave_out(found, mask)
    return share


def _leave_out(found: Cells, mask: MaskImage) -> None:
    whole = pixels_of(found, mask.shape)
    share = float(whole[mask == 0].mean())
    if share > MOST_OF_FRAME:
        raise FrameRefused(
            f"the stars of {beside(100.0 * share, 100.0 * MOST_OF_FRAME)}% of the frame are not where its "
            "reference has them, or not as bright; "
            f"{MOST_OF_FRAME:.0%} is the most that can be left out",
            share,
            MOST_OF_FRAME,
        )
    mask[whole & ((mask & MaskPlane.EDGE) == 0)] |= UNSUBTRACTED


def unsubtracted_part(difference: Difference) -> str | None:
    """A sentence where a part of a frame is left out, its stars not being subtracted; none where none is."""
    left_out = (difference.mask & UNSUBTRACTED) != 0
    if not left_out.any():
        return None
    searched = (difference.mask & ~UNSUBTRACTED) == 0
    return (
        f"{left_out[searched].mean():.1%} of the frame is left out, {where(left_out, 'the reference')}: "
        "the stars there are not where the reference has them, or not as bright."
    )


def _refuse_second_images(flux: Image, at: Index, left: NDArray[np.bool_], fwhm: float) -> None:
    for sign, frame in ((1, "the frame"), (-1, "its reference")):
        alone = left & (sign * flux[at[:, 0], at[:, 1]] > 0)
        places = at.astype(np.float64)
        seen = second_images(places[alone], places[~left], fwhm)
        if seen is None:
            continue
        count, away = seen
        raise FrameRefused(
            f"{count} stars stand in {frame} a second time, {away:.0f} px away: it was exposed twice, or the"
            " telescope moved meanwhile",
            float(alone.mean()),
            OF_STARS,
        )


def where(left_out: NDArray[np.bool_], grid: str) -> str:
    """Where most is left out, in words, in pixels of a grid that is called so."""
    parts, count = ndimage.label(left_out, structure=np.ones((3, 3)))
    sizes = np.bincount(parts.ravel())[1:]
    y, x = ndimage.center_of_mass(left_out, parts, int(sizes.argmax()) + 1)
    return f"around pixel {x:.0f}, {y:.0f} of {grid}" + (" and elsewhere" if count > 1 else "")


def pixels_of(cells: Cells, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Cells as pixels of a frame of a shape."""
    return np.repeat(np.repeat(cells, CELL_PX, axis=0), CELL_PX, axis=1)[: shape[0], : shape[1]]


def where_most_are_left(at: Index, left: NDArray[np.bool_], shape: tuple[int, ...]) -> Cells:
    """The cells whose nearest stars are nearly all left, with the surroundings that share their lot.

    Parameters
    ----------
    at : (n, 2) int64
        Row and column of the bright stars.
    left : (n,) bool
        Which of them are not subtracted.
    shape : (int, int)
        Of the frame.
    """
    centres = [np.arange(CELL_PX // 2, side + CELL_PX // 2, CELL_PX) for side in shape]
    places = np.stack(np.meshgrid(*centres, indexing="ij"), axis=-1)
    if np.count_nonzero(left) <= MOST * NEAREST:
        return np.zeros(places.shape[:2], dtype=bool)
    apart, nearest = cKDTree(at).query(places, min(NEAREST, len(left)))
    share = left[nearest].mean(axis=-1)
    most: Cells = share > MOST
    if not most.any():
        return most
    border = CELL_PX * ndimage.distance_transform_edt(~most) < apart[..., -1]
    found: Cells = most | ((share > ALONG) & border)
    return found


def _judged(
    flux: Image, flux_err: Image, mask: MaskImage, stars: Lights, fwhm: float, part: float
) -> tuple[Index, NDArray[np.bool_]]:
    """The pixels (n, 2), row and column, of the bright stars of a list, and of which that part is left."""
    columns, rows = (np.rint(axis).astype(np.int64) for axis in stars[:2])
    height, width = mask.shape
    inside = (columns >= 0) & (rows >= 0) & (columns < width) & (rows < height)
    rows, columns, light = rows[inside], columns[inside], stars[2][inside]
    away = round(HALO_FWHM * fwhm)
    tells = mask[rows, columns] == 0
    tells &= light > BRIGHT * np.median(around(flux_err, rows, columns, away), axis=0)
    rows, columns, light = rows[tells], columns[tells], light[tells]
    halo = np.median(around(flux, rows, columns, away), axis=0)
    beside = around(flux, rows, columns, max(1, round(SIDE_FWHM * fwhm)))
    own = np.abs(np.vstack([flux[rows, columns], beside]) - halo).max(axis=0)
    return np.column_stack([rows, columns]), own > part * light


def around(flux: Image, rows: Index, columns: Index, apart: int) -> Image:
    """What eight places around each star hold: (8, stars)."""
    height, width = flux.shape
    return np.stack(
        [
            flux[np.clip(rows + apart * down, 0, height - 1), np.clip(columns + apart * right, 0, width - 1)]
            for down, right in product((-1, 0, 1), repeat=2)
            if (down, right) != (0, 0)
        ]
    )

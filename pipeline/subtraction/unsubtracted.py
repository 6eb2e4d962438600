"""Where the stars themselves do not subtract: there a difference shows stars, and not what changed.

A chip of a mosaic lies elsewhere than its WCS says, a map is off in a corner, a part of a frame is behind the
dome or a cloud with a sharp edge: maps, flux ratios and PSFs are smooth, and stars that do not follow them
were dismissed as outliers. So each part of a difference is judged by the stars nearest to it.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from core.vocabulary import MaskPlane
from pipeline.frame import Difference, FrameRefused, Image, MaskImage
from pipeline.subtraction.left_over import sky_error

BRIGHT = 20.0  # flux errors of the sky that a star must have to tell
LEFT = 0.3  # of its flux: what is left of a star that is not subtracted. A wrong PSF leaves less, and few vary so
NEAREST = 15  # stars that judge a place
MOST = 0.6  # of them
ALONG = 0.4  # of them, along the border of a place where most are left
CELL_PX = 16
MOST_OF_FRAME = 0.5  # may be without
PLANE = np.uint16(MaskPlane.UNSUBTRACTED)

Values = NDArray[np.float64]
Lights = tuple[Values, Values, Values]  # x, y and flux
Cells = NDArray[np.bool_]


def mask_unsubtracted(flux: Image, flux_err: Image, mask: MaskImage, lights: Iterable[Lights]) -> None:
    """Mark in a mask, in place, where stars do not subtract.

    Parameters
    ----------
    flux, flux_err : (height, width) float32
        The flux of a point source at each pixel of a difference, and its error.
    mask : (height, width) uint16
        Gets `MaskPlane.UNSUBTRACTED`; what is masked already tells nothing.
    lights : iterable of (x, y, flux)
        The stars of either frame in the units of ``flux``. Each list judges by itself: behind a cloud the new
        frame has none that could be left.

    Raises
    ------
    FrameRefused
        The stars of more than half of what is not masked do not subtract.
    """
    found = np.zeros(tuple(-(-side // CELL_PX) for side in mask.shape), dtype=bool)
    for stars in lights:
        found |= _cells(flux, flux_err, mask, stars)
    if not found.any():
        return
    whole = np.repeat(np.repeat(found, CELL_PX, axis=0), CELL_PX, axis=1)[: mask.shape[0], : mask.shape[1]]
    share = float(whole[mask == 0].mean())
    if share > MOST_OF_FRAME:
        raise FrameRefused(
            f"the stars of {share:.0%} of the frame are not where its reference has them, or not as bright; "
            f"{MOST_OF_FRAME:.0%} is the most that can be left out",
            share,
            MOST_OF_FRAME,
        )
    mask[whole] |= PLANE


def unsubtracted_part(difference: Difference) -> str | None:
    """A sentence where a part of a frame is left out as its stars do not subtract; none where there is none."""
    left_out = (difference.mask & PLANE) != 0
    if not left_out.any():
        return None
    parts, count = ndimage.label(left_out, structure=np.ones((3, 3)))
    sizes = np.bincount(parts.ravel())[1:]
    y, x = ndimage.center_of_mass(left_out, parts, int(sizes.argmax()) + 1)
    places = f"around pixel {x:.0f}, {y:.0f} of the reference" + (" and elsewhere" if count > 1 else "")
    return (
        f"{left_out.mean():.1%} of the frame is left out, {places}: "
        "the stars there are not where the reference has them, or not as bright."
    )


def _cells(flux: Image, flux_err: Image, mask: MaskImage, stars: Lights) -> Cells:
    """Where most of the nearest bright stars are left, with the surroundings that share their lot."""
    centres = [np.arange(CELL_PX // 2, side + CELL_PX // 2, CELL_PX) for side in mask.shape]
    y, x = np.meshgrid(*centres, indexing="ij")
    columns, rows = (np.rint(axis).astype(np.int64) for axis in stars[:2])
    height, width = mask.shape
    inside = (columns >= 0) & (rows >= 0) & (columns < width) & (rows < height)
    at, light = (rows[inside], columns[inside]), stars[2][inside]
    tells = (mask[at] == 0) & (light > BRIGHT * sky_error(flux_err))
    at, light = (at[0][tells], at[1][tells]), light[tells]
    left = np.abs(flux[at]) > LEFT * light
    if np.count_nonzero(left) <= MOST * NEAREST:
        return np.zeros(x.shape, dtype=bool)
    apart, nearest = cKDTree(np.column_stack(at)).query(np.stack([y, x], axis=-1), min(NEAREST, len(left)))
    share = left[nearest].mean(axis=-1)
    most = share > MOST
    if not most.any():
        return most
    border = CELL_PX * ndimage.distance_transform_edt(~most) < apart[..., -1]
    return most | ((share > ALONG) & border)

"""Cutouts of one candidate from the three images that a reviewer compares."""

import math

import numpy as np

from core.orientation import ToSky, sane
from core.review.cutouts import Cutouts
from core.vocabulary import MaskPlane
from pipeline.frame import Difference, Frame, Image, MaskImage
from pipeline.quantile import MAD_TO_SIGMA

# Saturated pixels stay visible: that a bright star is there is what a reviewer must see.
HIDDEN = MaskPlane.BAD | MaskPlane.COSMIC_RAY | MaskPlane.EDGE | MaskPlane.INTERPOLATED | MaskPlane.STREAK


def cut(new: Frame, reference: Frame, difference: Difference, x: float, y: float, size: int) -> Cutouts:
    """Cut new, reference and difference around one place.

    Parameters
    ----------
    new, reference : Frame
        On one grid; their sky is subtracted.
    difference : Difference
        On the same grid.
    x, y : float
        The place, 0-based pixel centres; the nearest pixel becomes the centre of the stamps.
    size : int
        Odd.

    Returns
    -------
    Cutouts
        Stamps of (size, size), each in units of its own robust sky sigma, the score as it is; NaN outside
        the images and where a pixel cannot be used. With the reference's WCS at that place, if it has one.
    """
    column, row = round(x), round(y)
    stamps = (
        _stamp(new.data, new.mask, column, row, size) - _stamp(new.background, new.mask, column, row, size),
        _stamp(reference.data, reference.mask, column, row, size)
        - _stamp(reference.background, reference.mask, column, row, size),
        _stamp(difference.data, difference.mask, column, row, size),
    )
    sigmas = tuple(sky_of(stamp)[1] for stamp in stamps)
    new_stamp, ref_stamp, diff_stamp = (
        stamp / np.float32(sigma) for stamp, sigma in zip(stamps, sigmas, strict=True)
    )
    return Cutouts(
        new_stamp,
        ref_stamp,
        diff_stamp,
        sigma=sigmas,
        score=_stamp(difference.score, difference.mask, column, row, size),
        to_sky=to_sky(reference, x, y),
    )


def to_sky(frame: Frame, x: float, y: float) -> ToSky | None:
    """How the pixels of a frame lie on the sky at one place, its distortions included.

    By the two pixels beside it in each direction; none without a WCS, and where it has no position.
    """
    if frame.wcs is None:
        return None
    ra, dec = frame.wcs.all_pix2world([x - 1, x + 1, x, x], [y, y, y - 1, y + 1], 0)
    # Differences of right ascension shrink with the cosine of the declination, and may pass 360 degrees.
    turn = (np.array([ra[1] - ra[0], ra[3] - ra[2]]) + 180.0) % 360.0 - 180.0
    east = turn * np.cos(np.radians(dec.mean()))
    north = np.array([dec[1] - dec[0], dec[3] - dec[2]])
    east_x, east_y = (1800.0 * east).tolist()
    north_x, north_y = (1800.0 * north).tolist()
    return sane(((east_x, east_y), (north_x, north_y)))


def _stamp(image: Image, mask: MaskImage, column: int, row: int, size: int) -> Image:
    """A square of the image centred on one pixel, NaN where there is nothing to see."""
    half = size // 2
    height, width = image.shape
    stamp = np.full((size, size), np.nan, dtype=np.float32)
    top, left = max(row - half, 0), max(column - half, 0)
    bottom, right = min(row - half + size, height), min(column - half + size, width)
    if top >= bottom or left >= right:
        return stamp
    seen = np.where(mask[top:bottom, left:right] & HIDDEN, np.nan, image[top:bottom, left:right])
    stamp[top - row + half : bottom - row + half, left - column + half : right - column + half] = seen
    return stamp


def sky_of(stamp: Image) -> tuple[float, float]:
    """The level and the robust sigma of a stamp's sky; NaN where too little is seen or it has no noise.

    The median absolute deviation is taken below the median alone, for sources lie above it: it is then
    the distance from the lower quartile to the median.
    """
    seen = stamp[np.isfinite(stamp)].astype(np.float64)
    if seen.size < 9:
        return math.nan, math.nan
    ranks = [seen.size // 4, (seen.size - 1) // 2, seen.size // 2]
    quartile, low, high = np.partition(seen, ranks)[ranks]
    level = (low + high) / 2.0
    # Coarsely quantised images may have half of their sky at one value.
    sigma = MAD_TO_SIGMA * (level - quartile) or float(np.std(seen))
    return float(level), float(sigma) if sigma > 0 else math.nan

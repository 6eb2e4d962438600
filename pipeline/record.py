"""What is kept of a difference beside its detections, so that `astrid why` can answer for any place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.places.block_scores import BlockScores, block_side, encode
from core.places.grid_maps import PlaneMap, SkyMap
from core.settings import Settings
from pipeline.frame import Aligned, Difference, Frame, PreparedReference
from pipeline.subtraction.unsubtracted import UNSUBTRACTED

SAMPLES = 11  # on a side: places that a map is fitted to
LEAST = 30  # of them a WCS must know

Values = NDArray[np.float64]


def block_scores(
    difference: Difference,
    new: Aligned,
    reference: PreparedReference,
    origin: tuple[int, int],
    match_radius_px: float,
    settings: Settings,
) -> BlockScores:
    """The significance and masks of a difference in blocks.

    Parameters
    ----------
    difference : Difference
    new : Aligned
    reference : PreparedReference
        Its map of the sky is kept among its caches.
    origin : (int, int)
        The place (x, y) of the calibrated frame's first pixel in the file's own array.
    match_radius_px : float
    settings : Settings
        ``detect.threshold``.
    """
    height, width = difference.score.shape
    side = block_side(width, height)
    good = difference.mask == 0
    left_out = difference.mask & UNSUBTRACTED
    highest = _over_blocks(np.where(good, difference.score, np.float32(-np.inf)), side, np.maximum)
    lowest = _over_blocks(np.where(good, difference.score, np.float32(np.inf)), side, np.minimum)
    usable = np.isfinite(highest)
    strongest = np.where(usable, np.where(highest >= -lowest, highest, lowest), np.float32(0.0))
    return BlockScores(
        width=width,
        height=height,
        block=side,
        threshold=settings.detect.threshold,
        match_radius_px=match_radius_px,
        codes=encode(strongest, usable),
        frame_mask=_over_blocks((new.frame.mask | left_out).astype(np.uint8), side, np.bitwise_or),
        reference_mask=_over_blocks(reference.frame.mask.astype(np.uint8), side, np.bitwise_or),
        to_frame=_frame_map(new, origin, difference.score.shape),
        sky=_cached_sky_map(reference),
    )


def sky_map(frame: Frame) -> SkyMap | None:
    """The sky on a frame's pixels; none without a WCS, or where it knows too little of the frame."""
    if frame.wcs is None:
        return None
    x, y = _samples(frame.shape)
    ra, dec = (np.asarray(angle, dtype=np.float64) for angle in frame.wcs.all_pix2world(x, y, 0))
    known = np.isfinite(ra) & np.isfinite(dec)
    if np.count_nonzero(known) < LEAST:
        return None
    return SkyMap.fit(ra[known], dec[known], x[known], y[known])


def _cached_sky_map(reference: PreparedReference) -> SkyMap | None:
    if "sky map" not in reference.caches:
        reference.caches["sky map"] = sky_map(reference.frame)
    found: SkyMap | None = reference.caches["sky map"]
    return found


def _frame_map(new: Aligned, origin: tuple[int, int], shape: tuple[int, int]) -> PlaneMap:
    x, y = _samples(shape)
    to_x, to_y = new.map_to_new(x, y)
    return PlaneMap.fit(x, y, to_x + origin[0], to_y + origin[1])


def _samples(shape: tuple[int, int]) -> tuple[Values, Values]:
    """Places all over an image, denser towards its edges, where polynomials otherwise swing."""
    nodes = np.sin(np.linspace(-np.pi / 2, np.pi / 2, SAMPLES))
    x, y = np.meshgrid(*((nodes + 1.0) / 2.0 * length - 0.5 for length in shape[::-1]))
    return x.ravel(), y.ravel()


def _over_blocks(
    image: NDArray[Any], side: int, combine: Callable[[NDArray[Any], NDArray[Any]], NDArray[Any]]
) -> NDArray[Any]:
    """Combine the pixels of each square block of an image; the last ones may be cut."""
    height, width = image.shape
    # Strips of rows are combined first: they lie side by side in memory.
    padded = np.pad(image, ((0, -height % side), (0, -width % side)), mode="edge")
    for axis in (0, 1):
        strips = [padded[step::side] if axis == 0 else padded[:, step::side] for step in range(side)]
        padded = strips[0]
        for strip in strips[1:]:
            padded = combine(padded, strip)
    return padded

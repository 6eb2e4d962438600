"""What a difference still has of the sky: moonlight, clouds and flat fields that differ between the frames.

In the difference both images have one PSF and constant stars are gone, so a plain mesh sees the sky even
where the field is crowded. A wide mesh tells it with next to no noise, a narrow one also where it changes
within a hundred pixels. How much of what the narrow one adds is noise and not sky, neighbouring blocks of a
few pixels tell. The rest is added, as in a filter of Wiener's.
"""

from __future__ import annotations

import math

import numpy as np
import sep
from numpy.typing import NDArray

from pipeline.frame import Image
from pipeline.quantile import MAD_TO_SIGMA, quantile

WIDE_PX, NARROW_PX = 96, 24
LEAST_PX = 16
BLOCK_PX = 6  # whose means tell the noise: wider than a kernel that correlates it, narrower than clouds
# The variance that white noise leaves in what the narrow mesh adds, of that of a mean over its cells: those
# are clipped, then the median of nine is taken, between which a spline runs. Measured on noise.
NOISE_SHARE = 0.85
SMOOTH_CELLS = 3  # so many cells of a row are one that is independent
CERTAIN = 4.0  # standard deviations of the noise's own variance


def left_sky(data: Image, bad: NDArray[np.bool_]) -> Image:
    """The sky of a difference, (height, width) float32, in its unit; ``bad`` are pixels that tell nothing."""
    sky = _mesh(data, bad, WIDE_PX)
    added = _mesh(data, bad, NARROW_PX)
    added -= sky
    scatter = _scatter(data, bad)
    good = ~bad[::BLOCK_PX, ::BLOCK_PX]
    if not (scatter > 0.0 and good.any()):
        return sky
    noise = NOISE_SHARE * (scatter * BLOCK_PX / NARROW_PX) ** 2
    independent = max(1.0, np.count_nonzero(good) * (BLOCK_PX / (SMOOTH_CELLS * NARROW_PX)) ** 2)
    seen = float(np.mean(np.square(added[::BLOCK_PX, ::BLOCK_PX][good], dtype=np.float64)))
    if seen > noise * (1.0 + CERTAIN * math.sqrt(2.0 / independent)):
        added *= np.float32(1.0 - noise / seen)
        sky += added
    return sky


def _scatter(data: Image, bad: NDArray[np.bool_]) -> float:
    """The noise of the mean of a block, from the differences of neighbours; 0 where nothing tells it."""
    height, width = (length // BLOCK_PX for length in data.shape)
    part = np.s_[: height * BLOCK_PX, : width * BLOCK_PX]
    down, across = (height, BLOCK_PX, width * BLOCK_PX), (height, width, BLOCK_PX)
    # One axis after the other, which takes a quarter of the time.
    rows: Image = np.add.reduce(data[part].reshape(down), axis=1)
    means = np.add.reduce(rows.reshape(across), axis=2) / np.float32(BLOCK_PX**2)
    holed: NDArray[np.bool_] = np.logical_or.reduce(bad[part].reshape(down), axis=1)
    whole = ~np.logical_or.reduce(holed.reshape(across), axis=2)
    steps = np.abs(np.diff(means, axis=1))[whole[:, 1:] & whole[:, :-1]]
    return MAD_TO_SIGMA * float(quantile(steps, 0.5)) / math.sqrt(2.0) if steps.size else 0.0


def _mesh(data: Image, bad: NDArray[np.bool_], mesh_px: int) -> Image:
    high, wide = (max(LEAST_PX, min(mesh_px, length // 2)) for length in data.shape)
    sky: Image = sep.Background(data, mask=bad, bw=wide, bh=high, fw=3, fh=3).back(dtype=np.float32)
    return sky

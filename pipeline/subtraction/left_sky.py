"""What a difference still has of the sky: moonlight, clouds and flat fields that differ between the frames.

In the difference both images have one PSF and constant stars are gone, so a plain mesh sees the sky even
where the field is crowded. A wide mesh tells it with next to no noise, a narrow one also where it changes
within a hundred pixels. How much of what the narrow one adds is sky and not noise is known: the noise of a
difference is white. It is added by that share, as in a filter of Wiener's.
"""

from __future__ import annotations

import numpy as np
import sep
from numpy.typing import NDArray

from pipeline.frame import Image
from pipeline.quantile import quantile

WIDE_PX, NARROW_PX = 96, 24
LEAST_PX = 16
STEP_PX = 3  # of the pixels that tell noise and sky
# The variance that white noise leaves in what the narrow mesh adds, of that of a mean over its cells: those
# are clipped, then the median of nine is taken, between which a spline runs. Measured on noise.
NOISE_SHARE = 0.85


def left_sky(data: Image, bad: NDArray[np.bool_]) -> Image:
    """The sky of a difference, (height, width) float32, in its unit; ``bad`` are pixels that tell nothing."""
    sky = _mesh(data, bad, WIDE_PX)
    added = _mesh(data, bad, NARROW_PX)
    added -= sky
    good = ~bad[::STEP_PX, ::STEP_PX]
    if not good.any():
        return sky
    here = data[::STEP_PX, ::STEP_PX][good]
    scatter = 1.4826 * quantile(np.abs(here - np.float32(quantile(here, 0.5))), 0.5)
    noise = NOISE_SHARE * (scatter / NARROW_PX) ** 2
    seen = float(np.mean(np.square(added[::STEP_PX, ::STEP_PX][good], dtype=np.float64)))
    if seen > noise:
        added *= np.float32(1.0 - noise / seen)
        sky += added
    return sky


def _mesh(data: Image, bad: NDArray[np.bool_], mesh_px: int) -> Image:
    high, wide = (max(LEAST_PX, min(mesh_px, length // 2)) for length in data.shape)
    sky: Image = sep.Background(data, mask=bad, bw=wide, bh=high, fw=3, fh=3).back(dtype=np.float32)
    return sky

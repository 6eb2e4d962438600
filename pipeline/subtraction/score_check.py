"""Whether a score is what it says: its standard deviation on empty sky, over all and place by place."""

from __future__ import annotations

import math

import numpy as np
import sep

from pipeline.frame import Image, MaskImage
from pipeline.neighbourhood import grown
from pipeline.quantile import quantile

ENOUGH = 2**20  # pixels tell a standard deviation to a part in a thousand
FOUND_SIGMA = 6.0
FOUND_RADIUS_PX = 12  # beside what is found, its wings are in the score
NOISE_MESH_PX = 64


def sky_deviation(score: Image, flux_err: Image, mask: MaskImage) -> float:
    """Standard deviation of the score on empty sky: half the range that holds 68.27 % of it.

    Empty is what is not masked, not beside anything significant, and not on bright sources.
    """
    found = grown(np.abs(score) > FOUND_SIGMA, FOUND_RADIUS_PX)
    sparse = (slice(None, None, max(1, math.isqrt(score.size // ENOUGH))),) * 2
    good = (mask[sparse] == 0) & ~found[sparse]
    if not good.any():
        return float("nan")
    good &= flux_err[sparse] <= 1.2 * quantile(flux_err[sparse][good], 0.4)
    calm = score[sparse][good]
    return (quantile(calm, 0.84134) - quantile(calm, 0.15866)) / 2.0


def noise_excess(score: Image, mask: MaskImage) -> Image:
    """How much larger than 1 the standard deviation of the score is, place by place; never below 1.

    Real frames have noise that no variance of single pixels shows: flat-field structure, noise that
    neighbours share, the unresolved stars of a crowded field.
    """
    mesh = max(16, min(NOISE_MESH_PX, *(length // 2 for length in score.shape)))
    spread = sep.Background(score, mask=mask != 0, bw=mesh, bh=mesh, fw=3, fh=3).rms(dtype=np.float32)
    excess: Image = np.maximum(spread, np.float32(1.0))
    return excess

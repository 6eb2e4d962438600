"""The Moffat profile of a frame's stars, by what two apertures hold of them: how far their wings reach.

Within r FWHM such a profile has ``1 - (1 + 4 r**2 (2**(1 / beta) - 1))**(1 - beta)`` of its light.
"""

from __future__ import annotations

import math

import numpy as np
import sep
from numpy.typing import NDArray
from scipy.spatial import KDTree

from pipeline.frame import Frame, Stars

Values = NDArray[np.float64]

APERTURE = 1.5  # radius of the aperture that stars are measured in, in FWHM
WIDE = 3.0  # radius of the one that tells how far the wings reach, in FWHM
BRIGHTEST = 200  # stars that tell it
LEAST = 5  # of them that stand alone, if others are left out
BETAS = np.geomspace(1.6, 60.0, 721)  # the last is a Gaussian's profile to half a percent
COMMON_BETA = 3.0  # where no star tells it
LEAST_BETA = 2.2  # of a star: what seems to have less has light of its neighbours in the wider aperture


def beta_of(frame: Frame, stars: Stars, fwhm: float) -> float | None:
    """The beta that bright and lonely stars have, as the median; none where no star tells it.

    Parameters
    ----------
    frame : Frame
    stars : Stars
        Of the frame, brightest first.
    fwhm : float
        Of its stars, pixels.
    """
    if fwhm <= 0.0:
        return None
    bright = np.flatnonzero((stars.mask == 0) & (stars.flux > 50.0 * stars.flux_err))[:BRIGHTEST]
    if len(bright) and len(stars) > 1:
        places = np.column_stack([stars.x, stars.y])
        apart = KDTree(places).query(places[bright], k=2)[0][:, 1]
        alone = bright[apart > (WIDE + APERTURE) * fwhm]
        bright = alone if len(alone) >= LEAST else bright
    signal = np.ascontiguousarray(frame.signal)
    inner, outer = (
        sep.sum_circle(signal, stars.x[bright], stars.y[bright], radius * fwhm, subpix=5)[0]
        for radius in (APERTURE, WIDE)
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        ratios = inner / outer
    good = ratios[(ratios > 0.2) & (ratios < 1.2)]
    return beta_of_ratio(float(np.median(good))) if len(good) else None


def beta_of_ratio(ratio: float) -> float:
    """The beta of a profile that has a ratio of light in both apertures."""
    return float(np.interp(ratio, _share(BETAS, APERTURE) / _share(BETAS, WIDE), BETAS))


def share(beta: float) -> float:
    """The share of all light within `APERTURE`."""
    return float(_share(np.array([beta]), APERTURE)[0])


def noise_pixels(beta: float, fwhm: float) -> float:
    """How many pixels of sky have the noise of a PSF fit: one over the sum of the squared PSF.

    ``pi alpha**2 (2 beta - 1) / (beta - 1)**2``; of a Gaussian ``4 pi sigma**2`` (King 1983, PASP 95, 163).
    """
    beta = max(beta, LEAST_BETA)
    alpha = fwhm / (2.0 * math.sqrt(2.0 ** (1.0 / beta) - 1.0))
    return max(math.pi * alpha**2 * (2.0 * beta - 1.0) / (beta - 1.0) ** 2, 1.0)


def _share(beta: Values, radius: float) -> Values:
    return np.asarray(1.0 - (1.0 + 4.0 * radius**2 * (2.0 ** (1.0 / beta) - 1.0)) ** (1.0 - beta))

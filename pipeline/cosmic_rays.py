"""Cosmic rays in a single frame, by L.A.Cosmic (van Dokkum 2001, PASP 113, 1420)."""

from __future__ import annotations

import astroscrappy
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import label, maximum_filter

from pipeline.frame import Image

SHARP_LIMIT = 5.0  # least contrast of the Laplacian image against the fine-structure image
NEIGHBOUR_SHARE = 0.3  # of the sigma limit, for neighbours of a hit
BRIGHT_SIGMA = 20.0  # peaks that tell how sharp this frame's stars are
SHARPEST = 0.2  # neighbours over peak of the sharpest PSF that is believed: a FWHM of 1.3 px
STAR_SHARE = 0.5  # of the typical ratio: a peak whose neighbours reach it is a star's
EIGHT = np.ones((3, 3), dtype=bool)


def find_cosmic_rays(
    data: Image, background: Image, variance: Image, bad: NDArray[np.bool_], sigma: float
) -> NDArray[np.bool_]:
    """Mark the pixels that cosmic rays hit.

    L.A.Cosmic takes the cores of undersampled stars for hits. A hit is dark on both sides of its
    brightest pixel in at least one direction, and a star in none: groups of pixels whose peak is as
    broad in all directions as half the frame's typical peak are given back.

    Parameters
    ----------
    data, background : (height, width) float32
        Electrons.
    variance : (height, width) float32
        Electrons squared, of a model without cosmic rays.
    bad : (height, width) bool
        Pixels to leave out, saturated ones among them.
    sigma : float
        How far above the noise the sharp part of a hit must be.

    Returns
    -------
    (height, width) bool
    """
    found, _ = astroscrappy.detect_cosmics(
        np.ascontiguousarray(data, dtype=np.float32),
        inmask=np.ascontiguousarray(bad),
        inbkg=np.ascontiguousarray(background, dtype=np.float32),
        invar=np.ascontiguousarray(variance, dtype=np.float32),
        sigclip=sigma,
        sigfrac=NEIGHBOUR_SHARE,
        objlim=SHARP_LIMIT,
        gain=1.0,
        readnoise=1.0,
        satlevel=np.inf,
        niter=3,
        cleantype="medmask",
    )
    hits = np.asarray(found, dtype=bool) & ~bad
    return _without_stars(hits, data - background, variance, bad)


def _without_stars(
    hits: NDArray[np.bool_], signal: Image, variance: Image, bad: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """The hits without those whose peak has the shape of a star."""
    if not hits.any():
        return hits
    beside, diagonal = _narrowest(signal)
    peaks = (signal == maximum_filter(signal, size=3)) & ~bad
    bright = peaks & (signal > BRIGHT_SIGMA * np.sqrt(variance))
    typical = max(float(np.median(beside[bright])) if bright.any() else 0.0, SHARPEST)
    starlike = peaks & (beside > STAR_SHARE * typical) & (diagonal > STAR_SHARE * typical**2)
    groups, count = label(hits, structure=EIGHT)
    is_star = np.zeros(count + 1, dtype=bool)
    is_star[np.unique(groups[starlike & hits])] = True
    is_star[0] = False
    kept: NDArray[np.bool_] = hits & ~is_star[groups]
    return kept


def _narrowest(signal: Image) -> tuple[Image, Image]:
    """For each pixel the mean of two opposite neighbours over its own value, in the darkest direction.

    Of the rows and columns, and of the diagonals; (height, width) each, 0 in the outermost pixels.
    """
    beside, diagonal = np.zeros_like(signal), np.zeros_like(signal)
    own = np.maximum(signal[1:-1, 1:-1], np.float32(1e-6))
    rows = signal[1:-1, :-2] + signal[1:-1, 2:]
    columns = signal[:-2, 1:-1] + signal[2:, 1:-1]
    falling = signal[:-2, :-2] + signal[2:, 2:]
    rising = signal[:-2, 2:] + signal[2:, :-2]
    beside[1:-1, 1:-1] = np.minimum(rows, columns) / (2.0 * own)
    diagonal[1:-1, 1:-1] = np.minimum(falling, rising) / (2.0 * own)
    return beside, diagonal

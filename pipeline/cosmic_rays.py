"""Cosmic rays in a single frame: L.A.Cosmic (van Dokkum 2001, PASP 113, 1420), with a guard for stars.

The paper's tests are made only where its first one succeeds, which is some hundred times less work
than medians over the whole frame. Its Laplacian of the image sampled twice as finely needs no such
image: in a quarter of a pixel it is twice the pixel less the two neighbours on that side.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.ndimage import label, maximum_filter

from pipeline.frame import Image

SHARP_LIMIT = 5.0  # least contrast of the Laplacian against the fine structure: the paper's f_lim
NEIGHBOUR_SHARE = 0.3  # of the sigma limit, for neighbours of a hit
ROUNDS = 3  # of finding, and replacing what was found: thick tracks are peeled from outside
DARKEST_SIGMA = 3.0
BRIGHT_SIGMA = 20.0  # peaks that tell how sharp this frame's stars are
SHARPEST = 0.2  # neighbours over peak of the sharpest PSF that is believed: a FWHM of 1.3 px
STAR_SHARE = 0.5  # of the typical ratio: a peak whose neighbours reach it is a star's
PATCHES_AT_ONCE = 20_000
EIGHT = np.ones((3, 3), dtype=bool)
NOTHING = np.zeros(0, dtype=np.float32)

Mask = NDArray[np.bool_]


def find_cosmic_rays(signal: Image, variance: Image, bad: Mask, full: Mask, sigma: float) -> Mask:
    """Mark the pixels that cosmic rays hit.

    A hit has a Laplacian of at least ``sigma``, and stands out of the fine structure around it.
    Groups of such pixels are given back when their peak has the shape of a star: a hit is dark on both
    sides of its brightest pixel in at least one direction, a star in none, however sharp.

    Parameters
    ----------
    signal : (height, width) float32
        Electrons above the sky.
    variance : (height, width) float32
        Electrons squared, of a smooth model.
    bad : (height, width) bool
        Pixels whose values mean nothing.
    full : (height, width) bool
        Saturated pixels: no hits, but light, without which a star's shoulder would be a ridge.
    sigma : float

    Returns
    -------
    (height, width) bool
    """
    noise: Image = np.sqrt(variance)
    # A dark pixel is no reason to take its neighbours for bright.
    clean: Image = np.maximum(np.where(bad, np.float32(0.0), signal), np.float32(-DARKEST_SIGMA) * noise)
    exempt = bad | full
    hits = np.zeros(signal.shape, dtype=bool)
    region: Mask | None = None
    for _ in range(ROUNDS):
        sharpness: Image = laplacian(clean) / (np.float32(2.0) * noise)
        tried = (sharpness > sigma) & ~exempt
        # The paper's two tests, then neighbours by lower limits.
        found = _passing(clean, noise, sharpness, tried if region is None else tried & region, sigma)
        for limit in (sigma, NEIGHBOUR_SHARE * sigma):
            beside = _grown(found, 3) & (sharpness > limit) & ~exempt & ~found
            found |= _sharp(sharpness, beside, limit)
        found &= ~hits
        if region is None:
            found = _without_stars(found, clean, noise, exempt)
        if not found.any():
            break
        hits |= found
        region = _grown(hits, 5)
        _replace(clean, hits | bad, found)
    return _without_shoulders(hits, np.where(bad, np.float32(0.0), signal))


def _grown(mask: Mask, size: int) -> Mask:
    """The mask and all within the square of ``size`` pixels around it."""
    grown: Mask = maximum_filter(mask.view(np.uint8), size=size).view(bool)
    return grown


def laplacian(image: Image) -> Image:
    """The positive part of the Laplacian at twice the sampling, averaged over each pixel.

    An isolated pixel of value 1 gives 2.
    """
    padded = np.pad(image, 1, mode="edge")
    twice = np.float32(2.0) * image
    up, down = padded[:-2, 1:-1], padded[2:, 1:-1]
    left, right = padded[1:-1, :-2], padded[1:-1, 2:]
    out = np.zeros_like(image)
    for vertical in (up, down):
        rest = twice - vertical
        for horizontal in (left, right):
            out += np.maximum(rest - horizontal, np.float32(0.0))
    out *= np.float32(0.25)
    return out


def _passing(clean: Image, noise: Image, sharpness: Image, tried: Mask, sigma: float) -> Mask:
    """Of the pixels tried, those that pass the paper's two tests: sharp, and not fine structure."""
    passing = _sharp(sharpness, tried, sigma)
    rows, columns = np.nonzero(passing)
    fine = np.concatenate(
        [NOTHING, *(_fine_structure(patches) for patches in _patches(clean, rows, columns, 9))]
    )
    excess = sharpness[rows, columns] * noise[rows, columns]
    structure = excess <= SHARP_LIMIT * np.maximum(fine, 0.01 * noise[rows, columns])
    passing[rows[structure], columns[structure]] = False
    return passing


def _sharp(sharpness: Image, tried: Mask, limit: float) -> Mask:
    """Of the pixels tried, those whose Laplacian exceeds that of their neighbourhood by the limit."""
    passing = tried.copy()
    rows, columns = np.nonzero(tried)
    around = np.concatenate(
        [NOTHING, *(np.median(patches, axis=(1, 2)) for patches in _patches(sharpness, rows, columns, 5))]
    )
    dull = sharpness[rows, columns] - around <= limit
    passing[rows[dull], columns[dull]] = False
    return passing


def _patches(image: Image, rows: NDArray[np.intp], columns: NDArray[np.intp], size: int) -> list[Image]:
    """The squares of ``size`` pixels around some pixels, in batches of (n, size, size)."""
    windows = sliding_window_view(np.pad(image, size // 2, mode="reflect"), (size, size))
    starts = range(0, len(rows), PATCHES_AT_ONCE)
    return [windows[rows[i : i + PATCHES_AT_ONCE], columns[i : i + PATCHES_AT_ONCE]] for i in starts]


def _fine_structure(patches: Image) -> Image:
    """The 3 x 3 median at the centre of each patch less the 7 x 7 median of such medians: (n,)."""
    small = np.median(sliding_window_view(patches, (3, 3), axis=(1, 2)), axis=(3, 4))
    fine = small[:, 3, 3] - np.median(small, axis=(1, 2))
    return np.asarray(fine, dtype=np.float32)


def _replace(clean: Image, masked: Mask, found: Mask) -> None:
    """Give each pixel found the median of its unmasked neighbours within 2 pixels, in place."""
    rows, columns = np.nonzero(found)
    values: Image = np.where(masked, np.float32(np.nan), clean)
    for start, patches in zip(
        range(0, len(rows), PATCHES_AT_ONCE), _patches(values, rows, columns, 5), strict=True
    ):
        flat = patches.reshape(len(patches), -1)
        known = ~np.isnan(flat).all(axis=1)
        middle = np.zeros(len(flat), dtype=np.float32)
        middle[known] = np.nanmedian(flat[known], axis=1)
        stop = start + len(flat)
        clean[rows[start:stop], columns[start:stop]] = middle


def _without_stars(hits: Mask, signal: Image, noise: Image, bad: Mask) -> Mask:
    """The hits without the groups whose peak has the shape of a star."""
    if not hits.any():
        return hits
    beside, diagonal = _narrowest(signal)
    peaks = (signal == maximum_filter(signal, size=3)) & ~bad
    bright = peaks & (signal > BRIGHT_SIGMA * noise)
    typical = max(float(np.median(beside[bright])) if bright.any() else 0.0, SHARPEST)
    starlike = peaks & (beside > STAR_SHARE * typical) & (diagonal > STAR_SHARE * typical**2)
    groups, count = label(hits, structure=EIGHT)
    is_star = np.zeros(count + 1, dtype=bool)
    is_star[np.unique(groups[starlike & hits])] = True
    is_star[0] = False
    kept: Mask = hits & ~is_star[groups]
    return kept


def _without_shoulders(hits: Mask, signal: Image) -> Mask:
    """The hits without the groups that touch a pixel brighter than all of their own.

    Such a group is the shoulder of a bright star whose top is flat or trailed.
    """
    groups, count = label(hits, structure=EIGHT)
    around = np.where(hits, 0, maximum_filter(groups, size=3))
    shoulder = _highest(signal, around, count) > _highest(signal, groups, count)
    kept: Mask = hits & ~shoulder[groups]
    return kept


def _highest(signal: Image, groups: NDArray[np.int32], count: int) -> Image:
    """The brightest pixel of each group: (count + 1,), the first of no group and always -inf."""
    highest = np.full(count + 1, -np.inf, dtype=np.float32)
    inside = groups > 0
    np.maximum.at(highest, groups[inside], signal[inside])
    return highest


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

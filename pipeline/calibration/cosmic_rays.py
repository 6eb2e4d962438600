"""Cosmic rays in a single frame: L.A.Cosmic (van Dokkum 2001, PASP 113, 1420), with a guard for stars.

The paper's tests are made only where its first one succeeds, which is some hundred times less work
than medians over the whole frame. Its Laplacian of the image sampled twice as finely needs no such
image: in a quarter of a pixel it is twice the pixel less the two neighbours on that side.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import KDTree

from pipeline.frame import Image
from pipeline.neighbourhood import STRIP_ROWS, Mask, Pixel, Whole, grown, patches, places

SHARP_LIMIT = 5.0  # least contrast of the Laplacian against the fine structure: the paper's f_lim
NEIGHBOUR_SHARE = 0.3  # of the sigma limit, for neighbours of a hit
ROUNDS = 3  # of finding, and replacing what was found: thick tracks are peeled from outside
DARKEST_SIGMA = 3.0
BRIGHT_SIGMA = 20.0  # peaks that tell how sharp this frame's stars are
SHARPEST = 0.2  # neighbours over peak of the sharpest PSF that is believed: a FWHM of 1.3 px
STAR_SHARE = 0.5  # of the typical ratio: a peak whose neighbours reach it is a star's
PATCHES_AT_ONCE = 20_000
NOTHING = np.zeros(0, dtype=np.float32)


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
    clean: Image = np.where(bad, np.float32(0.0), signal)
    np.maximum(clean, np.float32(-DARKEST_SIGMA) * noise, out=clean)
    exempt = bad | full
    sharpness: Image = laplacian(clean)
    sharpness /= np.float32(2.0) * noise
    hits = np.zeros(signal.shape, dtype=bool)
    region: Mask | None = None
    for _ in range(ROUNDS):
        tried = (sharpness > sigma) & ~exempt
        # The paper's two tests, then neighbours by lower limits.
        found = _passing(clean, noise, sharpness, tried if region is None else tried & region, sigma)
        for limit in (sigma, NEIGHBOUR_SHARE * sigma):
            beside = grown(found, 1) & (sharpness > limit) & ~exempt & ~found
            found |= _sharp(sharpness, beside, limit)
        found &= ~hits
        if region is None:
            found = _without_stars(found, clean, noise, exempt)
        if not found.any():
            break
        hits |= found
        region = grown(hits, 2)
        _replace(clean, hits | bad, found)
        changed = places(grown(found, 1))
        sharpness[changed] = _laplacian_of(patches(clean, *changed, 3, "edge")) / (2.0 * noise[changed])
    del clean, noise, sharpness
    return _without_shoulders(hits, np.where(bad, np.float32(0.0), signal))


def laplacian(image: Image) -> Image:
    """The positive part of the Laplacian at twice the sampling, averaged over each pixel.

    An isolated pixel of value 1 gives 2.
    """
    out = np.empty_like(image)
    for top in range(0, len(image), STRIP_ROWS):
        rows = np.arange(top - 1, min(top + STRIP_ROWS, len(image)) + 1).clip(0, len(image) - 1)
        strip = np.pad(image[rows], ((0, 0), (1, 1)), mode="edge")
        verticals, horizontals = (strip[:-2, 1:-1], strip[2:, 1:-1]), (strip[1:-1, :-2], strip[1:-1, 2:])
        out[top : top + STRIP_ROWS] = _laplacian_from(strip[1:-1, 1:-1], verticals, horizontals)
    return out


def _laplacian_of(squares: Image) -> Image:
    """The same at the centres of squares of 3 pixels: (n,)."""
    return _laplacian_from(
        squares[:, 1, 1], (squares[:, 0, 1], squares[:, 2, 1]), (squares[:, 1, 0], squares[:, 1, 2])
    )


def _laplacian_from(own: Image, verticals: tuple[Image, Image], horizontals: tuple[Image, Image]) -> Image:
    twice = np.float32(2.0) * own
    out = np.zeros_like(own)
    for vertical in verticals:
        rest = twice - vertical
        for horizontal in horizontals:
            out += np.maximum(rest - horizontal, np.float32(0.0))
    out *= np.float32(0.25)
    return out


def _passing(clean: Image, noise: Image, sharpness: Image, tried: Mask, sigma: float) -> Mask:
    """Of the pixels tried, those that pass the paper's two tests: sharp, and not fine structure."""
    passing = _sharp(sharpness, tried, sigma)
    rows, columns = places(passing)
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
    rows, columns = places(tried)
    around = np.concatenate(
        [NOTHING, *(np.median(patches, axis=(1, 2)) for patches in _patches(sharpness, rows, columns, 5))]
    )
    dull = sharpness[rows, columns] - around <= limit
    passing[rows[dull], columns[dull]] = False
    return passing


def _patches(image: NDArray[Pixel], rows: Whole, columns: Whole, size: int) -> list[NDArray[Pixel]]:
    """The squares of ``size`` pixels around some pixels, in batches of (n, size, size)."""
    starts = range(0, len(rows), PATCHES_AT_ONCE)
    return [patches(image, rows[i:][:PATCHES_AT_ONCE], columns[i:][:PATCHES_AT_ONCE], size) for i in starts]


def _fine_structure(patches: Image) -> Image:
    """The 3 x 3 median at the centre of each patch less the 7 x 7 median of such medians: (n,)."""
    small = np.median(sliding_window_view(patches, (3, 3), axis=(1, 2)), axis=(3, 4))
    fine = small[:, 3, 3] - np.median(small, axis=(1, 2))
    return np.asarray(fine, dtype=np.float32)


def _replace(clean: Image, masked: Mask, found: Mask) -> None:
    """Give each pixel found the median of its unmasked neighbours within 2 pixels, in place."""
    rows, columns = places(found)
    # All are cut before any is given its value.
    squares = _patches(clean, rows, columns, 5), _patches(masked, rows, columns, 5)
    for start, light, hidden in zip(range(0, len(rows), PATCHES_AT_ONCE), *squares, strict=True):
        flat = np.where(hidden, np.float32(np.nan), light).reshape(len(light), -1)
        known = ~np.isnan(flat).all(axis=1)
        middle = np.zeros(len(flat), dtype=np.float32)
        middle[known] = np.nanmedian(flat[known], axis=1)
        stop = start + len(flat)
        clean[rows[start:stop], columns[start:stop]] = middle


def _without_stars(hits: Mask, signal: Image, noise: Image, bad: Mask) -> Mask:
    """The hits without the groups whose peak has the shape of a star."""
    if not hits.any():
        return hits
    bright = places((signal > BRIGHT_SIGMA * noise) & ~bad)
    squares = patches(signal, *bright, 3)
    beside, _ = _narrowest(squares[_peaked(squares)])
    typical = max(float(np.median(beside)) if len(beside) else 0.0, SHARPEST)
    rows, columns = places(hits)
    squares = patches(signal, rows, columns, 3)
    beside, diagonal = _narrowest(squares)
    starlike = _peaked(squares) & (beside > STAR_SHARE * typical) & (diagonal > STAR_SHARE * typical**2)
    # Half of a star in the outermost pixels has no shape.
    inner = (rows > 0) & (columns > 0) & (rows < hits.shape[0] - 1) & (columns < hits.shape[1] - 1)
    groups = _groups(rows, columns)
    given_back = np.isin(groups, groups[starlike & inner])
    kept = hits.copy()
    kept[rows[given_back], columns[given_back]] = False
    return kept


def _without_shoulders(hits: Mask, signal: Image) -> Mask:
    """The hits without the groups that touch a pixel brighter than all of their own.

    Such a group is the shoulder of a bright star whose top is flat or trailed.
    """
    rows, columns = places(hits)
    groups = _groups(rows, columns)
    own, around = np.full((2, len(rows)), -np.inf, dtype=np.float32)  # the brightest of each group
    np.maximum.at(own, groups, signal[rows, columns])
    beside = ~patches(hits, rows, columns, 3)
    squares = np.where(beside, patches(signal, rows, columns, 3), np.float32(-np.inf))
    np.maximum.at(around, groups, squares.max(axis=(1, 2)))
    shoulder = (around > own)[groups]
    kept = hits.copy()
    kept[rows[shoulder], columns[shoulder]] = False
    return kept


def _groups(rows: Whole, columns: Whole) -> Whole:
    """Which of the groups of touching pixels each pixel belongs to: (n,)."""
    if len(rows) == 0:
        return rows
    one, other = KDTree(np.column_stack([rows, columns])).query_pairs(1.5, output_type="ndarray").T
    links = coo_array((np.ones(len(one), dtype=bool), (one, other)), shape=(len(rows), len(rows)))
    return np.asarray(connected_components(links, directed=False)[1], dtype=np.intp)


def _peaked(squares: Image) -> Mask:
    """Whether the centre of each square is its brightest pixel."""
    peaked: Mask = squares[:, 1, 1] >= squares.max(axis=(1, 2))
    return peaked


def _narrowest(squares: Image) -> tuple[Image, Image]:
    """For each square of 3 pixels the mean of two opposite ones over the centre, in the darkest direction.

    Of the rows and columns, and of the diagonals; (n,) each.
    """
    own = np.maximum(squares[:, 1, 1], np.float32(1e-6))
    rows = squares[:, 1, 0] + squares[:, 1, 2]
    columns = squares[:, 0, 1] + squares[:, 2, 1]
    falling = squares[:, 0, 0] + squares[:, 2, 2]
    rising = squares[:, 0, 2] + squares[:, 2, 0]
    return np.minimum(rows, columns) / (2.0 * own), np.minimum(falling, rising) / (2.0 * own)

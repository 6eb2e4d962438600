"""How far matched stars lie from where a map has them: over the whole frame, and region by region."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

REGIONS = 3  # along either axis
FRAME_STARS = 12  # that the whole frame's residual counts for, in what a region's own stars show
BOUND = 3.0  # a square counts to so many times its expectation: in crowds single partners are wrong ones
BOUNDED_MEAN = 0.858  # of the squares of normal deviates, counted so
ROUNDS = 60


@dataclass(frozen=True, slots=True)
class Region:
    """How well stars fit in one of the equal parts of a frame.

    Attributes
    ----------
    x, y : float
        Its middle, on the reference's grid.
    rms_px, scatter_px : float
        As those of `Aligned`. The whole frame's count as much as `FRAME_STARS` of the region's stars do.
    stars : int
        That they rest on: those matched there that are of the better-known half of the frame's.
    """

    x: float
    y: float
    rms_px: float
    scatter_px: float
    stars: int


def by_region(
    x: Values,
    y: Values,
    residual: Values,
    noise: Values,
    shape: tuple[int, int],
    frame: tuple[float, float],
    known: float = 1.0,
) -> tuple[Region, ...]:
    """The residuals of stars in each part of a frame, row by row.

    Parameters
    ----------
    x, y : (n,) float
        Of all stars that may be matched: were those left out that are far off, no part could be worse than
        the others.
    residual : (2, n) float
    noise : (n,) float
        Of their centroids.
    shape : (int, int)
    frame : (float, float)
        Residual of the whole frame, without that noise and with it.
    known : float
        See `excess`.
    """
    height, width = shape
    part = region_of(x, y, shape)
    sharp = noise <= np.median(noise) if len(noise) else np.zeros(0, dtype=bool)
    found = []
    for i, j in np.ndindex(REGIONS, REGIONS):
        here = sharp & (part == REGIONS * i + j)
        rms, scatter = (
            _shrunk(residual[:, here] ** 2, part * noise[here] ** 2, typical)
            for typical, part in zip(frame, (known, 0.0), strict=True)
        )
        found.append(Region(_middle(j, width), _middle(i, height), rms, scatter, int(np.count_nonzero(here))))
    return tuple(found)


def region_of(x: Values, y: Values, shape: tuple[int, int]) -> NDArray[np.int64]:
    """In which part of a frame each place lies, counted row by row."""
    row, column = (
        np.clip((at + 0.5) * REGIONS / size, 0, REGIONS - 1).astype(np.int64)
        for at, size in zip((y, x), shape, strict=True)
    )
    return REGIONS * row + column


def _middle(index: int, size: int) -> float:
    return (index + 0.5) * size / REGIONS - 0.5


def _shrunk(squares: Values, noise: Values, typical: float) -> float:
    """The scatter beyond some noise (n,), a variance, by squares (2, n) and by the whole frame's value."""
    count = len(noise)
    if count == 0:
        return typical
    expected = float(np.mean(noise))
    variance = of_frame = typical**2 + expected
    for _ in range(ROUNDS):
        told = 0.5 * float(np.minimum(squares, BOUND * variance).sum()) / BOUNDED_MEAN
        variance = (told + FRAME_STARS * of_frame) / (count + FRAME_STARS)
    return root(variance - expected)


def excess(residual: Values, noise: Values, n_terms: int, known: float = 1.0) -> float:
    """The variance per axis of the better-known half of some stars, beyond the noise of their centroids.

    ``known`` is the part of that noise's variance that is taken off. By chance it may be less than nothing.
    """
    sharp = noise <= np.median(noise)
    freedom = len(noise) / max(len(noise) - n_terms, 1)
    variance = mean_square(residual[:, sharp] ** 2) * freedom
    return variance - known * float(np.mean(noise[sharp] ** 2))


def mean_square(squares: Values) -> float:
    """A robust mean of squares (2, n): of normal values the median square is 0.4549 of the mean.

    Each axis has its own median: distortion along one would drown in a common one.
    """
    return float(np.mean(np.median(squares, axis=1)) / 0.4549)


def root(variance: float) -> float:
    """The scatter that a variance is of; none of one below nothing."""
    return float(np.sqrt(max(variance, 0.0)))

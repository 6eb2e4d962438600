"""How much values scatter beyond the errors that are known, a robust maximum likelihood."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from pipeline.quantile import MAD_TO_SIGMA

Array = NDArray[np.float64]

FEWEST = 12  # groups of squares that tell anything
TRIED = np.geomspace(1e-10, 1e2, 120)  # of an excess
TOGETHER = 1 << 14  # squares in memory at a time, of all that are tried


def excess(squares: Array, noise: Array, bound: float, fewest: int = FEWEST, told: float = 0.0) -> float:
    """The variance that squares show beyond that of their noise, of an M-estimator of scale.

    The sum of ``w (min(z, bound) - m)`` is ``told`` at it, z being the squares in units of their variance,
    m the mean of the bracket for normal deviates, and w, the squared share of the excess in the variance,
    what each of them tells of the logarithm of the excess. The smallest one, where there are several: those
    whose noise hides least then agree on it. At a larger one the others outvote them, by squares that are
    none of the scatter at all.

    Parameters
    ----------
    squares, noise : (n,) or (n, k) float64
        Of n groups of k deviates, which may be correlated within a group; NaN where unknown.
    bound : float
        A square counts to so many times its expectation.
    fewest : int
        Groups that must be known; 0 is returned where fewer are.
    told : float
        What the sum must reach: the chance that makes much of the squares of one or two is none of many.
    """
    squares, noise = (values.reshape(len(values), -1) for values in (squares, noise))
    known = np.isfinite(squares)
    some = known.any(axis=1)
    if some.sum() < fewest:
        return 0.0
    squares, noise, known = squares[some], noise[some], known[some]
    count = known.sum(axis=1)
    typical = np.where(known, noise, 0.0).sum(axis=1) / count
    bounded = _bounded_mean(bound)
    # Beyond the largest square over its expectation no bracket is positive.
    largest = float(np.max(squares, initial=0.0, where=known)) / bounded
    last = 0.0
    tried = TRIED[largest > TRIED]
    at_once = max(1, TOGETHER // squares.size)
    for variances in (tried[i : i + at_once, None, None] for i in range(0, len(tried), at_once)):
        shares = variances[:, 0] / (typical + variances[:, 0])
        seen = np.where(known, np.minimum(squares / (noise + variances), bound) - bounded, 0.0)
        sums = np.sum(shares**2 * seen.sum(axis=2) / count, axis=1)
        for variance, total in zip(variances.ravel(), sums, strict=True):
            if total > told:
                last = float(variance)
            elif last > 0.0:
                return last
    return last


def ordinary(values: Array, kept: NDArray[np.bool_], most: float) -> NDArray[np.bool_]:
    """Which of some squares are no outliers, however large they all are.

    Parameters
    ----------
    values : (n,) float64
        Such as the chi squared of each star.
    kept : (n,) bool
        Those that tell what is usual.
    most : float
        So many robust sigma above their median; a sigma is a tenth of it at least.
    """
    middle = float(np.median(values[kept]))
    spread = MAD_TO_SIGMA * float(np.median(np.abs(values[kept] - middle)))
    within: NDArray[np.bool_] = values <= middle + most * max(spread, 0.1 * middle)
    return within


def _bounded_mean(bound: float) -> float:
    """The mean of a squared normal deviate that counts to a bound at most."""
    edge = math.sqrt(bound)
    inside = math.erf(edge / math.sqrt(2.0))
    density = math.exp(-0.5 * bound) / math.sqrt(2.0 * math.pi)
    return inside - 2.0 * edge * density + bound * (1.0 - inside)

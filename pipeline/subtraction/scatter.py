"""How much values scatter beyond the errors that are known, a robust maximum likelihood."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

FEWEST = 12  # groups of squares that tell anything
TRIED = np.geomspace(1e-10, 1e2, 120)  # of an excess


def excess(squares: Array, noise: Array, bound: float, fewest: int = FEWEST, told: float = 0.0) -> float:
    """The variance that squares show beyond that of their noise, of an M-estimator of scale.

    The largest at which the sum of ``w (min(z, bound) - m)`` is ``told``, z being the squares in units of
    their variance, m the mean of the bracket for normal deviates, and w, the squared share of the excess in
    the variance, what each of them tells of the logarithm of the excess.

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
    for variance in TRIED[largest > TRIED][::-1]:
        share = variance / (typical + variance)
        seen = np.where(known, np.minimum(squares / (noise + variance), bound) - bounded, 0.0)
        if np.sum(share**2 * seen.sum(axis=1) / count) > told:
            return float(variance)
    return 0.0


def _bounded_mean(bound: float) -> float:
    """The mean of a squared normal deviate that counts to a bound at most."""
    edge = math.sqrt(bound)
    inside = math.erf(edge / math.sqrt(2.0))
    density = math.exp(-0.5 * bound) / math.sqrt(2.0 * math.pi)
    return inside - 2.0 * edge * density + bound * (1.0 - inside)

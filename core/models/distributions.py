"""Whether two samples are of one distribution, where candidates of one night are much alike.

Kolmogorov and Smirnov's test takes every value for an independent one. A thousand candidates of three
nights share three seeings, so the sizes of samples are divided by the design effect (Kish 1965, Survey
Sampling): ``1 + (m - 1) rho``, with ``m`` values a night and ``rho`` how alike those of a night are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

BINS = 10
FLOOR = 1e-3  # of a bin's share, so that an empty one does not count without end
TERMS = 100  # of the series of the Kolmogorov distribution


@dataclass(frozen=True, slots=True)
class Compared:
    """How far two samples lie apart.

    Attributes
    ----------
    psi : float
        Population stability index over `BINS` quantiles of the first sample, less what chance alone makes
        of samples of this size; .1 is little, .2 and more is much.
    distance : float
        The largest difference of the two cumulative distributions.
    p : float
        Of a distance as large by chance, by the effective sizes.
    before, after : float
        Medians.
    """

    psi: float
    distance: float
    p: float
    before: float
    after: float


def compare(
    first: Array, second: Array, first_night: NDArray[np.integer], second_night: NDArray[np.integer]
) -> Compared:
    """Compare two samples of finite values.

    Parameters
    ----------
    first, second : (n,), (m,) float64
        Neither is empty.
    first_night, second_night : (n,), (m,) int
        Of no night both; three nights in all, at least.
    """
    n, m = effective(first, second, first_night, second_night)
    distance = ks_distance(first, second)
    chance = (BINS - 1) * (1.0 / n + 1.0 / m)
    return Compared(
        max(psi(first, second) - chance, 0.0),
        distance,
        kolmogorov(distance, n * m / (n + m)),
        float(np.median(first)),
        float(np.median(second)),
    )


def psi(first: Array, second: Array) -> float:
    """The population stability index, ``sum((q - p) log(q / p))`` over quantiles of the first sample."""
    edges = np.unique(np.quantile(first, np.linspace(0.0, 1.0, BINS + 1)[1:-1]))
    shares = [
        np.maximum(
            np.bincount(np.searchsorted(edges, each, "right"), minlength=len(edges) + 1) / len(each), FLOOR
        )
        for each in (first, second)
    ]
    return float(np.sum((shares[1] - shares[0]) * np.log(shares[1] / shares[0])))


def ks_distance(first: Array, second: Array) -> float:
    """The largest difference of two empirical cumulative distributions."""
    values = np.concatenate([first, second])
    below = [np.searchsorted(np.sort(each), values, "right") / len(each) for each in (first, second)]
    return float(np.abs(below[0] - below[1]).max())


def kolmogorov(distance: float, size: float) -> float:
    """The chance of so large a distance, ``size`` being n m / (n + m) (Stephens 1970)."""
    root = np.sqrt(size)
    at = (root + 0.12 + 0.11 / root) * distance
    if at < 0.2:
        return 1.0  # the series converges slowly there, to 1
    terms = np.arange(1, TERMS + 1)
    return float(np.clip(2.0 * np.sum((-1.0) ** (terms - 1) * np.exp(-2.0 * (terms * at) ** 2)), 0.0, 1.0))


def effective(
    first: Array, second: Array, first_night: NDArray[np.integer], second_night: NDArray[np.integer]
) -> tuple[float, float]:
    """How many independent values two samples are worth: each at least as many as it has nights.

    How alike the values of a night are is estimated by the analysis of variance of ranks, between the
    nights of each sample and within nights, so that what parts the samples themselves does not count.
    """
    values = np.concatenate([first, second])
    _, tie = np.unique(values, return_inverse=True)
    ranks = np.argsort(np.argsort(values, kind="stable"), kind="stable").astype(np.float64)
    ranks = (np.bincount(tie, ranks) / np.bincount(tie))[tie]
    sums = between = within = 0.0
    freedom = 0
    sizes: list[NDArray[np.intp]] = []
    for part, night in ((ranks[: len(first)], first_night), (ranks[len(first) :], second_night)):
        _, inverse, counts = np.unique(night, return_inverse=True, return_counts=True)
        means = np.bincount(inverse, part) / counts
        between += float(np.sum(counts * (means - part.mean()) ** 2))
        within += float(np.sum((part - means[inverse]) ** 2))
        sums += len(part) - float(np.sum(counts**2)) / len(part)
        freedom += len(counts) - 1
        sizes.append(counts)
    alike = 1.0
    total = len(values) - sum(len(counts) for counts in sizes)
    if freedom > 0 and total > 0:
        size, mean_between, mean_within = sums / freedom, between / freedom, within / total
        all_of_it = mean_between + (size - 1.0) * mean_within
        alike = float(np.clip((mean_between - mean_within) / all_of_it, 0.0, 1.0)) if all_of_it > 0 else 1.0
    n, m = (
        max(counts.sum() / (1.0 + (float(np.sum(counts**2)) / counts.sum() - 1.0) * alike), len(counts))
        for counts in sizes
    )
    return float(n), float(m)


def adjusted(p: Sequence[float]) -> list[float]:
    """P-values corrected for their number, so that a share of those below a limit is false (Benjamini and
    Hochberg 1995).
    """
    values = np.asarray(p, dtype=np.float64)
    order = np.argsort(values)[::-1]
    ranks = np.arange(len(values), 0, -1)
    out = np.empty_like(values)
    out[order] = np.minimum.accumulate(values[order] * len(values) / ranks)
    return [float(each) for each in np.minimum(out, 1.0)]

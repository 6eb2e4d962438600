"""Intervals by bootstrap over groups: what belongs together is drawn together.

Candidates of one object, or of one field, share what makes them easy or hard. To draw them one by one
would make intervals too narrow.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.text import counted

Array = NDArray[np.float64]
Measure = Callable[[Array], float]  # of weights, one an example

ROUNDS = 400
LEAST = 20  # examples below which a share is not told
# The range of six groups holds the true median in 97 of 100 cases (1 - 2**-5), that of five in 94.
LEAST_GROUPS = 6


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number with its 95 % interval, or why there is none.

    ``n`` is how many examples it rests on, ``note`` why a number is missing; empty where it is there.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    n: int = 0
    note: str = ""


def draws(group: NDArray[np.generic], rounds: int, seed: int) -> Array:
    """How often each example is taken in each round: groups are drawn with replacement.

    Returns
    -------
    (rounds, n) float64
    """
    names, inverse = np.unique(group, return_inverse=True)
    rng = np.random.default_rng(seed)
    if len(names) == 0:
        return np.zeros((rounds, 0))
    often = rng.multinomial(len(names), np.full(len(names), 1.0 / len(names)), size=rounds)
    return np.asarray(often[:, inverse], dtype=np.float64)


def estimate(
    measure: Measure,
    weights: Array,
    n: int,
    least: int = LEAST,
    what: str = "examples",
    *,
    groups: int | None = None,
    is_share: bool = True,
) -> Estimate:
    """A measure of all, and its 95 % interval from weights that `draws` made.

    Parameters
    ----------
    measure : callable
        From weights, (n,) float64, to a number; NaN where it has none.
    weights : (rounds, n) float64
    n : int
        How many examples of ``what`` it rests on; fewer than ``least`` give no number.
    groups : int, optional
        Of how many groups they are, where they are drawn together (`of_draws`).
    is_share : bool
        Whether a measure of 0 or 1 is of none or of all of the examples (`of_draws`).
    """
    if n < least:
        return of_draws(np.nan, np.zeros(0), n, least, what)
    value = measure(np.ones(weights.shape[1]))
    found = np.array([measure(weight) for weight in weights])
    return of_draws(value, found, n, least, what, groups=groups, is_share=is_share)


def of_draws(
    value: float,
    found: Array,
    n: int,
    least: int = LEAST,
    what: str = "examples",
    *,
    groups: int | None = None,
    is_share: bool = True,
) -> Estimate:
    """An estimate from its value and what the rounds of a bootstrap gave, NaN where nothing.

    Of none or of all of n examples every round gives the same, which says nothing of the spread: a share's
    interval then is the exact one (Clopper & Pearson 1934), from 0 to ``1 - 0.025**(1/n)``. Of examples that
    belong together n are the groups: a hundred detections of one object say as much as one. Of fewer than
    `LEAST_GROUPS` there is no other interval than that: how groups differ they do not tell.
    """
    if n < least:
        return Estimate(None, n=n, note=f"only {n} {what}; at least {least} are needed")
    if np.isnan(value):
        return Estimate(None, n=n, note="not defined here")
    found = found[~np.isnan(found)]
    if len(found) < LEAST:
        return Estimate(float(value), n=n, note="no interval: too few groups")
    low, high = np.percentile(found, (2.5, 97.5))
    if is_share and low == high == value and value in (0.0, 1.0) and n:
        edge = 0.025 ** (1.0 / (groups or n))
        low, high = (0.0, 1.0 - edge) if value == 0.0 else (edge, 1.0)
    elif groups is not None and groups < LEAST_GROUPS:
        return Estimate(float(value), n=n, note=f"no interval: {counted(groups, 'group')}")
    return Estimate(float(value), float(low), float(high), n)


def count(group: NDArray[np.generic], which: NDArray[np.bool_]) -> int:
    """Of how many groups some examples are."""
    return len(np.unique(group[which]))


def difference(first: Measure, second: Measure, weights: Array, n: int, *, groups: int) -> Estimate:
    """The second measure minus the first, both of the same draws: a paired comparison of two models."""
    return estimate(lambda weight: second(weight) - first(weight), weights, n, groups=groups, is_share=False)

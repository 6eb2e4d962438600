"""Where the zones of the ensemble's scores end, so that their budgets hold on other skies too.

A budget is a share: of bogus among what goes first, of the real that are rejected unseen. Nobody knows the
skies to come; what is known of them is that they differ among each other as the fields do that were drawn,
and that all of a survey's may be of the harder kind: crowded, noisy, hardly sampled. So no budget is held by
the mean of all fields. It is held by the unfavourable end of the 95 % interval, by a bootstrap over fields,
and by that in every kind of field alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.training.examples import Examples
from pipeline.training.resample import ROUNDS, draws

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

LOST = 0.005  # of the real, that may be rejected unseen
WRONG = 0.01  # bogus among those that go first
LIMITS = 1.0 / (1.0 + np.exp(-np.arange(-9.0, 9.001, 0.05)))  # probabilities that are tried
END = 97.5  # percentile: the unfavourable end of the interval
SEED = 4
LEAST = 1 - END / 100
ROOM = 2.0  # times the fewest examples by which a budget can be seen to hold at all


@dataclass(frozen=True, slots=True)
class Zones:
    """What is done with a candidate by its probability, by a stated budget. Nothing is ever deleted.

    Attributes
    ----------
    reject_below : float
        Below it lie at most `LOST` of all real ones: they are not queued for people.
    fast_above : float
        From it on at most `WRONG` are bogus: they go first. 1 where no score is known to be so sure.
    """

    reject_below: float
    fast_above: float


def zones(
    probability: Array,
    label: NDArray[np.integer],
    field: NDArray[np.str_],
    strata: Mapping[str, Flags],
    beside: tuple[Array, NDArray[np.integer], NDArray[np.str_]] | None = None,
    *,
    lost: float = LOST,
    wrong: float = WRONG,
) -> Zones:
    """The widest zones whose budgets hold in all examples and in each stratum.

    A stratum in which a budget could hardly be seen to hold, were nothing wrong there, is not asked.
    Neither are the examples beside where they are so few, and these only ever narrow the zones.

    Parameters
    ----------
    probability : (n,) float64
        Of examples that nothing was trained on.
    label : (n,) int
        1 real, 0 bogus.
    field : (n,) str
        What belongs together.
    strata : mapping of str to (n,) bool
    beside : (probability, label, field), optional
        Of other examples, in which the budgets are to hold too.
    lost : float
        The share of the real that may be rejected unseen.
    wrong : float
        The share of bogus among those that go first.
    """
    fast, reject = (np.ones(len(LIMITS), dtype=bool) for _ in range(2))
    everything = np.ones(len(label), bool)
    for which in (everything, *strata.values()):
        held = _held(probability[which], label[which], field[which], lost, wrong, always=which is everything)
        fast &= held[0]
        reject &= held[1]
    found = _widest(fast, reject)
    if beside is None:
        return found
    held = _held(*beside, lost, wrong, always=False)
    return _widest(fast & held[0], reject & held[1] & (found.reject_below >= LIMITS))


def _widest(fast: Flags, reject: Flags) -> Zones:
    """By the limits from which, and below which, the budgets hold."""
    first = float(LIMITS[np.argmax(fast)]) if fast.any() else 1.0
    last = float(LIMITS[np.flatnonzero(reject)[-1]]) if reject.any() else 0.0
    return Zones(min(last, first), first)


def _held(
    probability: Array,
    label: NDArray[np.integer],
    field: NDArray[np.str_],
    lost: float,
    wrong: float,
    *,
    always: bool,
) -> tuple[Flags, Flags]:
    """From which limits on the budget of what goes first holds, and below which that of the rejected does.

    Both hold everywhere where too little is there to see it, unless they are to be asked always.
    """
    real = label == 1
    bogus_above, real_above = (
        _above(probability[some], field[some], field, LIMITS) for some in (~real, real)
    )
    fast, reject = (np.ones(len(LIMITS), dtype=bool) for _ in range(2))
    if always or np.count_nonzero(probability >= 0.5) >= ROOM * _least(wrong):
        fast = _ends(bogus_above[:, :-1], (bogus_above + real_above)[:, :-1]) <= wrong
    if always or np.count_nonzero(real) >= ROOM * _least(lost):
        every = real_above[:, -1:]
        reject = _ends(every - real_above[:, :-1], np.repeat(every, len(LIMITS), axis=1)) <= lost
    return fast, reject


def strata_of(examples: Examples) -> dict[str, Flags]:
    """The kinds of fields."""
    return {str(name): examples.instrument == name for name in np.unique(examples.instrument)}


def _above(
    probability: Array, field: NDArray[np.str_], every: NDArray[np.str_], limits: Array
) -> NDArray[np.int64]:
    """How many of each field lie at or above each limit, and last how many it has: (fields, limits + 1)."""
    names = np.unique(every)
    shape = len(names), len(limits) + 1
    passed = np.searchsorted(limits, probability, side="right")
    place = np.searchsorted(names, field) * shape[1] + passed
    counts = np.bincount(place, minlength=shape[0] * shape[1]).reshape(shape)
    reached = counts[:, ::-1].cumsum(axis=1)[:, ::-1]  # at least so many limits
    found: NDArray[np.int64] = np.concatenate([reached[:, 1:], reached[:, :1]], axis=1)
    return found


def _ends(part: NDArray[np.int64], whole: NDArray[np.int64]) -> Array:
    """The unfavourable end of the share of a part, by drawing fields: (fields, limits) to (limits,).

    Where none is in the part every draw says 0; the end then is the exact one, as in
    `pipeline.training.resample.of_draws`.
    """
    often = draws(np.arange(len(part)), ROUNDS, SEED)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.nan_to_num((often @ part) / (often @ whole), nan=1.0)
        exact = 1.0 - LEAST ** (1.0 / whole.sum(axis=0))
    found: Array = np.where(part.sum(axis=0) > 0, np.percentile(share, END, axis=0), exact)
    return found


def _least(budget: float) -> float:
    """Of how many none must be wrong for the end of the exact interval to lie within a budget."""
    return float(np.log(LEAST) / np.log1p(-budget))

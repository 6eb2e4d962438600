"""The mean of what a network says of a cutout turned and mirrored in each of eight ways.

The sky has no up, but a network that learnt of turned cutouts still says a little else of each. The mean is
surer than any one of them (Dieleman, Willett and Dambre 2015, MNRAS 450, 1441). What is plainly real or bogus
at the first look is not looked at in the other seven: most candidates are, and their order changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Planes = NDArray[np.float32]

TURNS = 8  # quarter turns, and their mirror images
DOUBTED = (-3.0, 4.0)  # between these log-odds, not calibrated, lie all thresholds that matter


def mean_logits(run: Callable[[Planes], Array], planes: Planes, first: Array | None = None) -> Array:
    """What a network says of some cutouts on average: (n,).

    Parameters
    ----------
    run : callable
        The network: logits (n,) of planes, never of more than are given here.
    planes : (n, planes, side, side) float32
    first : (n,) float64, optional
        What it says of them as they are, where it was asked.
    """
    found = run(planes) if first is None else first.copy()
    doubted = np.flatnonzero((found > DOUBTED[0]) & (found < DOUBTED[1]))
    if doubted.size:
        more = sum(run(way) for way in _turned(planes[doubted]))
        found[doubted] = (found[doubted] + more) / TURNS
    return found


def _turned(planes: Planes) -> Iterator[Planes]:
    """The seven other ways up, one after the other: by one to three quarters, and all four mirrored."""
    ways = [(planes, 1), (planes, 2), (planes, 3), *((planes[..., ::-1], quarter) for quarter in range(4))]
    for way, quarter in ways:
        yield np.ascontiguousarray(np.rot90(way, quarter, axes=(2, 3)))

"""The mean of what a network says of a cutout turned and mirrored in each of eight ways.

The sky has no up, but a network that learnt of turned cutouts still says a little else of each. The mean is
surer than any one of them (Dieleman, Willett and Dambre 2015, MNRAS 450, 1441). What is plainly real or bogus
either way up is not looked at in all eight: most candidates are, and their order changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Planes = NDArray[np.float32]

TURNS = 8  # quarter turns, and their mirror images
FIRST, REST = (0, 2), (1, 3, 4, 5, 6, 7)
DOUBTED = (-2.0, 4.0)  # between these log-odds, not calibrated, lie all thresholds that matter


def mean_logits(run: Callable[[Planes], Array], planes: Planes) -> Array:
    """What a network says of some cutouts on average: (n,).

    Parameters
    ----------
    run : callable
        The network: logits (n,) of planes, any number of them.
    planes : (n, planes, side, side) float32
    """
    count = len(planes)
    if not count:
        return np.empty(0)
    found: Array = run(_turned(planes, FIRST)).reshape(len(FIRST), count).mean(axis=0)
    doubted = np.flatnonzero((found > DOUBTED[0]) & (found < DOUBTED[1]))
    if doubted.size:
        more = run(_turned(planes[doubted], REST)).reshape(len(REST), doubted.size)
        found[doubted] = (len(FIRST) * found[doubted] + more.sum(axis=0)) / TURNS
    return found


def _turned(planes: Planes, turns: tuple[int, ...]) -> Planes:
    """Copies one after the other: turned by so many quarters, from 4 on mirrored too."""
    copies = [np.rot90(planes[..., ::-1] if turn >= 4 else planes, turn % 4, axes=(2, 3)) for turn in turns]
    return np.concatenate(copies)

"""One quantile of many values, in the time of finding one of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def quantile(values: NDArray[np.floating[Any]], share: float) -> float:
    """What `numpy.quantile` gives, which is several times as slow: it parts the values at four places.

    Parameters
    ----------
    values : (n,)
        None of them NaN.
    share : float
        From 0 to 1, of the values that are smaller.

    Returns
    -------
    float
        NaN of no values.
    """
    if len(values) == 0:
        return float("nan")
    place = share * (len(values) - 1)
    below = int(place)
    parted = np.partition(values, below)
    found = float(parted[below])
    if place > below:
        found += (place - below) * (float(parted[below + 1 :].min()) - found)
    return found

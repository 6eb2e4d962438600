"""How far examples lie from the middle of what hosts them, in FWHM: it sorts them, none learns of it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from pipeline.frame import Stars

Array = NDArray[np.float64]

REACH = 5.0  # FWHM: light of the reference that is farther hosts nothing
FEATURE = "star_distance"  # what candidates measure of it: `pipeline.detection.features.MEANING`


def to_nearest_light(x: Array, y: Array, stars: Stars, fwhm: float) -> Array:
    """From some places to the nearest source of the reference; NaN beyond its reach: (n,).

    Parameters
    ----------
    x, y : (n,) float64
        On the reference's grid.
    stars : Stars
        All sources of the reference.
    fwhm : float
        Of the difference, pixels.
    """
    if len(stars) == 0 or len(x) == 0:
        return np.full(len(x), np.nan)
    distance, _ = KDTree(np.column_stack([stars.x, stars.y])).query(np.column_stack([x, y]))
    return within_reach(distance / fwhm)


def within_reach(distance: Array) -> Array:
    """Distances to the nearest light, NaN where it is too far to be a host."""
    return np.where(distance <= REACH, distance, np.nan)

"""Positions on the sky without a store: their zones, the angles between them, and the nearest of many."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

ZONES_PER_DEGREE = 120
MARGIN_DEG = 1e-9  # what rounding may take off a range; the exact distance decides


def zone_of(dec: float) -> int:
    """The zone of a declination in degrees, 0 at the south pole."""
    return math.floor((dec + 90.0) * ZONES_PER_DEGREE)


def separation_deg(ra: ArrayLike, dec: ArrayLike, ra2: ArrayLike, dec2: ArrayLike) -> NDArray[np.float64]:
    """The angle between positions, in degrees, by the haversine: exact for the smallest too."""
    a1, d1, a2, d2 = (np.radians(np.asarray(angle, dtype=np.float64)) for angle in (ra, dec, ra2, dec2))
    h = np.sin((d2 - d1) / 2) ** 2 + np.cos(d1) * np.cos(d2) * np.sin((a2 - a1) / 2) ** 2
    angle: NDArray[np.float64] = np.degrees(2 * np.arcsin(np.sqrt(np.clip(h, 0.0, 1.0))))
    return angle


def ra_ranges(ra: float, dec: float, radius_deg: float) -> list[tuple[float, float]]:
    """The ranges of right ascension that a cone touches: one, two where it crosses RA 0.

    The half-width is ``asin(sin r / cos dec)``; a cone that holds a pole touches every right ascension.
    """
    radius = radius_deg + MARGIN_DEG
    if abs(dec) + radius >= 90.0 or radius >= 90.0:
        return [(0.0, 360.0)]
    half = math.degrees(math.asin(math.sin(math.radians(radius)) / math.cos(math.radians(dec)))) + MARGIN_DEG
    low, high = ra % 360.0 - half, ra % 360.0 + half
    if high - low >= 360.0:
        return [(0.0, 360.0)]
    if low < 0.0:
        return [(0.0, high), (low + 360.0, 360.0)]
    if high > 360.0:
        return [(0.0, high - 360.0), (low, 360.0)]
    return [(low, high)]


def unit_vectors(ra: ArrayLike, dec: ArrayLike) -> NDArray[np.float64]:
    """Positions in degrees as points of the unit sphere, ``(n, 3)``: no pole and no RA 0 there."""
    a, d = np.radians(np.asarray(ra, dtype=np.float64)), np.radians(np.asarray(dec, dtype=np.float64))
    return np.stack([np.cos(d) * np.cos(a), np.cos(d) * np.sin(a), np.sin(d)], axis=-1)


def chord(radius_deg: float) -> float:
    """The straight distance between points of the unit sphere that are an angle apart."""
    return 2.0 * math.sin(math.radians(min(radius_deg, 180.0)) / 2.0)


def match_nearest(points: NDArray[Any], others: NDArray[Any], radius: ArrayLike) -> NDArray[np.int64]:
    """Pair each point with another one at most, the nearest pairs first.

    Parameters
    ----------
    points : (n, d) array
    others : (m, d) array
    radius : float or (n,) array
        How far the partner of each point may be.

    Returns
    -------
    (n,) int64 array
        The index into `others` of each point's partner, -1 for none. No partner is given twice: of
        two points that are nearest to the same one the nearer has it, the other takes its next.
    """
    partner = np.full(len(points), -1, dtype=np.int64)
    if len(points) == 0 or len(others) == 0:
        return partner
    radii = np.broadcast_to(np.asarray(radius, dtype=np.float64), len(points))
    # Sorted along the widest axis, the partners of a point lie in one short run.
    axis = int(np.argmax(np.ptp(others, axis=0)))
    order = np.argsort(others[:, axis], kind="stable")
    along = others[order, axis]
    first = np.searchsorted(along, points[:, axis] - radii, side="left")
    count = np.searchsorted(along, points[:, axis] + radii, side="right") - first
    left = np.repeat(np.arange(len(points)), count)
    run = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    right = order[np.repeat(first, count) + run]
    distance = np.sqrt(((points[left] - others[right]) ** 2).sum(axis=1))
    taken: set[int] = set()
    for pair in np.lexsort((right, left, distance)):
        if distance[pair] > radii[left[pair]]:
            continue
        if partner[left[pair]] < 0 and int(right[pair]) not in taken:
            partner[left[pair]] = right[pair]
            taken.add(int(right[pair]))
    return partner

"""Positions: declination zones, cones on the sky, and the nearest of many.

A position is kept with its zone, ``floor((dec + 90) / 30 arcsec)``, and (zone, ra) is indexed. A
cone of any radius is then one range of right ascension in each zone it touches and the exact
distance of what lies there: no scan, no library, the same on both databases (the zones algorithm
of Gray, Nieto-Santisteban & Szalay 2007).
"""

from __future__ import annotations

import math
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sqlalchemy import ColumnElement, SQLColumnExpression, and_, func
from sqlmodel import Session, col, select

from core.database.tables import Candidate, Rejection, SkyObject

ZONES_PER_DEGREE = 120
MARGIN_DEG = 1e-9  # what rounding may take off a range; the exact distance decides
LISTED_ZONES = 1000  # more are a range: databases limit the values of one statement

Positioned = TypeVar("Positioned", SkyObject, Candidate, Rejection)


def zone_of(dec: float) -> int:
    """The zone of a declination in degrees, 0 at the south pole."""
    return math.floor((dec + 90.0) * ZONES_PER_DEGREE)


def separation_deg(ra: ArrayLike, dec: ArrayLike, ra2: ArrayLike, dec2: ArrayLike) -> NDArray[np.float64]:
    """The angle between positions, in degrees, by the haversine: exact for the smallest too."""
    a1, d1, a2, d2 = (np.radians(np.asarray(angle, dtype=np.float64)) for angle in (ra, dec, ra2, dec2))
    h = np.sin((d2 - d1) / 2) ** 2 + np.cos(d1) * np.cos(d2) * np.sin((a2 - a1) / 2) ** 2
    angle: NDArray[np.float64] = np.degrees(2 * np.arcsin(np.sqrt(np.clip(h, 0.0, 1.0))))
    return angle


def haversine(
    ra: SQLColumnExpression[Any], dec: SQLColumnExpression[Any], ra2: float, dec2: float
) -> ColumnElement[Any]:
    """The haversine of the angle between columns and a position (degrees), as an expression.

    It is ``sin(angle / 2)**2``, and so grows with the angle.
    """
    half = math.pi / 360.0
    across: ColumnElement[Any] = func.sin((ra - ra2) * half)
    up: ColumnElement[Any] = func.sin((dec - dec2) * half)
    return up * up + math.cos(math.radians(dec2)) * func.cos(dec * 2 * half) * across * across


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


def cone_conditions(
    table: type[SkyObject | Candidate | Rejection], ra: float, dec: float, radius_deg: float
) -> list[ColumnElement[bool]]:
    """Conditions that the rows of a cone fulfil, and few others: one query for each, no row in two.

    Whoever uses them checks the exact distance (`separation_deg`).
    """
    low = zone_of(max(dec - radius_deg - MARGIN_DEG, -90.0))
    high = zone_of(min(dec + radius_deg + MARGIN_DEG, 90.0))
    # A list of zones is a seek into the index for each; a range of zones reads all between.
    zones = (
        col(table.zone).in_(range(low, high + 1))
        if high - low < LISTED_ZONES
        else col(table.zone).between(low, high)
    )
    return [and_(zones, col(table.ra).between(first, last)) for first, last in ra_ranges(ra, dec, radius_deg)]


def rows_in_cone(
    session: Session,
    table: type[Positioned],
    ra: float,
    dec: float,
    radius_deg: float,
    *conditions: ColumnElement[bool],
) -> list[Positioned]:
    """The rows of a table with positions that lie within a radius, nearest first.

    Parameters
    ----------
    table : type
        `SkyObject`, `Candidate` or `Rejection`.
    ra, dec, radius_deg : float
        Degrees.
    conditions
        What else must hold.
    """
    near: list[Positioned] = []
    for cone in cone_conditions(table, ra, dec, radius_deg):
        near.extend(session.exec(select(table).where(cone, *conditions)).all())
    if not near:
        return []
    places = np.array([(row.ra, row.dec) for row in near], dtype=np.float64)
    distance = separation_deg(places[:, 0], places[:, 1], ra, dec)
    return [near[i] for i in np.argsort(distance, kind="stable") if distance[i] <= radius_deg]


def objects_in_cone(
    session: Session, ra: float, dec: float, radius_deg: float, *, injected: bool = False
) -> list[SkyObject]:
    """The sky objects within a radius (degrees) of a position, nearest first."""
    return rows_in_cone(session, SkyObject, ra, dec, radius_deg, col(SkyObject.injected) == injected)


def objects_on_grid(
    session: Session,
    reference_id: int,
    x: float | None = None,
    y: float | None = None,
    radius_px: float = math.inf,
    *,
    injected: bool = False,
) -> list[SkyObject]:
    """The sky objects on the pixel grid of a reference without WCS, nearest first.

    Without a place, all of them, by id.
    """
    query = (
        select(SkyObject)
        .where(
            col(SkyObject.reference_id) == reference_id,
            col(SkyObject.x).is_not(None),
            col(SkyObject.injected) == injected,
        )
        .order_by(col(SkyObject.id))
    )
    if x is None or y is None:
        return list(session.exec(query).all())
    if math.isfinite(radius_px):
        query = query.where(col(SkyObject.x).between(x - radius_px, x + radius_px))
    rows = session.exec(query).all()
    distance = np.array([math.hypot((row.x or 0.0) - x, (row.y or 0.0) - y) for row in rows])
    return [rows[i] for i in np.argsort(distance, kind="stable") if distance[i] <= radius_px]


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

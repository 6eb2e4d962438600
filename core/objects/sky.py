"""Positions in the store: declination zones and cones on the sky.

A position is kept with its zone, ``floor((dec + 90) / 30 arcsec)``, and (zone, ra) is indexed. A
cone of any radius is then one range of right ascension in each zone it touches and the exact
distance of what lies there: no scan, no library, the same on both databases (the zones algorithm
of Gray, Nieto-Santisteban & Szalay 2007).
"""

from __future__ import annotations

import math
from typing import Any, TypeVar

import numpy as np
from sqlalchemy import ColumnElement, SQLColumnExpression, and_, func
from sqlmodel import Session, col, select

from core.database.tables import Candidate, Rejection, SkyObject
from core.objects.sphere import MARGIN_DEG, ra_ranges, separation_deg, zone_of

LISTED_ZONES = 1000  # more are a range: databases limit the values of one statement

Positioned = TypeVar("Positioned", SkyObject, Candidate, Rejection)


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

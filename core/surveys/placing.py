"""Which sky objects the alerts of many exposures belong to.

The rule is the one of `core.objects.association`: an alert joins the nearest known object within its
radius, whoever detected that, and two detections of one exposure are two objects. But what a survey
calls by one name is one object, so long as it stays at one place: a moving object has one name and
many places.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Float, Integer, and_, column, select, tuple_, values
from sqlmodel import Session, col

from core.database.tables import Candidate, SkyObject, SurveyObject
from core.objects.association import Place, make_objects
from core.objects.sphere import chord, match_nearest, ra_ranges, unit_vectors, zone_of

NAME_RADIUS_DEG = 30.0 / 3600.0  # so far at most a survey's name means the same object

Exposure = tuple[str, float]  # the survey, and its mjd
Name = tuple[str, str]  # the survey, and what it calls an object
Points = NDArray[np.float64]  # (n, 3), on the unit sphere


@dataclass(frozen=True, slots=True)
class AlertPlace:
    """Where an alert is, of which exposure, and how its survey calls the object."""

    place: Place  # with ra and dec
    exposure: Exposure
    name: Name | None = None


def place_alerts(session: Session, alerts: Sequence[AlertPlace]) -> tuple[list[int], int]:
    """Find or make the sky object of each alert; hold `core.objects.association.lock`.

    Earlier exposures come first: their alerts found the objects that later ones join.

    Returns
    -------
    tuple
        The key of each alert's object, and how many objects are new.
    """
    sky = _Sky(session, alerts)
    found: dict[int, int] = {}
    for exposure, members in _by_exposure(alerts):
        named = {i: key for i in members if (key := sky.named(i)) is not None}
        found |= named
        taken = sky.seen.get(exposure, set()) | set(named.values())
        rest = [i for i in members if i not in named]
        for i, key in zip(rest, sky.nearest(rest, taken), strict=True):
            namesake = sky.named(i)  # of the same exposure
            found[i] = namesake if namesake is not None else sky.take(i, key)
    made = make_objects(session, [alerts[i].place for i in sky.founders], None)
    keys = (found[i] for i in range(len(alerts)))
    return [key if key > 0 else made[-key - 1] for key in keys], len(made)


class _Sky:
    """The objects near some alerts: those of the store, and those that the alerts found, below 0 as yet."""

    def __init__(self, session: Session, alerts: Sequence[AlertPlace]) -> None:
        self._alerts = alerts
        self._own = _points([(alert.place.ra, alert.place.dec) for alert in alerts])
        names = _named_objects(session, {alert.name for alert in alerts if alert.name is not None})
        near = _near_objects(session, [alert.place for alert in alerts])
        self._keys = [key for key, _, _ in near]
        self._points = [*_points([(ra, dec) for _, ra, dec in near])]
        self._names = {name: (key, _points([(ra, dec)])[0]) for name, (key, ra, dec) in names.items()}
        self.founders: list[int] = []
        self.seen = _seen(session, self._keys, {alert.exposure for alert in alerts})

    def named(self, i: int) -> int | None:
        """The object that the survey means by its name for an alert, if it is known and near."""
        name = self._alerts[i].name
        if name is None or name not in self._names:
            return None
        key, point = self._names[name]
        return key if np.linalg.norm(self._own[i] - point) <= chord(NAME_RADIUS_DEG) else None

    def nearest(self, which: Sequence[int], taken: set[int]) -> list[int | None]:
        """The nearest object within the radius of each of some alerts of one exposure, none twice."""
        free = [k for k, key in enumerate(self._keys) if key not in taken]
        if not free or not which:
            return [None] * len(which)
        radii = [chord(self._alerts[i].place.radius_deg) for i in which]
        partners = match_nearest(self._own[list(which)], np.array([self._points[k] for k in free]), radii)
        return [self._keys[free[partner]] if partner >= 0 else None for partner in partners]

    def take(self, i: int, key: int | None) -> int:
        """Let an alert belong to an object, or found one; the object's key."""
        if key is None:
            self.founders.append(i)
            key = -len(self.founders)
            self._keys.append(key)
            self._points.append(self._own[i])
        name = self._alerts[i].name
        if name is not None:
            self._names.setdefault(name, (key, self._own[i]))
        return key


def _points(places: Sequence[tuple[float | None, float | None]]) -> Points:
    pairs = np.array(places, dtype=np.float64).reshape(-1, 2)
    return unit_vectors(pairs[:, 0], pairs[:, 1])


def _by_exposure(alerts: Sequence[AlertPlace]) -> list[tuple[Exposure, list[int]]]:
    groups: dict[Exposure, list[int]] = {}
    for i, alert in enumerate(alerts):
        groups.setdefault(alert.exposure, []).append(i)
    return sorted(groups.items(), key=lambda group: (group[0][1], group[0][0]))


def _near_objects(session: Session, places: Sequence[Place]) -> list[tuple[int, float, float]]:
    """Key, ra and dec of the objects near any of some places, which may lie all over the sky."""
    cones = [
        (zone, low, high)
        for place in places
        if place.ra is not None and place.dec is not None
        for zone in range(
            zone_of(max(place.dec - place.radius_deg, -90.0)),
            zone_of(min(place.dec + place.radius_deg, 90.0)) + 1,
        )
        for low, high in ra_ranges(place.ra, place.dec, place.radius_deg)
    ]
    if not cones:
        return []
    names = column("zone", Integer), column("low", Float(53)), column("high", Float(53))
    cone = values(*names, name="cone").data(cones).cte("cone")
    within = and_(
        col(SkyObject.zone) == cone.c.zone,
        col(SkyObject.ra).between(cone.c.low, cone.c.high),
        col(SkyObject.injected).is_(False),
        col(SkyObject.moving).is_(False),  # what passed there is elsewhere now
    )
    place = col(SkyObject.id), col(SkyObject.ra), col(SkyObject.dec)
    query = select(*place).select_from(cone).join(SkyObject, within)
    # An object may lie in the cones of two places.
    return sorted({(key or 0, ra or 0.0, dec or 0.0) for key, ra, dec in session.connection().execute(query)})


def _named_objects(session: Session, names: set[Name]) -> Mapping[Name, tuple[int, float, float]]:
    """Key, ra and dec of the objects that surveys gave some names to."""
    query = (
        select(
            col(SurveyObject.source),
            col(SurveyObject.external_id),
            col(SkyObject.id),
            col(SkyObject.ra),
            col(SkyObject.dec),
        )
        .join(SkyObject, col(SurveyObject.sky_object_id) == col(SkyObject.id))
        .where(
            tuple_(col(SurveyObject.external_id), col(SurveyObject.source)).in_(
                [(name, source) for source, name in names]
            ),
            col(SkyObject.ra).is_not(None),
            col(SkyObject.moving).is_(False),
        )
    )
    rows = session.connection().execute(query) if names else ()
    return {(source, name): (key or 0, ra or 0.0, dec or 0.0) for source, name, key, ra, dec in rows}


def _seen(session: Session, objects: Sequence[int], exposures: set[Exposure]) -> dict[Exposure, set[int]]:
    """Which of some objects have a detection in some exposures already."""
    seen: dict[Exposure, set[int]] = {}
    query = select(col(Candidate.source), col(Candidate.mjd), col(Candidate.sky_object_id)).where(
        col(Candidate.sky_object_id).in_(objects), col(Candidate.mjd).in_({mjd for _, mjd in exposures})
    )
    for source, mjd, key in session.connection().execute(query) if objects else ():
        seen.setdefault((source, mjd), set()).add(key)
    return seen

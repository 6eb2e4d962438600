"""All that is known of one sky object, found by its number or by any of its names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from sqlalchemy import or_, select
from sqlmodel import Session, col

from core.database.keys import key_in
from core.database.records import finite
from core.database.storable import storable
from core.database.store import Store
from core.database.tables import Candidate, SkyObject, SurveyObject
from core.errors import AstridError
from core.objects.known import known_sky
from core.objects.light_curve import LightCurvePoint, current_detections, light_curve
from core.objects.own_names import with_blanks
from core.objects.tracklets import tracklets_of
from core.review.cards import PastVerdict, history
from core.review.states import judged_together
from core.text import safe_text


class ObjectError(AstridError):
    """There is no such sky object, or more than one."""


@dataclass(frozen=True, slots=True)
class BandSummary:
    """What one source has seen of an object in one band.

    Attributes
    ----------
    brightest : float or None
        The smallest magnitude of a detection, in `mag_system`.
    """

    source: str
    filter: str | None
    detections: int
    limits: int
    first_mjd: float
    last_mjd: float
    brightest: float | None
    mag_system: str | None


@dataclass(frozen=True, slots=True)
class ObjectDetail:
    """One sky object.

    Attributes
    ----------
    names : tuple of tuple
        By whom it is called how: survey, and name or number.
    candidates : tuple of Candidate
        The current ones, newest first.
    bands : tuple of BandSummary
        The light curve by source and band.
    verdicts : tuple of PastVerdict
        Newest first.
    known : dict
        What is known at the places of its candidates, by their ids: `core.objects.known.known_sky`.
    tracklets : tuple of dict
        Those that its candidates belong to, in order of time: `core.objects.tracklets.record`.
    judged_with : tuple of int
        The objects of its tracklet that a verdict falls on as one, itself among them; the first carries the
        card. Empty where it is judged alone.
    """

    object: SkyObject
    names: tuple[tuple[str, str], ...]
    candidates: tuple[Candidate, ...]
    light_curve: tuple[LightCurvePoint, ...]
    bands: tuple[BandSummary, ...]
    verdicts: tuple[PastVerdict, ...]
    known: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    tracklets: tuple[Mapping[str, Any], ...] = ()
    judged_with: tuple[int, ...] = ()

    @property
    def told_at(self) -> int | None:
        """The candidate whose known sky stands for the object's: the best, else the newest that has one."""
        best = self.object.best_candidate_id
        ids = [each.id or 0 for each in self.candidates]
        return next((key for key in ([best] if best else []) + ids if key in self.known), None)

    def _known_here(self) -> dict[str, Any] | None:
        at = self.told_at
        return None if at is None else {"candidate": at, **self.known[at]}

    def record(self) -> dict[str, Any]:
        """All of it as JSON can hold it."""
        row = self.object
        return {
            "id": row.id,
            "name": row.name,
            "names": [{"source": source, "name": name} for source, name in self.names],
            "ra": finite(row.ra),
            "dec": finite(row.dec),
            "reference": row.reference_id,
            "x": finite(row.x),
            "y": finite(row.y),
            "review_state": row.review_state,
            "review_label": row.review_label,
            "first_mjd": finite(row.first_mjd),
            "last_mjd": finite(row.last_mjd),
            "best_candidate": row.best_candidate_id,
            "best_score": finite(row.best_score),
            "moving": row.moving,
            "tracklet": row.tracklet_id,
            "judged_with": list(self.judged_with),
            "known": self._known_here(),
            "tracklets": [dict(each) for each in self.tracklets],
            "candidates": [
                _candidate(each) | {"known": self.known.get(each.id or 0)} for each in self.candidates
            ],
            "bands": [asdict(each) for each in self.bands],
            "light_curve": [asdict(point) for point in self.light_curve],
            "verdicts": [asdict(past) | {"tags": list(past.tags)} for past in self.verdicts],
        }


def read_object(store: Store, what: str) -> ObjectDetail:
    """Find an object and read all that is known of it.

    Parameters
    ----------
    store : Store
    what : str
        Its number in the store, its name (with or without blanks), or what a survey calls it.

    Raises
    ------
    ObjectError
        There is no such object, or a name means several.
    """
    with store.read() as db:
        row = object_called(db, what)
        key = row.id or 0
        names = db.execute(
            select(col(SurveyObject.source), col(SurveyObject.external_id))
            .where(col(SurveyObject.sky_object_id) == key)
            .order_by(col(SurveyObject.id))
        ).all()
        candidates = current_detections(db, key)
        curve = light_curve(db, [key], candidates)
        judged = judged_together(db, row)
        past = history(db, *judged)
    ids = [each.id or 0 for each in candidates]
    linked = {each["id"]: each for each in tracklets_of(store, ids).values()}
    return ObjectDetail(
        row,
        tuple((source, name) for source, name in names),
        tuple(candidates),
        curve,
        band_summaries(curve),
        past,
        known_sky(store, ids),
        tuple(sorted(linked.values(), key=lambda each: (each["first_mjd"], each["id"]))),
        tuple(judged) if len(judged) > 1 else (),
    )


def newest_candidate(store: Store, what: str) -> int:
    """The newest current candidate of the object that is called so.

    Raises
    ------
    ObjectError
        There is no such object, or several are called so, or it has no candidate any more.
    """
    with store.read() as db:
        row = object_called(db, what)
        newest = (
            select(col(Candidate.id))
            .where(col(Candidate.sky_object_id) == row.id, col(Candidate.is_current))
            .order_by(col(Candidate.mjd).desc(), col(Candidate.id).desc())
            .limit(1)
        )
        key: int | None = db.scalar(newest)
    if key is None:
        raise ObjectError(f"'{safe_text(what, 60)}' has no candidate any more")
    return key


def band_summaries(points: Sequence[LightCurvePoint]) -> tuple[BandSummary, ...]:
    """A light curve by source and band, in the order of their names."""
    groups: dict[tuple[str, str], list[LightCurvePoint]] = {}
    for point in points:
        groups.setdefault((point.source, point.filter or ""), []).append(point)
    return tuple(_summary(source, group) for (source, _), group in sorted(groups.items()))


def _summary(source: str, points: Sequence[LightCurvePoint]) -> BandSummary:
    seen = [point for point in points if not point.is_limit]
    brightest = min((point for point in seen if point.mag is not None), key=_magnitude, default=None)
    times = [point.mjd for point in points]
    return BandSummary(
        source,
        points[0].filter,
        len(seen),
        len(points) - len(seen),
        min(times),
        max(times),
        brightest.mag if brightest else None,
        brightest.mag_system if brightest else None,
    )


def _magnitude(point: LightCurvePoint) -> float:
    return point.mag or 0.0


def object_called(db: Session, what: str) -> SkyObject:
    """An object by its number, its name (with or without blanks), or what a survey calls it.

    Raises
    ------
    ObjectError
        There is no such object, or a name means several.
    """
    what = storable(what)
    key = key_in(what)
    row = None if key is None else db.get(SkyObject, key)
    if row is not None:
        return row
    named = select(col(SurveyObject.sky_object_id)).where(col(SurveyObject.external_id) == what)
    own = col(SkyObject.name).in_({what, with_blanks(what)})
    query = select(SkyObject).where(or_(own, col(SkyObject.id).in_(named)))
    found = db.scalars(query.order_by(col(SkyObject.id))).all()
    if not found:
        raise ObjectError(f"there is no object '{safe_text(what, 60)}': `astrid objects list` shows them")
    if len(found) > 1:
        numbers = ", ".join(str(row.id) for row in found)
        raise ObjectError(f"'{safe_text(what, 60)}' is the name of {len(found)} objects: {numbers}")
    return found[0]


def _candidate(row: Candidate) -> dict[str, Any]:
    names = ("id", "source", "external_id", "frame", "filter", "mjd", "snr", "flux", "flux_err", "flux_unit")
    more = ("mag", "mag_err", "mag_system", "score")
    record = {name: finite(getattr(row, name)) for name in (*names, *more)}
    return record | {"scores": {name: finite(value) for name, value in row.scores.items()}}

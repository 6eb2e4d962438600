"""The light curve of a sky object: what was detected, and limits where nothing was.

Our own detections and forced fluxes stand beside what surveys tell. An exposure of a survey is one
point: its alert, else the detection that a later packet remembers, else the forced flux, else the limit.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import or_, select, text
from sqlmodel import Session, col

from core.database.tables import (
    Candidate,
    CandidateMatch,
    Difference,
    ForcedFlux,
    SkyObject,
    SurveyFlux,
    known_status,
)
from core.magnitudes import MAG_PER_RELATIVE_ERROR, UPPER_LIMIT_SIGMA
from core.vocabulary import OWN, FluxKind, Label

MAX_POINTS = 2000  # the newest of each kind

_RANKS: dict[str, int] = {FluxKind.DETECTION: 1, FluxKind.FORCED: 2, FluxKind.LIMIT: 3}


@dataclass(frozen=True, slots=True)
class LightCurvePoint:
    """One epoch.

    Attributes
    ----------
    mjd : float
        UTC at mid-exposure.
    flux, flux_err : float or None
        Signed, in `flux_unit`; of a limit, the forced flux at the place and its error. A limit of a
        survey may have an error alone, a fifth of the flux that would have been detected.
    mag : float or None
        Of ``|flux|``; of a limit, of five times the error. None without a zeropoint.
    is_limit : bool
        Nothing was detected and the forced flux is below five times its error. This says how faint a
        source at this place would have been missed; it is not the depth of the frame.
    candidate_id : int or None
        The detection; none of a forced flux, and of what only a packet's history tells.
    source : str
        Who measured it: ``astrid``, or a survey.
    kind : str
        `core.vocabulary.FluxKind`: how it came to be known. A forced flux may be a limit.
    zeropoint : float or None
        The magnitude of a flux of 1, in `mag_system`.
    m50 : float or None
        The depth of the frame, where nothing was detected: the magnitude at which half of injected
        sources are found anywhere in it.
    reference : int or None
        What was subtracted; none of a survey. Fluxes by one reference and by another differ by what the place
        shone in each, and, where they are instrumental, in their unit.
    """

    mjd: float
    filter: str | None
    flux: float | None
    flux_err: float | None
    flux_unit: str | None
    mag: float | None
    mag_err: float | None
    mag_system: str | None
    is_limit: bool
    candidate_id: int | None = None
    source: str = OWN
    kind: str = FluxKind.DETECTION
    zeropoint: float | None = None
    m50: float | None = None
    reference: int | None = None


def current_detections(db: Session, *object_ids: int) -> list[Candidate]:
    """The current candidates of an object or more, newest first."""
    query = (
        select(Candidate)
        .where(col(Candidate.sky_object_id).in_(object_ids), col(Candidate.is_current).is_(True))
        .order_by(col(Candidate.mjd).desc(), col(Candidate.id).desc())
        .limit(MAX_POINTS)
    )
    return list(db.scalars(query))


def light_curve(
    db: Session, object_ids: Sequence[int], detections: Iterable[Candidate]
) -> tuple[LightCurvePoint, ...]:
    """All points of an object or more in order of time: detections, forced fluxes, what surveys tell.

    Forced fluxes are those of current differences. A body that moves was elsewhere before and after it was
    detected: of one there are detections alone. What a survey took back is no point.
    """
    taken_back = _taken_back(db, object_ids)
    detected = [row for row in detections if (row.source, row.external_id) not in taken_back]
    moving = moving_among(db, object_ids, detected)
    staying = [key for key in object_ids if key not in moving]
    query = (
        select(ForcedFlux, col(Difference.m50), col(Difference.reference_id))
        .join(Difference, col(ForcedFlux.difference_id) == col(Difference.id))
        .where(col(ForcedFlux.sky_object_id).in_(staying), col(Difference.is_current).is_(True))
        .order_by(col(ForcedFlux.mjd).desc())
        .limit(MAX_POINTS)
    )
    references = _references(db, detected)
    points = [_detected(row, references.get(row.difference_id or 0)) for row in detected]
    points += [forced_point(row, m50, reference) for row, m50, reference in db.execute(query)]
    points += [
        _told(row)
        for row in _survey_fluxes(db, object_ids, detected)
        if row.sky_object_id not in moving or row.kind == FluxKind.DETECTION
    ]
    return tuple(sorted(points, key=lambda point: point.mjd))


def moving_among(db: Session, object_ids: Sequence[int], detected: Sequence[Candidate]) -> set[int]:
    """Those of some objects that move: by a tracklet, by a verdict, or as a known body at each detection."""
    query = select(col(SkyObject.id)).where(
        col(SkyObject.id).in_(object_ids),
        or_(
            col(SkyObject.moving).is_(True),
            col(SkyObject.tracklet_id).is_not(None),
            col(SkyObject.review_label) == Label.MOVING.value,
        ),
    )
    found = {key or 0 for key in db.scalars(query)}
    at_bodies = select(col(CandidateMatch.candidate_id)).where(
        col(CandidateMatch.candidate_id).in_([row.id for row in detected]),
        text(f"{known_status('solar_system', db.get_bind().dialect.name)} = 'match'"),
    )
    bodies = set(db.scalars(at_bodies))
    of_others = {row.sky_object_id for row in detected if row.id not in bodies}
    return found | ({row.sky_object_id or 0 for row in detected} - of_others)


def _references(db: Session, detected: Sequence[Candidate]) -> dict[int, int]:
    """The reference of each difference that something was detected in."""
    ids = sorted({row.difference_id for row in detected if row.difference_id is not None})
    if not ids:
        return {}
    query = select(col(Difference.id), col(Difference.reference_id)).where(col(Difference.id).in_(ids))
    return {key or 0: reference for key, reference in db.execute(query)}


def _survey_fluxes(db: Session, object_ids: Sequence[int], detected: list[Candidate]) -> Iterable[SurveyFlux]:
    """What surveys tell of the exposures of which there is no candidate: the best of each."""
    query = (
        select(SurveyFlux)
        .where(
            col(SurveyFlux.sky_object_id).in_(object_ids), col(SurveyFlux.kind) != FluxKind.WITHDRAWN.value
        )
        .order_by(col(SurveyFlux.mjd).desc())
        .limit(len(_RANKS) * MAX_POINTS)
    )
    known = {(row.source, row.external_id) for row in detected}
    taken = {_exposure(row) for row in detected}
    rows = [row for row in db.scalars(query) if (row.source, row.external_id) not in known]
    for row in sorted(rows, key=_standing):
        if _exposure(row) not in taken:
            taken.add(_exposure(row))
            yield row


def _taken_back(db: Session, object_ids: Sequence[int]) -> set[tuple[str, str | None]]:
    """The detections that a survey took back: source and id of each."""
    query = select(col(SurveyFlux.source), col(SurveyFlux.external_id)).where(
        col(SurveyFlux.sky_object_id).in_(object_ids), col(SurveyFlux.kind) == FluxKind.WITHDRAWN.value
    )
    return {(source, external_id) for source, external_id in db.execute(query)}


def _standing(row: SurveyFlux) -> tuple[int, float, str]:
    """The best of an exposure is the first: of two detections in one, as ZTF has them, the surer."""
    error = math.inf if row.flux_err is None else row.flux_err
    return _RANKS.get(row.kind, len(_RANKS) + 1), error, row.external_id


def _exposure(row: Candidate | SurveyFlux) -> tuple[str, str | None, int]:
    return row.source, row.filter, round(row.mjd * 86400.0)


def _detected(row: Candidate, reference: int | None) -> LightCurvePoint:
    zeropoint = None
    if row.mag is not None and row.flux:
        zeropoint = row.mag + 2.5 * math.log10(abs(row.flux))
    return LightCurvePoint(
        row.mjd, row.filter, row.flux, row.flux_err, row.flux_unit,
        row.mag, row.mag_err, row.mag_system, is_limit=False, candidate_id=row.id,
        source=row.source, zeropoint=zeropoint, reference=reference,
    )  # fmt: skip


def forced_point(row: ForcedFlux, m50: float | None = None, reference: int | None = None) -> LightCurvePoint:
    """A forced flux as an epoch: a limit where it is below five times its error."""
    is_limit = not _is_seen(row.flux, row.flux_err)
    return _measured(
        row, row.flux, row.flux_err, OWN, FluxKind.FORCED, is_limit=is_limit, m50=m50, reference=reference
    )


def _told(row: SurveyFlux) -> LightCurvePoint:
    """An epoch of a packet's history. A detection is one by the survey's own threshold."""
    is_limit = row.kind != FluxKind.DETECTION and not _is_seen(row.flux, row.flux_err)
    return _measured(row, row.flux, row.flux_err, row.source, row.kind, is_limit=is_limit)


def _is_seen(flux: float | None, flux_err: float | None) -> bool:
    return flux is not None and flux_err is not None and abs(flux) >= UPPER_LIMIT_SIGMA * flux_err


def _measured(
    row: ForcedFlux | SurveyFlux,
    flux: float | None,
    flux_err: float | None,
    source: str,
    kind: str,
    *,
    is_limit: bool,
    m50: float | None = None,
    reference: int | None = None,
) -> LightCurvePoint:
    brightness = UPPER_LIMIT_SIGMA * (flux_err or 0.0) if is_limit else abs(flux or 0.0)
    mag = mag_err = None
    if row.zeropoint is not None and brightness > 0:
        mag = row.zeropoint - 2.5 * math.log10(brightness)
        if not is_limit and flux_err is not None:
            mag_err = MAG_PER_RELATIVE_ERROR * flux_err / brightness
    return LightCurvePoint(
        row.mjd, row.filter, flux, flux_err, row.flux_unit, mag, mag_err, row.mag_system, is_limit,
        source=source, kind=kind, zeropoint=row.zeropoint, m50=m50, reference=reference,
    )  # fmt: skip

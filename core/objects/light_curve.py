"""The light curve of a sky object: what was detected, and limits where nothing was."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import select
from sqlmodel import Session, col

from core.database.tables import Candidate, Difference, ForcedFlux

LIMIT_SIGMA = 5.0
MAX_POINTS = 2000  # the newest of each kind


@dataclass(frozen=True, slots=True)
class LightCurvePoint:
    """One epoch.

    Attributes
    ----------
    mjd : float
        UTC at mid-exposure.
    flux, flux_err : float or None
        Signed, in `flux_unit`; of a limit, the forced flux at the place and its error.
    mag : float or None
        Of ``|flux|``; of a limit, of five times the error. None without a zeropoint.
    is_limit : bool
        Nothing was detected and the forced flux is below five times its error. This says how faint a
        source at this place would have been missed; it is not the depth of the frame.
    candidate_id : int or None
        The detection; none of a forced flux.
    m50 : float or None
        The depth of the frame, where nothing was detected: the magnitude at which half of injected
        sources are found anywhere in it.
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
    m50: float | None = None


def current_detections(db: Session, sky_object_id: int) -> list[Candidate]:
    """The object's current candidates, newest first."""
    query = (
        select(Candidate)
        .where(col(Candidate.sky_object_id) == sky_object_id, col(Candidate.is_current).is_(True))
        .order_by(col(Candidate.mjd).desc(), col(Candidate.id).desc())
        .limit(MAX_POINTS)
    )
    return list(db.scalars(query))


def light_curve(
    db: Session, sky_object_id: int, detections: Iterable[Candidate]
) -> tuple[LightCurvePoint, ...]:
    """All points of an object in order of time: its detections, and forced fluxes of current differences."""
    query = (
        select(ForcedFlux, col(Difference.m50))
        .join(Difference, col(ForcedFlux.difference_id) == col(Difference.id))
        .where(col(ForcedFlux.sky_object_id) == sky_object_id, col(Difference.is_current).is_(True))
        .order_by(col(ForcedFlux.mjd).desc())
        .limit(MAX_POINTS)
    )
    points = [_detected(row) for row in detections]
    points += [_forced(row, m50) for row, m50 in db.execute(query)]
    return tuple(sorted(points, key=lambda point: point.mjd))


def _detected(row: Candidate) -> LightCurvePoint:
    return LightCurvePoint(
        row.mjd, row.filter, row.flux, row.flux_err, row.flux_unit,
        row.mag, row.mag_err, row.mag_system, is_limit=False, candidate_id=row.id,
    )  # fmt: skip


def _forced(row: ForcedFlux, m50: float | None) -> LightCurvePoint:
    is_limit = not abs(row.flux) >= LIMIT_SIGMA * row.flux_err
    brightness = LIMIT_SIGMA * row.flux_err if is_limit else abs(row.flux)
    mag = mag_err = None
    if row.zeropoint is not None and brightness > 0:
        mag = row.zeropoint - 2.5 * math.log10(brightness)
        if not is_limit:
            mag_err = 2.5 / math.log(10) * row.flux_err / brightness
    return LightCurvePoint(
        row.mjd, row.filter, row.flux, row.flux_err, row.flux_unit,
        mag, mag_err, row.mag_system, is_limit, m50=m50,
    )  # fmt: skip

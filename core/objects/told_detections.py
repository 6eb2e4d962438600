"""Detections that packets of surveys remember: an object that other nights saw stays, and shone then."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import ColumnElement, exists, func, or_, select
from sqlmodel import Session, col

from core.database.tables import SkyObject, SurveyFlux
from core.operations.night import GAP_DAYS
from core.vocabulary import FluxKind

_BATCH = 2000  # ids of one query
_IS_DETECTION = col(SurveyFlux.kind) == FluxKind.DETECTION.value


def told_before(mjd: float) -> ColumnElement[bool]:
    """Whether surveys tell that an object was detected by some time."""
    return exists().where(
        col(SurveyFlux.sky_object_id) == col(SkyObject.id), _IS_DETECTION, col(SurveyFlux.mjd) <= mjd
    )


def told_of_other_nights(first: float, last: float) -> ColumnElement[bool]:
    """Whether surveys tell that an object was detected in other nights than those of some span (MJD)."""
    mjd = col(SurveyFlux.mjd)
    return exists().where(
        col(SurveyFlux.sky_object_id) == col(SkyObject.id),
        _IS_DETECTION,
        or_(mjd < first - GAP_DAYS, mjd > last + GAP_DAYS),
    )


def told_first(session: Session, object_ids: Collection[int]) -> dict[int, float]:
    """When surveys first detected some objects, of those of which they tell."""
    found: dict[int, float] = {}
    ids = sorted(object_ids)
    for start in range(0, len(ids), _BATCH):
        query = (
            select(col(SurveyFlux.sky_object_id), func.min(col(SurveyFlux.mjd)))
            .where(col(SurveyFlux.sky_object_id).in_(ids[start : start + _BATCH]), _IS_DETECTION)
            .group_by(col(SurveyFlux.sky_object_id))
        )
        found |= {row[0]: row[1] for row in session.execute(query)}
    return found

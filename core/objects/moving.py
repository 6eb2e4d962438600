"""Which objects are of a moving body: those of which all that was seen belongs to tracklets."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import case, func, select, update
from sqlmodel import Session, col

from core.database.tables import Candidate, SkyObject, TrackletMember
from core.review.states import follow_verdicts, locked

_BATCH = 2000


def settle(session: Session, object_ids: Collection[int]) -> None:
    """Say anew of objects whether they move, with which tracklet, and what stands of them and its others.

    An object of two tracklets goes with the older one.
    """
    ids = sorted(object_ids)
    before = _tracklets_of(session, ids)
    member = select(col(TrackletMember.tracklet_id)).where(
        col(TrackletMember.candidate_id) == col(Candidate.id)
    )
    current = (
        select(col(Candidate.id))
        .where(col(Candidate.sky_object_id) == col(SkyObject.id), col(Candidate.is_current).is_not(False))
        .correlate(SkyObject)
    )
    moving = current.exists() & ~current.where(~member.exists()).exists()
    tracklet = (
        select(func.min(col(TrackletMember.tracklet_id)))
        .join(Candidate, col(Candidate.id) == col(TrackletMember.candidate_id))
        .where(col(Candidate.sky_object_id) == col(SkyObject.id), col(Candidate.is_current).is_not(False))
        .correlate(SkyObject)
        .scalar_subquery()
    )
    for start in range(0, len(ids), _BATCH):
        session.execute(
            update(SkyObject)
            .where(col(SkyObject.id).in_(ids[start : start + _BATCH]))
            .values(moving=moving, tracklet_id=case((moving, tracklet), else_=None))
            .execution_options(synchronize_session=False)
        )
    follow_verdicts(session, locked(session, {*ids, *_objects_of(session, before)}), is_new=False)


def linked_among(session: Session, object_ids: Collection[int]) -> list[int]:
    """Those of some objects that go with a tracklet."""
    found: list[int] = []
    ids = sorted(object_ids)
    for start in range(0, len(ids), _BATCH):
        query = select(col(SkyObject.id)).where(
            col(SkyObject.id).in_(ids[start : start + _BATCH]), col(SkyObject.tracklet_id).is_not(None)
        )
        found += [key or 0 for key in session.scalars(query)]
    return found


def _tracklets_of(session: Session, ids: list[int]) -> list[int]:
    found: set[int] = set()
    for start in range(0, len(ids), _BATCH):
        query = select(col(SkyObject.tracklet_id)).where(
            col(SkyObject.id).in_(ids[start : start + _BATCH]), col(SkyObject.tracklet_id).is_not(None)
        )
        found.update(key for key in session.scalars(query) if key is not None)
    return sorted(found)


def _objects_of(session: Session, tracklets: list[int]) -> list[int]:
    found: list[int] = []
    for start in range(0, len(tracklets), _BATCH):
        query = select(col(SkyObject.id)).where(
            col(SkyObject.tracklet_id).in_(tracklets[start : start + _BATCH])
        )
        found += [key or 0 for key in session.scalars(query)]
    return found

"""Conditions on what reviewers said of objects together: who was asked, and what is disputed.

The rule for what is disputed is that of `core.review.agreement.settled`, said here in SQL.
"""

from functools import lru_cache

from sqlalchemy import ColumnElement, and_, case, exists, func, or_, select
from sqlalchemy.orm import aliased
from sqlmodel import col

from core.database.tables import Assignment, SkyObject, Verdict
from core.frames.standing import stands
from core.vocabulary import ReviewState, labels_of

_SIDES = {side: labels_of(side) for side in (ReviewState.REAL, ReviewState.BOGUS)}


def awaits_expert(expert: str | None, wanted: bool) -> ColumnElement[bool]:
    """An object awaits an expert: this one, or any who was named; else nobody in particular."""
    asked = exists().where(col(Assignment.sky_object_id) == col(SkyObject.id))
    if expert is not None:
        asked = asked.where(col(Assignment.expert) == expert)
    waits = col(SkyObject.review_state) == ReviewState.ESCALATED.value
    return waits & (asked if wanted else ~asked)


@lru_cache(maxsize=32)
def is_disputed(experts: tuple[str, ...]) -> ColumnElement[bool]:
    """Reviewers differ on whether an object is real or bogus, and no expert has settled it."""
    judged, said = aliased(SkyObject), aliased(Verdict)
    alone = col(judged.tracklet_id).is_(None) | (col(judged.review_state) == ReviewState.BOGUS.value)
    # A body that moves is judged as one: its objects count under its tracklet, below zero.
    key = case((alone, col(judged.id)), else_=-col(judged.tracklet_id))
    newest = (
        select(key.label("key"), func.max(col(said.id)).label("id"))
        .join(judged, col(judged.id) == col(said.sky_object_id))
        .where(stands(said), ~col(judged.injected))
        .group_by(key, col(said.reviewer))
        .subquery()
    )
    vote = aliased(Verdict)
    of_expert = col(vote.reviewer).in_(experts)

    def count(side: ReviewState, *conditions: ColumnElement[bool]) -> ColumnElement[int]:
        return func.sum(case((and_(col(vote.label).in_(_SIDES[side]), *conditions), 1), else_=0))

    real, bogus = (count(side) for side in _SIDES)
    expert_real, expert_bogus = (count(side, of_expert) for side in _SIDES)
    differ = and_(expert_real == 0, expert_bogus == 0, real > 0, bogus > 0)
    keys = (
        select(newest.c.key)
        .join(vote, col(vote.id) == newest.c.id)
        .group_by(newest.c.key)
        .having(or_(differ, and_(expert_real > 0, expert_bogus > 0)))
    ).subquery()
    objects = select(keys.c.key).where(keys.c.key > 0)
    tracklets = select(-keys.c.key).where(keys.c.key < 0)
    together = col(SkyObject.tracklet_id).in_(tracklets) & (
        col(SkyObject.review_state) != ReviewState.BOGUS.value
    )
    return or_(col(SkyObject.id).in_(objects), together)

"""How much reviewers have judged: what models will be trained on."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import case
from sqlmodel import col, func, select

from core.database.store import Store
from core.database.tables import SkyObject
from core.review.real_rows import is_injected_object
from core.vocabulary import ReviewState


@dataclass(frozen=True, slots=True)
class Judged:
    """Objects by what their last standing verdict says, confirmed or not; injected sources are none.

    What moves is one real object, in however many frames it was seen.
    """

    real: int
    bogus: int


def judged(store: Store) -> Judged:
    """Count them."""
    states = (ReviewState.REAL.value, ReviewState.BOGUS.value)
    moves = col(SkyObject.review_state) == ReviewState.REAL.value  # what is bogus is so by itself
    body = case((moves, func.coalesce(-col(SkyObject.tracklet_id), col(SkyObject.id))), else_=SkyObject.id)
    query = (
        select(SkyObject.review_state, func.count(func.distinct(body)))
        .where(col(SkyObject.review_state).in_(states), ~is_injected_object())
        .group_by(col(SkyObject.review_state))
    )
    with store.read() as session:
        found = dict(session.exec(query).all())
    return Judged(*(found.get(state, 0) for state in states))

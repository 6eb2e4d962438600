"""How much reviewers have judged: what models will be trained on."""

from __future__ import annotations

from dataclasses import dataclass

from sqlmodel import col, func, select

from core.database.store import Store
from core.database.tables import SkyObject
from core.review.real_rows import is_injected_object
from core.vocabulary import ReviewState


@dataclass(frozen=True, slots=True)
class Judged:
    """Objects by what their last standing verdict says; injected sources are none."""

    real: int
    bogus: int


def judged(store: Store) -> Judged:
    """Count them."""
    states = (ReviewState.REAL.value, ReviewState.BOGUS.value)
    query = (
        select(SkyObject.review_state, func.count())
        .where(col(SkyObject.review_state).in_(states), ~is_injected_object())
        .group_by(col(SkyObject.review_state))
    )
    with store.read() as session:
        found = dict(session.exec(query).all())
    return Judged(*(found.get(state, 0) for state in states))

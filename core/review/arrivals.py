"""What came into the review queue since the last look that should be seen at once."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlmodel import col

from core.database.store import Store
from core.database.tables import Candidate, SkyObject
from core.review.states import AWAITING
from core.review.zones import CERTAIN


@dataclass(frozen=True, slots=True)
class Arrivals:
    """New candidates above a score: how many, and the best of them. Its name is as it came."""

    count: int
    name: str
    score: float


def newest(store: Store) -> int:
    """The key of the newest candidate; 0 where there is none."""
    with store.read() as db:
        return db.scalar(select(func.max(col(Candidate.id)))) or 0


def since(store: Store, after: int, above: float) -> Arrivals | None:
    """What was added after a candidate, awaits a verdict and scores above a limit; none where nothing."""
    query = (
        select(col(SkyObject.id), col(SkyObject.name), func.max(Candidate.score).label("best"))
        .join(SkyObject, col(Candidate.sky_object_id) == col(SkyObject.id))
        .where(
            col(Candidate.id) > after,
            col(Candidate.is_current),
            col(Candidate.score).between(above, CERTAIN),  # what no model scored has |snr| there
            col(SkyObject.review_state).in_([state.value for state in AWAITING]),
        )
        .group_by(col(SkyObject.id), col(SkyObject.name))
        .order_by(func.max(Candidate.score).desc(), col(SkyObject.id))
    )
    with store.read() as db:
        rows = db.execute(query.limit(1000)).all()
    return Arrivals(len(rows), rows[0].name, float(rows[0].best)) if rows else None

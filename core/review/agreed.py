"""Objects whose nature reviewers agree on, with all that are judged as one: what models learn from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sqlalchemy import select
from sqlmodel import Session, col

from core.database.store import Store
from core.database.tables import SkyObject
from core.review.agreement import Standing, side, standings
from core.settings_sections import ReviewSettings
from core.vocabulary import ReviewState

_BATCH = 2000  # ids of one query


def agreed_objects(store: Store, review: ReviewSettings) -> dict[int, Standing]:
    """What is agreed of each object that is confirmed real or bogus, by the object's number.

    A body that moves is another object in each of its frames. What is agreed of it is agreed of all of
    them, whichever was judged; but for those that were judged bogus, which are no longer of it.

    Parameters
    ----------
    store : Store
    review : ReviewSettings
        Who is an expert, and how many votes confirm without one.
    """
    confirmed = [
        each
        for each in standings(store, experts=review.experts, needed=review.votes)
        if each.confirmed is not None
    ]
    agreed = {each.object_id: each for each in confirmed}
    bodies = {each.tracklet_id: each for each in confirmed if each.tracklet_id is not None}
    with store.read() as db:
        for object_id, tracklet_id in _objects_of(db, bodies):
            agreed[object_id] = bodies[tracklet_id]
    return agreed


def why_none(store: Store, review: ReviewSettings) -> str:
    """Why nothing is agreed on, in words: of what is judged by one, how others or an expert confirm it.

    Parameters
    ----------
    store : Store
    review : ReviewSettings
        Who is an expert, and how many votes confirm without one.
    """
    judged = sum(
        any(map(side, each.votes.values()))
        for each in standings(store, experts=review.experts, needed=review.votes)
    )
    if not judged:
        return "nothing was judged real or bogus yet: decide on candidates first"
    return (
        f"of {judged} that were judged none is confirmed: {review.votes} reviewers of one mind do that, or "
        "one expert (votes and experts in [review])"
    )


def _objects_of(db: Session, tracklets: Iterable[int]) -> Iterator[tuple[int, int]]:
    """The objects that are judged as one, with the number of their tracklet."""
    ids = sorted(tracklets)
    for start in range(0, len(ids), _BATCH):
        query = select(SkyObject).where(
            col(SkyObject.tracklet_id).in_(ids[start : start + _BATCH]),
            col(SkyObject.review_state) != ReviewState.BOGUS.value,
        )
        yield from ((row.id or 0, row.tracklet_id or 0) for row in db.scalars(query))

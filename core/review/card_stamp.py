"""Whether a card still says what the store holds, for the price of four look-ups by index."""

from typing import NamedTuple

from sqlalchemy import case, func, select
from sqlmodel import Session, col

from core.database.store import Store
from core.database.tables import Candidate, ForcedFlux, SkyObject, Verdict
from core.review.states import judged_together


class CardStamp(NamedTuple):
    """What differs once there is more to a card than it shows.

    Attributes
    ----------
    objects : tuple of int
        What is judged as one.
    best : tuple of int and float
        The candidate that stands for the object, and its score, each none where there is none.
    detections, newest_detection : int
        How many candidates are current, and the newest of them.
    newest_words : int
        The newest verdict, retraction or note.
    newest_forced : int
        The newest forced flux.
    """

    objects: tuple[int, ...]
    best: tuple[int | None, float | None]
    detections: int
    newest_detection: int
    newest_words: int
    newest_forced: int


def read_stamp(store: Store, object_id: int) -> CardStamp | None:
    """The stamp that a card of an object would have now; none where there is no such object."""
    with store.read() as db:
        sky_object = db.get(SkyObject, object_id)
        return None if sky_object is None else stamp(db, sky_object, judged_together(db, sky_object))


def stamp(db: Session, sky_object: SkyObject, objects: list[int]) -> CardStamp:
    """The stamp of a card that is being read."""
    # Not a condition: SQLite would go through all current candidates of the store by an index of them.
    current = case((col(Candidate.is_current).is_(True), col(Candidate.id)))
    detections = select(func.count(current), func.max(current)).where(
        col(Candidate.sky_object_id).in_(objects)
    )
    words = select(func.max(col(Verdict.id))).where(col(Verdict.sky_object_id).in_(objects))
    forced = select(func.max(col(ForcedFlux.id))).where(col(ForcedFlux.sky_object_id).in_(objects))
    count, newest = db.execute(detections).one()
    return CardStamp(
        objects=tuple(objects),
        best=(sky_object.best_candidate_id, sky_object.best_score),
        detections=count,
        newest_detection=newest or 0,
        newest_words=db.scalar(words) or 0,
        newest_forced=db.scalar(forced) or 0,
    )

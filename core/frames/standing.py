"""Which verdicts stand, as expressions that any query can use.

Rows of verdicts are never changed. A row with ``retracts_id`` takes the row of that id back: a
retraction, which has no label, takes back a verdict; a verdict that was given again names the
retraction it undoes. So a verdict stands while it has a label and no row takes it back.

Expressions never change and are dear to build, so they are kept; of those on a table under another name,
of which each query may make one, the last few.
"""

from functools import cache, lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Select, case, func, select, union
from sqlalchemy.orm import aliased
from sqlmodel import Session, col

from core.database.tables import Candidate, InjectedSource, SkyObject, Verdict
from core.vocabulary import ReviewState


@lru_cache(maxsize=8)
def is_taken_back(verdict: type[Verdict]) -> ColumnElement[bool]:
    """Whether some row takes this one back."""
    later = aliased(Verdict)
    # Nothing is selected but what the index holds. Most rows take nothing back: once `ANALYZE` has told it
    # so, SQLite takes the index for one that finds them all, and would go through whole verdicts instead.
    return select(col(later.retracts_id)).where(col(later.retracts_id) == col(verdict.id)).exists()


def stands(verdict: type[Verdict]) -> ColumnElement[bool]:
    """Whether a row is a decision that no later row takes back."""
    return col(verdict.label).is_not(None) & ~is_taken_back(verdict)


@cache
def candidate_label() -> ColumnElement[str | None]:
    """The verdict on a candidate, in a query that joins `Candidate` and `SkyObject`; null without one.

    It is the newest standing label given on that very candidate; or else the label of its object, if
    that is real: a bogus label judges one detection, a real one the object and so all of them.
    """
    given = aliased(Verdict)
    own = (
        select(col(given.label))
        .where(col(given.candidate_id) == col(Candidate.id), stands(given))
        .order_by(col(given.id).desc())
        .limit(1)
        .correlate(Candidate)
        .scalar_subquery()
    )
    of_object = case((col(SkyObject.review_state) == ReviewState.REAL, SkyObject.review_label), else_=None)
    return func.coalesce(own, of_object)


@cache
def labelled_objects(labels: tuple[str, ...]) -> Select[Any]:
    """The ids of objects of which one of some labels was ever said, or stands: no others' candidates have it.

    What was said of one object of a body that moves stands of all.
    """
    said = select(col(Verdict.sky_object_id)).where(col(Verdict.label).in_(labels))
    of_body = select(col(SkyObject.id)).where(
        col(SkyObject.tracklet_id).is_not(None),
        # The sum keeps the databases to those in tracklets, which are few beside all that are real.
        col(SkyObject.review_state) + "" == ReviewState.REAL.value,
        col(SkyObject.review_label).in_(labels),
    )
    return select(union(said, of_body).subquery().c[0])


def is_revealed(db: Session, sky_object_id: int) -> bool:
    """Whether an object was injected and a verdict has revealed it."""
    source = db.get(InjectedSource, sky_object_id)
    return source is not None and source.revealed_at is not None

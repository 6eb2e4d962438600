"""Which term of a filter leaves few objects, so that a query begins with those.

The queue is read in its order until a page is full. Where few objects pass the filter that would read all of
the queue; then it is faster to find those few by an index, and to sort them. Neither database can tell which
is the case: both guess from averages. So the queue's beginning is looked through first, and where that does
not fill a page, each term that has an index is counted, up to `MOST`.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, SQLColumnExpression, and_, func, or_, select, text
from sqlmodel import Session, col

from core.database.tables import (
    Assignment,
    Candidate,
    CandidateMatch,
    Observation,
    SkyObject,
    TrackletMember,
    Verdict,
    known_status,
    tagged,
)
from core.review.filter_words import OPERATORS, like
from core.review.filters import (
    KNOWN,
    AwaitsExpert,
    Compare,
    Disputed,
    FromSurvey,
    HasTag,
    HasVerdict,
    InTracklet,
    IsKnown,
    Match,
    Near,
    Term,
    conditions,
)
from core.vocabulary import OWN

MOST = 40_000
VERY_FEW = 1000
_INDEXED = ("score", "snr", "mag", "mjd")  # with is_current before them

Objects = Select[Any] | Sequence[int]


def few(db: Session, terms: Sequence[Term]) -> Objects | None:
    """The ids of objects that one of the terms leaves, the fewest; none where each leaves many.

    Very few are given as they are, others as the query that finds them.

    More may be among them than the term leaves, never fewer: the other conditions still have to hold.
    """
    queries = [found for term in terms if (found := _objects(term, db.get_bind().dialect.name)) is not None]
    for query in queries:
        ids = db.scalars(query.limit(VERY_FEW + 1)).all()
        if len(ids) <= VERY_FEW:
            return ids
    counts: list[int] = []
    for query in queries:
        part = query.limit(MOST + 1).subquery()
        counts.append(db.scalar(select(func.count()).select_from(part)) or 0)
    fewest = min(counts, default=MOST + 1)
    return queries[counts.index(fewest)] if fewest <= MOST else None


def _objects(term: Term, dialect: str) -> Select[Any] | None:
    """The objects of a term, in a query that an index answers; none where there is no such index."""
    match term:
        case Match("object", pattern) if "*" not in pattern:
            return select(col(SkyObject.id)).where(conditions([term])[0])  # few names, short rows
        case HasVerdict(labels) if labels:
            return select(col(Verdict.sky_object_id))
        case AwaitsExpert(_, True):
            return select(col(Assignment.sky_object_id))
        case AwaitsExpert() | Disputed(True):
            return select(col(SkyObject.id)).where(conditions([term])[0])
        case HasTag(_, True):
            return select(col(Verdict.sky_object_id)).where(text(tagged(dialect)))
    chosen = _candidates(term, dialect)
    return None if chosen is None else select(col(Candidate.sky_object_id)).where(chosen)


def _candidates(term: Term, dialect: str) -> ColumnElement[bool] | None:  # noqa: PLR0911 one for each term
    """A condition on candidates that an index answers."""
    key = col(Candidate.id)
    match term:
        case Compare(field, sign, limit) if field in _INDEXED:
            number: SQLColumnExpression[Any] = col(getattr(Candidate, field))
            return and_(col(Candidate.is_current).is_(True), OPERATORS[sign](number, limit))
        case Match("field", pattern):
            frames = select(col(Observation.id)).where(like(col(Observation.field), pattern))
            return col(Candidate.observation_id).in_(frames)
        case Near():
            return conditions([term])[0]
        case IsKnown(answer) if answer in KNOWN:
            matched = select(col(CandidateMatch.candidate_id)).where(
                text(f"{known_status(KNOWN[answer], dialect)} = 'match'")
            )
            return key.in_(matched)
        case InTracklet(True, tracklet):
            members = select(col(TrackletMember.candidate_id))
            if tracklet is not None:
                members = members.where(col(TrackletMember.tracklet_id) == tracklet)
            return key.in_(members)
        case FromSurvey(None):
            return or_(col(Candidate.source) < OWN, col(Candidate.source) > OWN)
        case FromSurvey(survey):
            return col(Candidate.source) == survey
    return None

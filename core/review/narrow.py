"""Which term of a filter leaves few objects, so that a query begins with those.

The queue is read in its order until a page is full. Where few objects pass the filter that would read all of
the queue; then it is faster to find those few by an index, and to sort them. Neither database can tell which
is the case: both guess from averages. So the queue's beginning is looked through first, and where that does
not fill a page, each term that has an index is counted, up to `MOST`. Where all leave more than that, all
candidates are looked through: in the order in which they lie, which is far faster than in the queue's.

What the order goes by is bounded by a term about the same: then the beginning is that of what is left.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, SQLColumnExpression, and_, func, or_, select, text, true, union
from sqlmodel import Session, col

from core.database.tables import (
    Assignment,
    Candidate,
    CandidateMatch,
    Observation,
    SkyObject,
    SurveyObject,
    TrackletMember,
    Verdict,
    has_feature,
    known_status,
    tagged,
)
from core.frames.standing import labelled_objects
from core.line_words import LINES
from core.review.bodies import with_their_bodies
from core.review.card_terms import AnyCard, CardTerm, SeenOn, is_on, seen_on
from core.review.filter_terms import (
    KNOWN,
    AwaitsExpert,
    Compare,
    Disputed,
    FromSurvey,
    HasTag,
    HasVerdict,
    InTracklet,
    InZone,
    IsKnown,
    Match,
    Near,
    OnLine,
)
from core.review.filter_words import OPERATORS, like
from core.review.filters import conditions
from core.review.names import MOST, has_index, is_named
from core.review.zones import lies_in
from core.vocabulary import OWN

VERY_FEW = 1000
_INDEXED = ("score", "snr", "mag", "mjd")  # with is_current before them
_OF_OBJECTS = {"score": "best_score", "mag": "best_mag"}

Objects = Select[Any] | Sequence[int]


def few(
    db: Session, terms: Sequence[CardTerm], *, states: Sequence[str] | None = None, most: int = MOST
) -> Objects | None:
    """The ids of objects that one of the terms leaves, the fewest; none where each leaves many.

    Very few are given as they are, others as the query that finds them.

    More may be among them than the term leaves, never fewer: the other conditions still have to hold.
    A negated term leaves many and no index finds them: it is not counted, nor is an ``or`` with a side that
    has no term with an index.

    Parameters
    ----------
    states : sequence of str, optional
        The review states of the objects that are wanted: of those that await a verdict few have one, though
        many have.
    most : int
        Beyond which they are many.
    """
    dialect = db.get_bind().dialect.name
    # What was said is asked last: that is often much, and takes longest to find.
    asked = sorted(terms, key=lambda term: isinstance(term, HasVerdict))
    found = [(*each, term) for term in asked if (each := _objects(term, dialect, states)) is not None]
    for query, *_ in found:
        ids = db.scalars(query.limit(VERY_FEW + 1)).all()
        if len(ids) <= VERY_FEW:
            return ids
    counts: list[int] = []
    for _, counted, _ in found:
        part = counted.limit(most + 1).subquery()
        counts.append(db.scalar(select(func.count()).select_from(part)) or 0)
    fewest = min(counts, default=most + 1)
    if fewest > most:
        return None
    objects, _, term = found[counts.index(fewest)]
    if dialect != "postgresql" or fewest > MOST or not isinstance(term, HasTag | HasVerdict | OnLine):
        return objects
    # Each is sought by an index: PostgreSQL takes what has tags for all that was said, what lies on lines for
    # all candidates, and would read every object instead. It takes an array for short.
    return select(func.unnest(func.array(objects.scalar_subquery())))


def as_they_lie(db: Session, conditions: Sequence[ColumnElement[bool]]) -> list[ColumnElement[bool]]:
    """Conditions in a query that goes through all rows, so that no index is taken for any of them.

    SQLite would begin with the objects of a state, or, once `ANALYZE` has counted, use an index without its
    first column, and find each row by itself: that takes ten times as long, or without end.
    """
    if db.get_bind().dialect.name != "sqlite" or not conditions:
        return list(conditions)
    return [and_(*conditions).is_(true())]


def within(column: str, terms: Sequence[CardTerm]) -> list[ColumnElement[bool]]:
    """What terms say of a column of objects that the queue is ordered by, so that an index begins there.

    Objects have it from the candidate that stands for them (`core.objects.association.refresh`); the date
    of the first detection is that candidate's or earlier.
    """
    ordered: SQLColumnExpression[Any] = col(getattr(SkyObject, column))
    found: list[ColumnElement[bool]] = []
    for term in terms:
        match term:
            case Compare(field, sign, limit) if _OF_OBJECTS.get(field) == column:
                found.append(OPERATORS[sign](ordered, limit))
            case Compare("mjd", ("<" | "<=") as sign, limit) if column == "first_mjd":
                found.append(OPERATORS[sign](ordered, limit))
            case InZone(zone, limits) if column == "best_score":
                found.append(lies_in(zone, ordered, limits))
    return found


def _objects(  # noqa: PLR0912 one for each kind
    term: CardTerm, dialect: str, states: Sequence[str] | None = None
) -> tuple[Select[Any], Select[Any]] | None:
    """The objects of a term in a query that an index answers, and a shorter one that finds as many.

    None where there is no such index.
    """
    found: Select[Any]
    match term:
        case Match("object", few=ids) if ids is not None:
            found = select(col(SkyObject.id)).where(col(SkyObject.id).in_(ids))
        case Match("object", pattern) if has_index("object", pattern, dialect):
            # One by one: not every database uses two indexes for what is joined by "or".
            named = select(col(SkyObject.id)).where(is_named(col(SkyObject.name), pattern, dialect))
            others = select(col(SurveyObject.sky_object_id)).where(
                is_named(col(SurveyObject.external_id), pattern, dialect)
            )
            found = select(union(named, others).subquery().c[0])
        case SeenOn(_, names) if names is not None:
            found = seen_on(is_on(names))
        case SeenOn(pattern) if has_index("frame", pattern, dialect):
            found = seen_on(is_named(col(Candidate.frame), pattern, dialect))
        case AnyCard(alternatives):
            sides = [_first(side, dialect) for side in alternatives]
            queries = [side for side in sides if side is not None]
            if len(queries) < len(sides):
                return None
            found = select(union(*queries).subquery().c[0])
        case HasVerdict(labels) if labels:
            found = _labelled(tuple(label.value for label in labels), states)
        case HasTag(_, True):
            found = with_their_bodies(select(col(Verdict.sky_object_id)).where(text(tagged(dialect))))
        case OnLine(kind):
            lines = LINES.values() if kind is None else (LINES[kind],)
            each = [select(col(Candidate.sky_object_id)).where(text(has_feature(n, dialect))) for n in lines]
            found = select(union(*each).subquery().c[0])
        case AwaitsExpert(_, True):
            found = select(col(Assignment.sky_object_id))
        case AwaitsExpert() | Disputed(True):
            found = select(col(SkyObject.id)).where(conditions([term])[0])
        case _:
            chosen = _candidates(term, dialect)
            if chosen is None:
                return None
            objects = select(col(Candidate.sky_object_id)).where(chosen)
            return objects, select(col(Candidate.id)).where(chosen)
    return found, found


def _labelled(labels: tuple[str, ...], states: Sequence[str] | None) -> Select[Any]:
    """The objects of which one of some labels was said; of those in some states, if these are told."""
    found = labelled_objects(labels)
    if states is None:
        return found
    # Asked of each by itself: PostgreSQL would go through all objects for the few that are of a state.
    of_one = found.subquery()
    state = select(col(SkyObject.review_state)).where(col(SkyObject.id) == of_one.c[0]).scalar_subquery()
    return select(of_one.c[0]).where(state.in_(states))


def _first(terms: Sequence[CardTerm], dialect: str) -> Select[Any] | None:
    """The objects of the first of some terms for which there is an index."""
    return next((found[0] for term in terms if (found := _objects(term, dialect)) is not None), None)


def _candidates(term: CardTerm, dialect: str) -> ColumnElement[bool] | None:  # noqa: PLR0911 one for each term
    """A condition on candidates that an index answers."""
    key = col(Candidate.id)
    match term:
        case Compare(field, sign, limit) if field in _INDEXED:
            number: SQLColumnExpression[Any] = col(getattr(Candidate, field))
            return and_(col(Candidate.is_current).is_(True), OPERATORS[sign](number, limit))
        case Match("field" | "frame", few=some) if some is not None:
            return conditions([term])[0]
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

"""What the review queue asks of cards beyond a filter's own terms.

A filter of candidates looks at one candidate at a time. A card stands for all detections of an object, or
of a body that moves, so a frame is asked of all of them; it is in the queue once; and what a reviewer has
asked an expert about is not that reviewer's to decide.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, exists, false, func, or_, select, union
from sqlalchemy.orm import aliased
from sqlmodel import Session, col

from core.database.tables import Assignment, Candidate, SkyObject, Verdict
from core.frames.standing import stands
from core.review import filters
from core.review.bodies import is_of_body, its_body, with_their_bodies
from core.review.filter_terms import AnyOf, AwaitsExpert, Disputed, HasVerdict, InState, Match, Term
from core.review.filter_words import like
from core.review.states import AWAITING
from core.vocabulary import Label, ReviewState

JUDGED = (ReviewState.REAL, ReviewState.BOGUS, ReviewState.INDETERMINATE, ReviewState.SNOOZED)
_BOGUS = ReviewState.BOGUS.value
_BATCH = 2000
_ORDER = (*AWAITING, *(state for state in ReviewState if state not in AWAITING))


@dataclass(frozen=True, slots=True)
class SeenOn:
    """Any current detection of the card is of a frame; `few` as in `core.review.filter_terms.Match`."""

    pattern: str
    few: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class AskedBy:
    """An expert was asked about the card by this reviewer, who is not that expert; or not."""

    reviewer: str
    wanted: bool = True


@dataclass(frozen=True, slots=True)
class Carries:
    """The object carries the card of its tracklet, or is of none."""


@dataclass(frozen=True, slots=True)
class Stands:
    """The card's object is in one of these review states."""

    states: tuple[ReviewState, ...]


@dataclass(frozen=True, slots=True)
class AnyCard:
    """The card passes all terms of any alternative."""

    alternatives: tuple[tuple["CardTerm", ...], ...]


CardTerm = Term | SeenOn | AskedBy | Carries | Stands | AnyCard


def parse(expression: str) -> tuple[CardTerm, ...]:
    """A filter as terms on cards.

    Raises
    ------
    FilterError
    """
    return _of_cards(filters.parse(expression))


def _of_cards(terms: Sequence[Term], around: Sequence[CardTerm] = ()) -> tuple[CardTerm, ...]:
    """Terms on cards, among others that hold around them.

    Each side of an ``or`` keeps to the states that it leads to. Where several are beside one another, which
    sides meet is not known: then all keep to the states of any.
    """
    either = [term for term in terms if isinstance(term, AnyOf)]
    plain = [
        SeenOn(term.pattern) if isinstance(term, Match) and term.field == "frame" else term
        for term in terms
        if not isinstance(term, AnyOf)
    ]
    held = (*around, *plain)
    found: list[CardTerm] = [*plain]
    for each in either:
        sides = [_of_cards(side, held) for side in each.alternatives]
        if len(either) == 1:
            sides = [(*side, Stands(states_of((*held, *side)))) for side in sides]
        found.append(AnyCard(tuple(sides)))
    return tuple(found)


def states_of(terms: Sequence[CardTerm]) -> tuple[ReviewState, ...]:
    """The states of the cards that a filter asks for: of what awaits a verdict, if it names nothing else.

    A state, a verdict, one object by its name and what is disputed lead to cards that are decided too; where
    any side of an ``or`` does, the filter does.
    """
    if asked := [term.state for term in terms if isinstance(term, InState)]:
        return tuple(dict.fromkeys(asked))
    if any(isinstance(term, Match) and is_one(term) for term in terms):
        return tuple(ReviewState)
    if either := [term for term in terms if isinstance(term, AnyCard)]:
        others = [term for term in terms if not isinstance(term, AnyCard)]
        sides = [states_of((*others, *side)) for term in either for side in term.alternatives]
        return tuple(sorted({state for states in sides for state in states}, key=_ORDER.index))
    for term in terms:
        if (isinstance(term, Disputed) and term.wanted) or (isinstance(term, HasVerdict) and term.labels):
            return (*AWAITING, *JUDGED)
    return AWAITING


def in_state(terms: Sequence[CardTerm], state: ReviewState, asker: str | None) -> tuple[CardTerm, ...]:
    """The terms that hold for one state of what `states_of` gives.

    Parameters
    ----------
    asker : str, optional
        Who is shown nothing that they asked an expert about, unless the filter is about such.
    """
    if state == ReviewState.ESCALATED and asker is not None and not _is_about_experts(terms):
        return (*terms, AskedBy(asker, wanted=False))
    if state in JUDGED and state != ReviewState.BOGUS and not _any(terms, _names_one):
        return (*terms, Carries())
    return tuple(terms)


def holds_decided(expression: str) -> bool:
    """Whether a filter leads to cards that are decided.

    Raises
    ------
    FilterError
    """
    return any(state not in AWAITING for state in states_of(parse(expression)))


def is_one(term: Match) -> bool:
    """Whether it names one object, rather than how several begin."""
    return term.field == "object" and "*" not in term.pattern


def _names_one(term: CardTerm) -> bool:
    return isinstance(term, Match) and is_one(term)


def _is_about_experts(terms: Sequence[CardTerm]) -> bool:
    return _any(terms, lambda term: isinstance(term, InState | AwaitsExpert | Disputed) or _names_one(term))


def _any(terms: Sequence[CardTerm], holds: Callable[[CardTerm], bool]) -> bool:
    """Whether something holds of any term, on whichever side of an ``or``."""
    return any(
        any(_any(side, holds) for side in term.alternatives) if isinstance(term, AnyCard) else holds(term)
        for term in terms
    )


def conditions(terms: Sequence[CardTerm], *, one_by_one: bool = False) -> list[ColumnElement[bool]]:
    """Terms as conditions on a query that joins `Candidate` and `SkyObject`.

    Parameters
    ----------
    terms : sequence of CardTerm
    one_by_one : bool
        The query looks at some cards, not at all of them: the detections of each, and what was said of
        it, are sought for itself.
    """
    return [_condition(term, one_by_one) for term in terms]


def _condition(term: CardTerm, one_by_one: bool) -> ColumnElement[bool]:
    match term:
        case SeenOn():
            return _is_seen(term) if one_by_one and term.few is None else _are_seen(term)
        case AskedBy(reviewer, wanted):
            return _asked_by(reviewer) if wanted else ~_asked_by(reviewer)
        case Carries():
            return _carries()
        case Stands(states):
            return col(SkyObject.review_state).in_(states)
        case AnyCard(alternatives):
            return or_(*(and_(*conditions(each, one_by_one=one_by_one)) for each in alternatives))
        case _:
            return filters.conditions([term], one_by_one=one_by_one)[0]


def is_on(few: Sequence[str]) -> ColumnElement[bool]:
    """A candidate is of one of some frames, by their names in lower case."""
    return func.lower(col(Candidate.frame)).in_(few)


def seen_on(of_frame: ColumnElement[bool]) -> Select[Any]:
    """The objects of some candidates, and all that are judged with one of those."""
    return with_their_bodies(select(col(Candidate.sky_object_id)).where(of_frame))


def _are_seen(term: SeenOn) -> ColumnElement[bool]:
    """All objects that are seen on a frame are found first."""
    if term.few == ():
        return false()
    of_frame = is_on(term.few) if term.few is not None else like(col(Candidate.frame), term.pattern)
    return col(SkyObject.id).in_(seen_on(and_(_stays(Candidate), of_frame)))


def _is_seen(term: SeenOn) -> ColumnElement[bool]:
    """The same, asked of one object."""
    own, others = aliased(Candidate), aliased(Candidate)
    by_itself = exists().where(
        col(own.sky_object_id) == col(SkyObject.id), _stays(own), like(col(own.frame), term.pattern)
    )
    with_others = exists().where(
        col(others.sky_object_id).in_(its_body()), _stays(others), like(col(others.frame), term.pattern)
    )
    return or_(by_itself, and_(is_of_body(), with_others))


def _stays(row: Any) -> ColumnElement[bool]:
    """A candidate is current, told so that SQLite takes no index for it: that is nearly all of them."""
    return col(row.is_current).is_not(False)


def detections_on(db: Session, terms: Sequence[CardTerm], found: Sequence[SkyObject]) -> dict[int, Candidate]:
    """The best detection of each of some objects on the frame that a filter names; else nothing."""
    pattern = next((term.pattern for term in terms if isinstance(term, SeenOn)), None)
    if pattern is None:
        return {}
    carrier = {row.tracklet_id: row.id for row in found if row.tracklet_id and row.review_state != _BOGUS}
    own, chosen = {row.id for row in found}, {}
    for start in range(0, len(found), _BATCH):
        part = found[start : start + _BATCH]
        ids = [row.id for row in part]
        tracklets = [row.tracklet_id for row in part if row.tracklet_id in carrier]
        of_these = select(col(SkyObject.id)).where(col(SkyObject.id).in_(ids))
        of_tracklets = select(col(SkyObject.id)).where(col(SkyObject.tracklet_id).in_(tracklets))
        objects = select(union(of_these, of_tracklets).subquery().c[0]) if tracklets else of_these
        query = (
            select(Candidate, SkyObject)
            .join(SkyObject, col(SkyObject.id) == col(Candidate.sky_object_id))
            .where(col(Candidate.sky_object_id).in_(objects))
            .where(_stays(Candidate), like(col(Candidate.frame), pattern))
            .order_by(func.abs(col(Candidate.snr)), col(Candidate.id))
        )
        for candidate, sky_object in db.execute(query):
            if sky_object.id in own:
                chosen[sky_object.id] = candidate
            if sky_object.review_state != _BOGUS and sky_object.tracklet_id in carrier:
                chosen[carrier[sky_object.tracklet_id] or 0] = candidate
    return chosen


@lru_cache(maxsize=32)
def _asked_by(reviewer: str) -> ColumnElement[bool]:
    said, judged = aliased(Verdict), aliased(SkyObject)
    asked = select(col(said.sky_object_id)).where(
        col(said.reviewer) == reviewer, col(said.label) == Label.ASK_EXPERT.value, stands(said)
    )
    tracklets = select(col(judged.tracklet_id)).where(
        col(judged.id).in_(asked), col(judged.tracklet_id).is_not(None)
    )
    of_tracklet = and_(col(SkyObject.tracklet_id).is_not(None), col(SkyObject.tracklet_id).in_(tracklets))
    is_theirs = exists().where(
        col(Assignment.sky_object_id) == col(SkyObject.id), col(Assignment.expert) == reviewer
    )
    waits = col(SkyObject.review_state) == ReviewState.ESCALATED.value
    return waits & or_(col(SkyObject.id).in_(asked), of_tracklet) & ~is_theirs


@cache
def _carries() -> ColumnElement[bool]:
    """By the order of `core.review.states`: what was seen first, of those that still have a candidate."""
    other = aliased(SkyObject)
    first, others_first = (func.coalesce(col(row.first_mjd), 1e9) for row in (SkyObject, other))
    earlier = or_(others_first < first, and_(others_first == first, col(other.id) < col(SkyObject.id)))
    before = exists().where(
        col(other.tracklet_id) == col(SkyObject.tracklet_id),
        col(other.review_state) != _BOGUS,
        col(other.best_candidate_id).is_not(None),
        earlier,
    )
    return or_(col(SkyObject.tracklet_id).is_(None), ~before)

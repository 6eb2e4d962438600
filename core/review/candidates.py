"""Candidates for scripts: pages of records, and one candidate in full."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, SQLColumnExpression, func, select
from sqlmodel import Session, col

from core.database.keyset import Cursor, PageError, check_limit, fetch, parts
from core.database.records import Record, candidate_rows, record, rows_of
from core.database.store import Store
from core.database.tables import Candidate, SkyObject, Verdict
from core.frames.standing import stands
from core.objects.known import known_sky
from core.objects.tracklets import tracklets_of
from core.review.cards import Card, CardError, hidden, read_card
from core.review.fakes import revealed
from core.review.filter_terms import AnyOf, Compare, HasTag, HasVerdict, InZone, Match, Not, OnLine, Term
from core.review.filters import conditions, parse
from core.review.names import looked_up
from core.review.narrow import as_they_lie, few

# What a page can be ordered by; `significance` is |snr|. All but that one have an index.
ORDERS: dict[str, Callable[[], SQLColumnExpression[Any]]] = {
    "score": lambda: col(Candidate.score),
    "significance": lambda: func.abs(col(Candidate.snr)),
    "snr": lambda: col(Candidate.snr),
    "mag": lambda: col(Candidate.mag),
    "mjd": lambda: col(Candidate.mjd),
    "id": lambda: col(Candidate.id),
}

NO_INDEX = "significance"
BEGINNING = 2000  # candidates, of which enough for a page may pass
MOST_SAID = 100_000  # objects of which something was said, beyond which all candidates are gone through


class CandidateError(CardError):
    """There is no such candidate."""


@dataclass(frozen=True, slots=True)
class CandidatePage:
    """A page of records; ``next`` is the cursor of the page after it, none on the last."""

    rows: tuple[Record, ...]
    next: str | None


def page(
    store: Store,
    *,
    order: str = "-score",
    filters: str = "",
    limit: int = 50,
    after: str | None = None,
    blind_to: str | None = None,
) -> CandidatePage:
    """A page of the current candidates.

    Candidates of superseded differences are left out. Ties go by id; those without a value to order
    by come last, in either direction.

    Parameters
    ----------
    store : Store
    order : str
        One of `ORDERS`, with a leading ``-`` for descending.
    filters : str
        Terms of `core.review.filters`.
    limit : int
        Records on the page.
    after : str, optional
        The cursor that the page before ended with.
    blind_to : str, optional
        A reviewer who is told no verdict on an object that this one has not judged.

    Raises
    ------
    FilterError, PageError
    """
    check_limit(limit)
    name = order.removeprefix("-")
    if name not in ORDERS:
        raise PageError(f"candidates can be ordered by {', '.join(ORDERS)}, a - before it for descending")
    terms: Sequence[Term] = parse(filters)
    start = Cursor.read(after, order) if after is not None else None
    with store.read() as db:
        terms = looked_up(db, terms)
        found = _found(db, terms, name, descending=order.startswith("-"), after=start, limit=limit + 1)
        rows = rows_of(db, [row.id for row in found[:limit]], candidate_rows())
        known = None if blind_to is None else _judged_by(db, blind_to, [row[0].sky_object_id for row in rows])
    more = len(found) > limit
    cursor = Cursor(order, found[limit - 1].page_key, found[limit - 1].id) if more else None
    records = (
        record(row) | ({} if known is None or row[0].sky_object_id in known else {"verdict": None})
        for row in rows
    )
    return CandidatePage(tuple(records), str(cursor) if cursor else None)


def _found(
    db: Session, terms: Sequence[Term], by: str, *, descending: bool, after: Cursor | None, limit: int
) -> list[Row[Any]]:
    """The next candidates that pass: of the beginning of their order, else by what finds few, else of all.

    How many pass a verdict or a tag neither database can tell: one reads all and sorts them where the first
    few hundred would do, the other goes through all in their order where a dozen could be sorted.
    """
    is_current = col(Candidate.is_current)
    # Asked for in the second way no index can answer it: rows are read in order of their ids, or are those
    # few that were looked up.
    in_order, as_found = is_current.is_(True), is_current.is_not(False)
    # An index of numbers has what is current before them: without it SQLite is not to use one.
    numbers = [term for term in terms if by == "id" and isinstance(term, Compare | InZone)]
    others = [term for term in terms if term not in numbers]
    key = ORDERS[by]()
    order: dict[str, Any] = {
        "key": key, "row_id": col(Candidate.id), "descending": descending, "after": after
    }  # fmt: skip

    def passing(*among: ColumnElement[bool], one_by_one: bool = True) -> list[Row[Any]]:
        query: Select[Any] = select(col(Candidate.id), key.label("page_key")).where(*among)
        if terms:  # they may ask for the object
            query = query.join(SkyObject, col(Candidate.sky_object_id) == col(SkyObject.id))
            query = query.where(*conditions(others, one_by_one=one_by_one))
            query = query.where(*as_they_lie(db, conditions(numbers)))
        return fetch(db, query, limit=limit, **order)

    if any(isinstance(term, Match) and term.few is not None for term in terms):
        return passing(as_found)
    every = as_found if by == "id" else in_order
    if any(map(_asks_what_was_said, terms)) and by != NO_INDEX:
        first = parts(select(col(Candidate.id)).where(every), **order)[0].limit(max(BEGINNING, 2 * limit))
        rows = passing(as_found, col(Candidate.id).in_(first))
        if len(rows) == limit:
            return rows
    rare = [term for term in terms if isinstance(term, HasVerdict | HasTag | OnLine)]
    among = few(db, rare, most=MOST_SAID) if rare else None
    if among is None:
        return passing(every, one_by_one=False)
    return passing(as_found, col(Candidate.sky_object_id).in_(among))


def _asks_what_was_said(term: Term) -> bool:
    """Whether a term is about verdicts or tags, on whichever side of an ``or`` or behind a minus."""
    match term:
        case Not(negated):
            return _asks_what_was_said(negated)
        case AnyOf(alternatives):
            return any(_asks_what_was_said(each) for side in alternatives for each in side)
        case _:
            return isinstance(term, HasVerdict | HasTag)


def _judged_by(db: Session, reviewer: str, object_ids: Sequence[int]) -> set[int]:
    query = select(col(Verdict.sky_object_id)).where(
        col(Verdict.reviewer) == reviewer, col(Verdict.sky_object_id).in_(object_ids), stands(Verdict)
    )
    return set(db.scalars(query))


def card_of(store: Store, candidate_id: int, *, blind_to: str | None = None) -> Card:
    """The card of a candidate's object, drawn through that candidate.

    Parameters
    ----------
    blind_to : str, optional
        A reviewer who is not told what others said of an object before having judged it.

    Raises
    ------
    CandidateError
        There is no such candidate.
    """
    with store.read() as db:
        object_id = db.scalar(select(col(Candidate.sky_object_id)).where(col(Candidate.id) == candidate_id))
    if object_id is None:
        raise CandidateError(f"there is no candidate {candidate_id}: `astrid candidates list` shows them")
    card = read_card(store, object_id, candidate_id)
    return card if blind_to is None else hidden(card, keep=blind_to)


def show(store: Store, candidate_id: int, *, blind_to: str | None = None) -> dict[str, Any]:
    """All that is known of one candidate, as JSON can hold it: its record and more keys.

    Parameters
    ----------
    blind_to : str, optional
        As of `card_of`.

    Raises
    ------
    CandidateError
        There is no such candidate.
    """
    card = card_of(store, candidate_id, blind_to=blind_to)
    truth = revealed(store, [card.object_id]).get(card.object_id)
    return {
        **card.candidate,
        "object_id": card.object_id,
        "review_state": card.review_state,
        "review_label": card.review_label,
        "judged_with": list(card.objects) if len(card.objects) > 1 else [],
        "features": card.features,
        "measured": asdict(card.frame),
        "epochs": [asdict(epoch) for epoch in card.epochs],
        "light_curve": [asdict(point) for point in card.light_curve],
        "verdicts": [asdict(past) | {"tags": list(past.tags)} for past in card.history],
        "in_references": list(card.in_references),
        "taken_back_by": card.taken_back_by,
        "cutouts_sha256": card.cutouts_sha256,
        "known": known_sky(store, [candidate_id]).get(candidate_id),
        "tracklet": tracklets_of(store, [candidate_id]).get(candidate_id),
        **({"injected": truth.record()} if truth else {}),
    }


def shown_capsule(store: Store, candidate_id: int, *, by: str) -> dict[str, Any]:
    """What a verdict rests on that was given without a card, such as from the command line.

    Raises
    ------
    CandidateError
        There is no such candidate.
    """
    return card_of(store, candidate_id).shown(by=by)

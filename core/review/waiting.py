"""The review queue: one row for every sky object that awaits a verdict, in one of `ORDERS`.

A filter can lead to such as are decided, too (`core.review.card_terms.states_of`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, SQLColumnExpression, func, select
from sqlmodel import Session, col

from core.database.keyset import Cursor, PageError, check_limit, fetch, parts
from core.database.store import Store
from core.database.tables import Candidate, SkyObject
from core.review.card_terms import (
    AskedBy,
    CardTerm,
    SeenOn,
    conditions,
    detections_on,
    in_state,
    parse,
    states_of,
)
from core.review.names import looked_up
from core.review.narrow import Objects, as_they_lie, few, within
from core.review.states import count_with_cards
from core.vocabulary import ReviewState

_AT_ONCE = 2000  # keys in one question
_BEGINNING = 2500  # objects that are looked through before anything else is tried


@dataclass(frozen=True, slots=True)
class Order:
    """An order of the queue: a column of the object with an index, and what comes first.

    Attributes
    ----------
    only_known : bool
        Objects without a value are left out, rather than put last.
    """

    column: str
    descending: bool
    first: str
    only_known: bool = False

    def key(self) -> SQLColumnExpression[Any]:
        """The column that the order goes by."""
        column: SQLColumnExpression[Any] = col(getattr(SkyObject, self.column))
        return column

    def sorts(self, sky_object: SkyObject) -> tuple[bool, float, int]:
        """A key by which Python sorts as the database does."""
        value, sign = getattr(sky_object, self.column), -1 if self.descending else 1
        return (value is None, sign * (value or 0.0), sign * (sky_object.id or 0))


ORDERS = {
    "score": Order("best_score", True, "the highest score"),
    "brightness": Order("best_mag", False, "the brightest"),
    "age": Order("first_mjd", False, "what was detected first"),
    "uncertainty": Order("uncertainty", True, "what models know least of", only_known=True),
    "anomaly": Order("anomaly", True, "what is least like all others", only_known=True),
}


@dataclass(frozen=True, slots=True)
class QueueRow:
    """One sky object that awaits a verdict, and the candidate that stands for it.

    Attributes
    ----------
    is_chosen : bool
        The filter asks for a frame, and the candidate is the best one on that, not the best of all.
    """

    object_id: int
    candidate_id: int
    name: str
    score: float | None
    snr: float
    mag: float | None
    filter: str | None
    mjd: float
    n_candidates: int
    review_state: str
    is_chosen: bool = False


@dataclass(frozen=True, slots=True)
class CardPage:
    """A page of the queue.

    Attributes
    ----------
    next : str or None
        The cursor of the page after it, none on the last.
    last_key : float or None
        What the order goes by, of the last row.
    """

    rows: tuple[QueueRow, ...]
    next: str | None
    last_key: float | None = None


def queue_page(
    store: Store,
    *,
    limit: int = 50,
    after: str | None = None,
    filters: str = "",
    states: Sequence[ReviewState] | None = None,
    order: str = "score",
    asker: str | None = None,
) -> CardPage:
    """A page of the review queue.

    Parameters
    ----------
    store : Store
    limit : int
        Rows on the page.
    after : str, optional
        The cursor that the page before ended with.
    filters : str
        Terms of `core.review.filters`, on the candidate that stands for each object; but a frame may be
        that of any of its detections, by which it is shown then.
    states : sequence of ReviewState, optional
        Which objects are wanted; else those that the filter leads to.
    order : str
        One of `ORDERS`.
    asker : str, optional
        A reviewer who is not shown what they asked an expert about, unless the filter is about such.

    Raises
    ------
    FilterError, PageError
    """
    check_limit(limit)
    terms, by = parse(filters), order_of(order)
    start = Cursor.read(after, order) if after is not None else None
    found: list[Any] = []
    with store.read() as db:
        terms = looked_up(db, terms)
        # Each is one range of the index; merged below.
        for state in states_of(terms) if states is None else states:
            found += _rows(db, state, in_state(terms, state, asker), by, start, limit + 1)
        found.sort(key=lambda row: by.sorts(row[0]))
        chosen = detections_on(db, terms, [row[0] for row in found[:limit]])
    rows = tuple(_queue_row(row[0], row[1], chosen.get(row[0].id)) for row in found[:limit])
    if not rows:
        return CardPage((), None)
    last = found[len(rows) - 1][0]
    key_of_last = getattr(last, by.column)
    more = len(found) > limit
    return CardPage(rows, str(Cursor(order, key_of_last, last.id)) if more else None, key_of_last)


def _rows(
    db: Session, state: ReviewState, terms: Sequence[CardTerm], by: Order, start: Cursor | None, limit: int
) -> Sequence[Any]:
    """The next rows of one state: of the queue's beginning, or, if few of those pass, by what finds few."""
    order: dict[str, Any] = {
        "key": by.key(), "row_id": col(SkyObject.id), "descending": by.descending, "after": start
    }  # fmt: skip
    columns, most = (SkyObject, Candidate), max(_BEGINNING, 2 * limit)
    whole = queue_rows(columns, (state,), terms, by)
    waiting = select(col(SkyObject.id)).where(col(SkyObject.review_state) == state)
    counts = [_count(db, part.limit(most)) for part in parts(waiting, **order)] if terms else []
    if sum(counts) < most:
        return fetch(db, whole, limit=limit, **order)
    beginning = parts(waiting.where(*within(by.column, terms)), **order)[0].limit(most)
    rows: list[Any] = fetch(db, queue_rows(columns, (state,), terms, by, beginning), limit=limit, **order)
    if len(rows) == limit:
        return rows
    rows = []
    passing = _passing(db, columns, (state,), terms, by)
    for count, short, long in zip(counts, parts(whole, **order), parts(passing, **order), strict=True):
        if len(rows) < limit:
            rows.extend(db.execute((short if count < most else long).limit(limit - len(rows))))
    return rows


def _count(db: Session, query: Select[Any]) -> int:
    return db.scalar(select(func.count()).select_from(query.subquery())) or 0


def _passing(
    db: Session, columns: Sequence[Any], states: Sequence[ReviewState], terms: Sequence[CardTerm], by: Order
) -> Select[Any]:
    """Objects in some states that pass a filter, however many: by what finds few, or by all candidates."""
    among = few(db, terms, states=states)
    if among is not None:
        return queue_rows(columns, states, terms, by, among)
    # The sums keep the databases to candidates in the order in which they lie, each with its object.
    query = (
        select(*columns)
        .select_from(Candidate)
        .join(SkyObject, col(SkyObject.id) == col(Candidate.sky_object_id) + 0)
        .where(
            col(SkyObject.best_candidate_id) == col(Candidate.id) + 0,
            (col(SkyObject.review_state) + "").in_(states),
            *as_they_lie(db, conditions(terms)),
        )
    )
    return query.where(by.key().is_not(None)) if by.only_known else query


def order_of(name: str) -> Order:
    """An order by its name.

    Raises
    ------
    PageError
    """
    if name not in ORDERS:
        raise PageError(f"the queue can be ordered by {', '.join(ORDERS)}")
    return ORDERS[name]


def queue_count(
    store: Store,
    *,
    filters: str = "",
    states: Sequence[ReviewState] | None = None,
    order: str = "score",
    asker: str | None = None,
) -> int:
    """How many objects await a verdict; in an order that leaves objects out, without those.

    Parameters are those of `queue_page`.

    Raises
    ------
    FilterError
    """
    terms, by = parse(filters), order_of(order)
    states = states_of(terms) if states is None else states
    with store.read() as db:
        terms = looked_up(db, terms)
        return _count_all(db, states, terms, by) - _count_asked(db, states, terms, by, asker)


def _count_asked(
    db: Session, states: Sequence[ReviewState], terms: Sequence[CardTerm], by: Order, asker: str | None
) -> int:
    """How many of what awaits an expert are left out for the one who asked."""
    waits = ReviewState.ESCALATED
    if asker is None or waits not in states or in_state(terms, waits, asker) == tuple(terms):
        return 0
    return db.scalar(queue_rows((func.count(),), (waits,), (*terms, AskedBy(asker)), by)) or 0


def _count_all(db: Session, states: Sequence[ReviewState], terms: Sequence[CardTerm], by: Order) -> int:
    # States that are counted under the same terms are counted at once.
    groups: dict[tuple[CardTerm, ...], list[ReviewState]] = {}
    for state in states:
        groups.setdefault(in_state(terms, state, None), []).append(state)
    total = 0
    for held, some in groups.items():
        if held or by.only_known:
            total += db.scalar(_passing(db, (func.count(),), some, held, by)) or 0
            continue
        total += count_with_cards(db, some)
    return total


def awaiting(db: Session, *, filters: str, limit: int, asker: str | None = None) -> list[int]:
    """The candidates of the cards in the queue, the newest ones.

    Parameters are those of `queue_page`.

    Raises
    ------
    FilterError
    """
    terms, by = looked_up(db, parse(filters)), ORDERS["score"]
    candidate: Any = col(Candidate.id)
    found: list[tuple[int, int]] = []
    for state in states_of(terms):
        held, columns = in_state(terms, state, asker), (candidate, col(SkyObject.id))
        query = _passing(db, columns, (state,), held, by) if held else queue_rows(columns, (state,), (), by)
        found += [(row[0], row[1]) for row in db.execute(query.order_by(candidate.desc()).limit(limit))]
    found = sorted(found, reverse=True)[:limit]
    if not any(isinstance(term, SeenOn) for term in terms):
        return [each for each, _ in found]
    keys = [key for _, key in found]
    objects = [
        each
        for first in range(0, len(keys), _AT_ONCE)
        for each in db.scalars(select(SkyObject).where(col(SkyObject.id).in_(keys[first : first + _AT_ONCE])))
    ]
    chosen = detections_on(db, terms, objects)
    return [chosen[key].id or 0 if key in chosen else each for each, key in found]


def candidates_shown(store: Store, shown: Mapping[int, int | None]) -> dict[int, int]:
    """The candidate that was shown of each of some objects, or its best one where that counts no longer.

    Objects that have none any more are left out.
    """
    best = select(col(SkyObject.id), col(SkyObject.best_candidate_id)).where(
        col(SkyObject.id).in_(shown), col(SkyObject.best_candidate_id).is_not(None)
    )
    count = select(col(Candidate.id)).where(col(Candidate.id).in_(shown.values()), col(Candidate.is_current))
    with store.read() as db:
        found = {row[0]: row[1] for row in db.execute(best)}
        still = set(db.scalars(count))
    return found | {
        key: one for key, one in shown.items() if key in found and one is not None and one in still
    }


def queue_rows(
    columns: Sequence[Any],
    states: Sequence[ReviewState],
    terms: Sequence[CardTerm],
    by: Order,
    among: Objects | None = None,
) -> Select[Any]:
    """Objects in some states, joined to their best candidates; where only few can be wanted, among those.

    An object all of whose candidates are superseded has no best one, and so is not in the queue.
    """
    query = (
        select(*columns)
        .select_from(SkyObject)
        .join(Candidate, col(SkyObject.best_candidate_id) == col(Candidate.id))
        .where(*conditions(terms, one_by_one=True))
    )
    state: SQLColumnExpression[Any] = col(SkyObject.review_state)
    if among is not None:
        # The sum keeps the database from the queue's index: it is to begin with these.
        query, state = query.where(col(SkyObject.id).in_(among)), state + ""
    query = query.where(state.in_(states))
    return query.where(by.key().is_not(None)) if by.only_known else query


def _queue_row(sky_object: SkyObject, best: Candidate, chosen: Candidate | None) -> QueueRow:
    candidate = chosen or best
    return QueueRow(
        object_id=sky_object.id or 0,
        candidate_id=candidate.id or 0,
        name=sky_object.name,
        score=sky_object.best_score,
        snr=candidate.snr,
        mag=candidate.mag,
        filter=candidate.filter,
        mjd=candidate.mjd,
        n_candidates=sky_object.n_candidates,
        review_state=sky_object.review_state,
        is_chosen=candidate.id != best.id,
    )

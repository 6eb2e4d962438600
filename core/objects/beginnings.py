"""Objects and candidates by how their names or numbers begin, as a shell asks while they are typed.

Whoever waits for it presses a key: what is read is bounded however large the store is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from sqlalchemy import Select, select
from sqlmodel import col

from core.database.beginnings import begins, index_order
from core.database.keys import MOST_KEY
from core.database.storable import storable
from core.database.store import Store
from core.database.tables import Candidate, SkyObject, SurveyObject
from core.objects.own_names import with_blanks, without_blanks

MOST = 50
LOOKED_AT = 2000  # of the newest names; older ones are found by their index, in its order

Word = tuple[str, str]  # what may be written, and what it stands for; both as the store has them


def names_beginning(store: Store, typed: str) -> list[Word]:
    """Names of objects, AstrID's own as one word, then those of surveys, each with the object's number.

    Parameters
    ----------
    store : Store
    typed : str
        How they begin; an empty text is how all do.

    Returns
    -------
    list of (str, str)
        At most `MOST`: those of the newest `LOOKED_AT` first, the newest first.
    """
    typed = storable(typed)
    begun = with_blanks(typed)
    own: Select[Any] = select(col(SkyObject.name), col(SkyObject.id))
    surveys: Select[Any] = select(col(SurveyObject.external_id), col(SurveyObject.sky_object_id))
    kinds = (
        (own, SkyObject.name, SkyObject.id, begun),
        (surveys, SurveyObject.external_id, SurveyObject.id, typed),
    )
    found: dict[str, int] = {}
    with store.read() as db:
        dialect = db.get_bind().dialect.name
        for query, name, key, start in kinds:
            newest = query.order_by(col(key).desc()).limit(LOOKED_AT)
            _add(found, db.execute(newest).all(), start)
            if typed and len(found) < MOST:
                indexed = query.where(begins(col(name), start, dialect))
                indexed = indexed.order_by(index_order(col(name), dialect)).limit(MOST)
                _add(found, db.execute(indexed).all(), start)
    return [(without_blanks(name), str(number)) for name, number in found.items()]


def objects_beginning(store: Store, typed: str) -> list[Word]:
    """Numbers of objects, each with its name: at most `MOST`, the newest first."""
    return _numbers(store, select(col(SkyObject.id), col(SkyObject.name)), SkyObject.id, typed)


def candidates_beginning(store: Store, typed: str) -> list[Word]:
    """Numbers of candidates, each with the name of its object: at most `MOST`, the newest first."""
    query = select(col(Candidate.id), col(SkyObject.name)).join(
        SkyObject, col(SkyObject.id) == col(Candidate.sky_object_id), isouter=True
    )
    return _numbers(store, query, Candidate.id, typed)


def _add(found: dict[str, int], rows: Iterable[Any], start: str) -> None:
    for name, number in rows:
        if name.startswith(start) and len(found) < MOST:
            found.setdefault(name, number)


def _numbers(store: Store, query: Select[Any], key: Any, typed: str) -> list[Word]:
    found: list[Word] = []
    with store.read() as db:
        for low, high in _ranges(typed):
            wanted = query.where(col(key).between(low, high)).order_by(col(key).desc())
            rows = db.execute(wanted.limit(MOST - len(found)))
            found += [(str(number), name or "") for number, name in rows]
            if len(found) == MOST:
                break
    return found


def _ranges(typed: str) -> Iterator[tuple[int, int]]:
    """The numbers that begin with these digits, the largest first: 12 is how 1200 to 1299 begin."""
    if not typed:
        yield 1, MOST_KEY
    elif typed.isascii() and typed.isdecimal() and typed[0] != "0":
        for more in range(len(str(MOST_KEY)) - len(typed), -1, -1):
            low = int(typed) * 10**more
            if low <= MOST_KEY:
                yield low, min(low + 10**more - 1, MOST_KEY)

"""Pages of a query that start after a row, not after a number of rows.

The next page begins behind the (key, id) of the last row seen. That costs the same on the first
page and the thousandth, and neither skips nor repeats a row while others are added. Rows without a
key come last in either direction; they are read by a second query, because the databases disagree
about where nulls belong and an index fits each of the two queries on both.
"""

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, Select, SQLColumnExpression, literal, tuple_
from sqlmodel import Session

from core.errors import AstridError
from core.vocabulary import ExitCode

MAX_LIMIT = 10_000


class PageError(AstridError):
    """A page cannot be given: its order, size or cursor is not understood."""

    exit_code = ExitCode.USAGE


@dataclass(frozen=True, slots=True)
class Cursor:
    """The place behind one row of an order."""

    order: str
    key: float | None
    id: int

    def __str__(self) -> str:
        content = json.dumps([self.order, self.key, self.id], separators=(",", ":"))
        return base64.urlsafe_b64encode(content.encode()).decode().rstrip("=")

    @classmethod
    def read(cls, text: str, order: str) -> "Cursor":
        """Understand a cursor that a page of the same order ended with.

        Raises
        ------
        PageError
            It is none, or one of another order.
        """
        try:
            content = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
            made_for, key, row_id = content
        except (binascii.Error, ValueError, TypeError, RecursionError):
            raise PageError("the cursor is damaged: start again without --after") from None
        is_number = type(key) in {int, float} and -(2**63) <= key < 2**63  # false for NaN and infinities
        if not (is_number or key is None) or type(row_id) is not int or not 0 <= row_id < 2**63:
            raise PageError("the cursor is damaged: start again without --after")
        if made_for != order:
            raise PageError(f"the cursor belongs to another order than {order}: start again without --after")
        return cls(order, key, row_id)


def check_limit(limit: int) -> None:
    """Refuse a page of no rows, or of so many that it is no page.

    Raises
    ------
    PageError
    """
    if not 1 <= limit <= MAX_LIMIT:
        raise PageError(f"a page of {limit} rows is not possible: 1 to {MAX_LIMIT} are")


def fetch(
    db: Session,
    query: Select[Any],
    *,
    key: SQLColumnExpression[Any],
    row_id: SQLColumnExpression[Any],
    descending: bool,
    after: Cursor | None,
    limit: int,
) -> list[Row[Any]]:
    """The next rows in order of (key, id), those without a key last and in order of id.

    Parameters
    ----------
    query : Select
        Without an order.
    key, row_id : SQLColumnExpression
        A number that may be null, and what makes it unique. Both run in one direction, so that one
        index holds the order.
    """
    rows: list[Row[Any]] = []
    for part in parts(query, key=key, row_id=row_id, descending=descending, after=after):
        if len(rows) < limit:
            rows.extend(db.execute(part.limit(limit - len(rows))))
    return rows


def parts(
    query: Select[Any],
    *,
    key: SQLColumnExpression[Any],
    row_id: SQLColumnExpression[Any],
    descending: bool,
    after: Cursor | None,
) -> list[Select[Any]]:
    """The queries that `fetch` goes through: what is left of rows with a key, and of those without."""

    def ordered(part: Select[Any], *columns: SQLColumnExpression[Any]) -> Select[Any]:
        return part.order_by(*(column.desc() if descending else column.asc() for column in columns))

    def behind(place: SQLColumnExpression[Any], start: SQLColumnExpression[Any]) -> SQLColumnExpression[bool]:
        return place < start if descending else place > start

    found: list[Select[Any]] = []
    if after is None or after.key is not None:
        part = query.where(key.is_not(None))
        if after is not None:
            start: Any = tuple_(literal(after.key), literal(after.id))
            part = part.where(behind(tuple_(key, row_id), start))
        found.append(ordered(part, key, row_id))
    part = query.where(key.is_(None))
    if after is not None and after.key is None:
        part = part.where(behind(row_id, literal(after.id)))
    return [*found, ordered(part, row_id)]

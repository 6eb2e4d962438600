"""Many rows into a table by one statement."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import insert
from sqlmodel import Session


def insert_rows(session: Session, table: type[Any], rows: Sequence[dict[str, Any]]) -> None:
    """Insert rows that have the same columns."""
    if rows:
        session.connection().execute(insert(table), list(rows))


def insert_for_keys(session: Session, table: type[Any], rows: Sequence[dict[str, Any]]) -> list[int]:
    """Insert rows that have the same columns; their keys, in the same order."""
    if not rows:
        return []
    statement = insert(table).returning(table.id, sort_by_parameter_order=True)
    return [int(key) for key in session.connection().execute(statement, list(rows)).scalars()]

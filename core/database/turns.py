"""Turns: what transactions must do one after another though they change different rows."""

from sqlalchemy import func, select
from sqlmodel import Session


def take_turn(session: Session, key: int | str) -> None:
    """Wait for other transactions that have this turn, and have it to the end of this one.

    SQLite has one writer at a time anyhow; on PostgreSQL it is an advisory lock.

    Parameters
    ----------
    session : Session
    key : int or str
        What is done in turns; the same in all programs that share a store.
    """
    if session.get_bind().dialect.name == "postgresql":
        number = key if isinstance(key, int) else func.hashtextextended(key, 0)
        session.connection().execute(select(func.pg_advisory_xact_lock(number)))

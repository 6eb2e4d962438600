"""A store's way from SQLite to PostgreSQL: a backup's rows into an empty database, all of them or none."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import JSON, URL, Connection, Table, column, func, insert, select, table, text
from sqlalchemy.exc import DBAPIError
from sqlmodel import SQLModel

from core.database import tables
from core.database.engine import make_engine, shown_url
from core.database.migrations import upgrade
from core.database.store import HEAD, version_in
from core.operations.backup import BackupError, Contents, Report, contents_of, must_agree, reading

BATCH = 500  # rows at once; the largest hold score maps of 50 kB

assert tables  # imported to fill the metadata


def move(file: Path, place: URL, report: Report) -> Contents:
    """Make the rows of a backup those of a store on PostgreSQL that has none.

    Parameters
    ----------
    file : Path
        A backup of a store of SQLite's, of this program's version; it stays as it is.
    place : URL
        Of a database without tables, or of a store of this program's version without rows.
    report : callable
        Told how far it is.

    Raises
    ------
    BackupError
        The store has rows already, a chain of verdicts in the backup is broken, or the server does not take
        what is in it; nothing was written then.
    StoreUnreachable
        The server does not answer, or lets this login make no tables.
    """
    with reading(URL.create("sqlite", database=str(file))) as source:
        contents = contents_of(source)
        if contents.broken:
            raise BackupError(f"{file} was not restored: {contents.broken[0].sentence}")
        if contents.version != HEAD:
            raise BackupError(
                f"{file} is of version {contents.version}, this program's is {HEAD}: name a copy of it as url"
                " of [store], run `astrid db upgrade`, and restore that copy"
            )
        if version_in(place) not in (None, HEAD):  # else it would be upgraded, and refused then
            raise _full(place)
        upgrade(place.render_as_string(hide_password=False))
        with _filling(place) as target:
            done, total = 0, sum(contents.rows.values())
            for each in SQLModel.metadata.sorted_tables:
                for count in _copy(each, source, target):
                    done += count
                    report(done, total, "rows")
                _count_on(each, target)
            report(0, 0, "checking the copy")
            copied = contents_of(target)
            must_agree({name: contents.rows[name] for name in copied.rows}, copied.rows)
            if copied.heads != contents.heads or copied.broken:
                raise BackupError(f"the chains of verdicts are not those of {file}; nothing was kept")
    return contents


@contextmanager
def _filling(place: URL) -> Iterator[Connection]:
    """One transaction, in which nobody else writes to a store that has to be empty."""
    engine = make_engine(place)
    names = [each.name for each in SQLModel.metadata.sorted_tables]
    try:
        with engine.begin() as connection:
            connection.execute(text(f"LOCK TABLE {', '.join(names)} IN SHARE ROW EXCLUSIVE MODE"))
            if any(connection.execute(select(table(name)).limit(1)).first() is not None for name in names):
                raise _full(place)
            yield connection
    except DBAPIError as error:
        if isinstance(error.orig, sqlite3.Error):  # of the backup: `reading` tells of it
            raise
        cause = str(error.orig).strip().splitlines() or [type(error).__name__]
        raise BackupError(f"the server did not take it: {cause[0]}; nothing was kept") from error
    finally:
        engine.dispose()


def _full(place: URL) -> BackupError:
    return BackupError(
        f"there is a store already, {shown_url(place)}: name an empty database as url of [store]"
    )


def _copy(rows_of: Table, source: Connection, target: Connection) -> Iterator[int]:
    """Copy a table in the order of its keys: what a row names comes before it."""
    # JSON as the text that it is: null within it and no JSON at all are two things.
    plain = table(
        rows_of.name,
        *(
            column(each.name) if isinstance(each.type, JSON) else column(each.name, each.type)
            for each in rows_of.columns
        ),
    )
    keys = [plain.columns[key.name] for key in rows_of.primary_key]
    found = source.execution_options(yield_per=BATCH).execute(select(plain).order_by(*keys))
    for some in found.mappings().partitions():
        target.execute(insert(plain), [dict(row) for row in some])
        yield len(some)


def _count_on(rows_of: Table, target: Connection) -> None:
    """Let the next row's number follow the largest that was copied."""
    key: Any = rows_of.autoincrement_column
    if key is None:
        return
    largest = target.execute(select(func.max(key))).scalar()
    if largest is not None:
        sequence = func.pg_get_serial_sequence(rows_of.name, key.name)
        target.execute(select(func.setval(sequence, largest)))

"""What tests begin with: made once, and copied from then on."""

import fcntl
import os
import shutil
from collections.abc import Callable
from copy import deepcopy
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import pytest
from sqlalchemy import Connection, update
from sqlmodel import SQLModel

from core.database.store import Store
from core.settings import Settings

T = TypeVar("T")

SEQUENCES = "SELECT format('%I', sequencename), last_value FROM pg_sequences WHERE last_value IS NOT NULL"


def made_for_all(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """A file that all workers of a test session share: the first that needs it makes it, others wait."""
    folder = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    path = folder / name
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            begun = path.with_suffix(".part")
            make(begun)
            begun.rename(path)
    return path


def registries_copied(patch: pytest.MonkeyPatch, template: Callable[[], Path]) -> None:
    """Let the database of MLflow that a home gets be a copy: how MLflow makes it is tested elsewhere."""
    from pipeline.training import mlflow_client  # which most tests need nothing of

    place = mlflow_client.own_database

    def copied(settings: Settings) -> Path:
        path = place(settings)
        if path.parent.is_dir() and not path.exists():
            shutil.copy(template(), path)
        return path

    patch.setattr(mlflow_client, "own_database", copied)


def made_once(make: Callable[[Store], T]) -> Callable[[Store], T]:
    """Let what fills an empty store do so once for each database, and its rows be copied after that.

    The copy says when the first one was made: see `happened_later`.
    """
    kept: dict[bool, tuple[Any, T]] = {}

    @wraps(make)
    def filled(store: Store) -> T:
        if store.is_postgresql not in kept:
            assert not any(_rows(store)), "it would be kept with what was there before"
            answer = make(store)
            kept[store.is_postgresql] = _rows(store), deepcopy(answer)
            return answer
        rows, answer = kept[store.is_postgresql]
        with store.write() as session:
            (_put if store.is_postgresql else _put_into_file)(session.connection(), *rows)
        return deepcopy(answer)

    return filled


def happened_later(store: Store, seconds: float) -> None:
    """Move all times of day in a store, as of what was made so many seconds ago and is copied now."""
    with store.write() as session:
        for table in SQLModel.metadata.sorted_tables:
            times = [each for each in table.columns if each.name.endswith(("_at", "_until", "_before"))]
            if times:
                session.execute(update(table).values({each.name: each + seconds for each in times}))


Rows = tuple[dict[str, Any], list[tuple[Any, ...]]]  # of each table that has some; where keys go on


def _rows(store: Store) -> Rows:
    with store.read() as session:
        return (_take if store.is_postgresql else _take_from_file)(session.connection())


def _tables() -> list[str]:
    return [table.name for table in SQLModel.metadata.sorted_tables]


def _take_from_file(db: Connection) -> Rows:
    found = {name: db.exec_driver_sql(f"SELECT * FROM {name}") for name in _tables()}
    rows = {name: [tuple(row) for row in each] for name, each in found.items()}
    return {name: each for name, each in rows.items() if each}, []


def _put_into_file(db: Connection, rows: dict[str, Any], _: object) -> None:
    for name, each in rows.items():
        db.exec_driver_sql(f"INSERT INTO {name} VALUES ({', '.join('?' * len(each[0]))})", each)


def _take(db: Connection) -> Rows:
    cursor, rows = db.connection.cursor(), {}
    for name in _tables():
        if cursor.execute(f"SELECT 1 FROM {name} LIMIT 1").fetchone():
            with cursor.copy(f"COPY {name} TO STDOUT (FORMAT binary)") as copy:
                rows[name] = b"".join(copy)
    return rows, cursor.execute(SEQUENCES).fetchall()


def _put(db: Connection, rows: dict[str, Any], sequences: list[tuple[Any, ...]]) -> None:
    cursor = db.connection.cursor()
    for name, each in rows.items():
        with cursor.copy(f"COPY {name} FROM STDIN (FORMAT binary)") as copy:
            copy.write(each)
    cursor.executemany("SELECT setval(%s, %s)", sequences)

"""The way to a store's database: its URL, and connections with the transactions that a store needs.

On SQLite writers begin with ``BEGIN IMMEDIATE``: a transaction that read first and wrote later would fail
with "database is locked" however long it is willing to wait.
"""

from __future__ import annotations

import math
import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError

from core.database.storable import storable, storable_json
from core.database.store_errors import StoreUnreachable
from core.database.store_file import is_still

BUSY_S = 30.0  # how long a writer waits for another
BUSY_LOOK_S = 0.01  # where SQLite does not wait itself
CONNECT_S = 10
# A line to PostgreSQL that is cut in silence, as where a network goes away, is known to be within a minute.
_LINE = {
    "connect_timeout": CONNECT_S,
    "keepalives_idle": 20,
    "keepalives_interval": 10,
    "keepalives_count": 4,
    "tcp_user_timeout": 60_000,  # milliseconds
}
ASLEEP_S = 60.0  # PostgreSQL ends the transaction of who does nothing for so long: its locks bar everybody
# Whatever the server, database or role has by default: turns are taken by locks, and who waited for one
# must see what others wrote meanwhile.
_ISOLATION = "SET default_transaction_isolation = 'read committed'"


def parse_url(url: str) -> URL:
    """Understand a store's URL; ``postgresql://`` means psycopg 3.

    Raises
    ------
    StoreUnreachable
        It is no URL, or names a database that AstrID does not speak to.
    """
    try:
        place = make_url(url)
    except (ArgumentError, ValueError):
        # The URL stays unsaid: it may hold a password.
        raise StoreUnreachable(
            "the store's URL cannot be understood: write sqlite:///FILE or postgresql://USER@HOST/DATABASE"
        ) from None
    kind = place.drivername.partition("+")[0]
    if kind in {"postgresql", "postgres"}:
        return place.set(drivername="postgresql+psycopg")
    if kind != "sqlite":
        raise StoreUnreachable(f"the store can be SQLite or PostgreSQL, not {kind}")
    if place.database in {None, "", ":memory:"}:
        raise StoreUnreachable("the store must outlive the program: name a file, sqlite:///FILE")
    if "?" in url:  # what follows a question mark is no part of the file's name: it would be another file
        raise StoreUnreachable(f"the path of the store cannot hold a question mark: {url}")
    if storable(url) != url:
        raise StoreUnreachable(f"the path of the store has to be valid UTF-8: {url}")
    return place


def shown_url(url: URL | str) -> str:
    """Where a store is, without anything secret: a file, or a server and its database."""
    place = parse_url(url) if isinstance(url, str) else url
    if place.get_backend_name() == "sqlite":
        return str(place.database)
    host = place.host or "localhost"
    return f"postgresql://{host}{f':{place.port}' if place.port else ''}/{place.database or ''}"


def make_engine(place: URL, *, create: bool = False, read_only: bool = False) -> Engine:
    """An engine for a parsed URL, with the transactions that `Store` describes."""
    if place.get_backend_name() == "sqlite":
        return _sqlite_engine(Path(str(place.database)), "rwc" if create else "ro" if read_only else "rw")
    # Else text would come as the database keeps it, and go there: SQL_ASCII gives bytes.
    line = {name: value for name, value in _LINE.items() if name not in place.query} | {
        "client_encoding": "utf8"
    }
    engine = create_engine(place, connect_args=line, pool_pre_ping=True, json_serializer=storable_json)

    @event.listens_for(engine, "connect")
    def connect(connection: Any, _record: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"SET idle_in_transaction_session_timeout = {ASLEEP_S * 1000:.0f}; {_ISOLATION}")
        connection.commit()

    return engine


def _sqlite_engine(path: Path, mode: str) -> Engine:
    def connect() -> sqlite3.Connection:
        uri = f"file:{quote(os.fsencode(path))}?mode={mode}"
        if mode == "ro" and is_still(path):
            uri += "&immutable=1"
        # SQLAlchemy begins and ends transactions, not the driver; its pool keeps threads apart.
        connection = sqlite3.connect(
            uri, uri=True, timeout=BUSY_S, isolation_level=None, check_same_thread=False
        )
        if mode != "ro":
            log_ahead(connection)
        connection.execute("PRAGMA foreign_keys=ON")
        for name, function in (("sin", math.sin), ("cos", math.cos)):
            # Distances on the sky need them, and not every build of SQLite has its own.
            connection.create_function(name, 1, _passing_null(function), deterministic=True)
        return connection

    engine = create_engine(
        URL.create("sqlite", database=str(path)), creator=connect, json_serializer=storable_json
    )

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        options = connection.get_execution_options()
        if "astrid_begin" in options:
            synchronous = options.get("astrid_synchronous", "NORMAL")
            connection.exec_driver_sql(f"PRAGMA synchronous={synchronous}")
        connection.exec_driver_sql(options.get("astrid_begin", "BEGIN"))

    return engine


def log_ahead(connection: sqlite3.Connection) -> None:
    """Let changes be logged ahead, once nobody writes: SQLite itself does not wait with that.

    So two may make one store at once.
    """
    until = time.monotonic() + BUSY_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(BUSY_LOOK_S)
        else:
            return


def _passing_null(function: Callable[[float], float]) -> Callable[[float | None], float | None]:
    return lambda value: None if value is None else function(value)

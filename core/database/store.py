"""The store: one database, SQLite in a file or PostgreSQL by URL, opened once a process.

Every access is one short transaction. On SQLite writers begin with ``BEGIN IMMEDIATE``: a
transaction that read first and wrote later would fail with "database is locked" however long it is
willing to wait. A `Store` must not cross a fork; a new process opens its own.
"""

from __future__ import annotations

import math
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import (
    URL,
    ColumnElement,
    Connection,
    Engine,
    Float,
    cast,
    create_engine,
    event,
    func,
    inspect,
    literal,
    make_url,
    select,
    text,
)
from sqlalchemy.exc import ArgumentError, DatabaseError, DBAPIError, InterfaceError, OperationalError
from sqlmodel import Session

from core.database.storable import storable_json, storable_parameters
from core.database.store_file import StoreFile, is_still, why_unwritable
from core.errors import AstridError
from core.vocabulary import ExitCode

HEAD = "0017"  # the newest migration; a constant, so that opening a store need not import Alembic

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
THROWN_OUT = "25P03"  # PostgreSQL's codes: a transaction slept too long,
TOO_LONG = "54000"  # a text is longer than an index holds,
MISSING = ("42P01", "42703")  # and there is no such table, no such column
ASLEEP_S = 60.0  # PostgreSQL ends the transaction of who does nothing for so long: its locks bar everybody


class StoreError(AstridError):
    """The store cannot be used; the message is one sentence for the user."""

    exit_code = ExitCode.UNAVAILABLE


class StoreUnreachable(StoreError):
    """There is no such database, or it does not answer, or it refuses."""


class StoreAway(StoreUnreachable):
    """The store's server does not answer, or let go of who asked; it may come back."""


class StoreMissing(StoreError):
    """The database holds no AstrID tables yet."""


class StoreOutdated(StoreError):
    """The tables are older than this program."""


class StoreTooNew(StoreError):
    """The tables are newer than this program."""


class StoreLost(StoreError):
    """The file of an open store was deleted or replaced: what is written now would be lost."""


class StoreReadOnly(StoreError):
    """Something would write to a store that was opened for reading."""


class Store:
    """An open store. Made by `open_store`.

    Attributes
    ----------
    url : str
        Where it is, fit to be shown: without user or password.
    read_only : bool
    """

    def __init__(self, engine: Engine, *, read_only: bool = False) -> None:
        self.url = shown_url(engine.url)
        self.read_only = read_only
        event.listen(engine, "before_cursor_execute", storable_parameters, retval=True)
        self._reader = engine.execution_options(postgresql_readonly=True) if read_only else engine
        self._writer = engine.execution_options(astrid_begin="BEGIN IMMEDIATE")
        self._durable = engine.execution_options(astrid_begin="BEGIN IMMEDIATE", astrid_synchronous="FULL")
        self._file: StoreFile | None = None
        if not self.is_postgresql:
            self._follow_file(engine)

    @property
    def is_postgresql(self) -> bool:
        """Whether a server keeps it; else it is a file of SQLite's."""
        return self._reader.dialect.name == "postgresql"

    def clock(self) -> ColumnElement[float]:
        """The database's own now as an expression, in Unix seconds.

        Machines that share a server need not agree on the time; SQLite has one machine's clock.
        """
        if self.is_postgresql:
            return cast(func.extract("epoch", func.clock_timestamp()), Float(53))
        return literal(time.time())

    def now(self, session: Session) -> float:
        """The database's own now, in Unix seconds."""
        return float(session.scalar(select(self.clock())) or 0.0)

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A transaction for reading. Rows stay readable after it; nothing is written."""
        with self.told(), Session(self._reader, expire_on_commit=False, autoflush=False) as session:
            yield session

    @contextmanager
    def write(self, *, durable: bool = False) -> Iterator[Session]:
        """A transaction for writing: committed at the end, rolled back by any exception.

        Parameters
        ----------
        durable : bool
            The commit must survive a loss of power. PostgreSQL's do by default; SQLite then waits
            for the disk.

        Raises
        ------
        StoreReadOnly
            The store was opened for reading.
        StoreLost
            Its file is gone or another: nothing is written.
        """
        if self.read_only:
            raise StoreReadOnly(f"the store {self.url} is open for reading only")
        engine = self._durable if durable else self._writer
        with self.told(), Session(engine, expire_on_commit=False) as session, session.begin():
            yield session

    def connect(self) -> Connection:
        """A connection for reading, of one's own; whoever asked for it closes it."""
        return self._reader.connect()

    def close(self) -> None:
        """Let go of all connections; the store opens new ones when it is used again."""
        self._reader.dispose()
        if self._file is not None:
            self._file.forget()

    def must_be_there(self) -> None:
        """Refuse to go on where the file of a SQLite store was deleted or replaced under it.

        Raises
        ------
        StoreLost
        """
        if self._file is not None and (why := self._file.why_lost()) is not None:
            raise StoreLost(
                f"the store's file {self.url} {why}, so nothing is written any more: end every astrid that"
                " uses it, then put the file back or restore a backup"
            )

    def _follow_file(self, engine: Engine) -> None:
        """Know the file that is opened, and look at it once a transaction has the right to write.

        Whoever replaces the file in the right way, as `core.operations.backup` does, waits for that right.
        """
        file = self._file = StoreFile(Path(str(engine.url.database)))
        event.listen(engine, "connect", lambda *_: file.opened())
        for writer in (self._writer, self._durable):
            event.listen(writer, "begin", lambda _: self.must_be_there())

    @contextmanager
    def told(self) -> Iterator[None]:
        """Turn what the driver says of an unusable database into one sentence."""
        try:
            yield
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) == TOO_LONG:
                raise StoreError(
                    f"the store {self.url} cannot hold so long a text: {_cause(error)}"
                ) from error
            if not _is_unusable(error):
                raise
            kind = StoreAway if self.is_postgresql and not _lacks_a_table(error) else StoreUnreachable
            raise kind(f"the store {self.url} cannot be used: {_cause(error)}") from error


def open_store(url: str, *, create: bool = False, read_only: bool = False) -> Store:
    """Open the store and make sure that this program understands it.

    Parameters
    ----------
    url : str
        ``sqlite:///FILE`` or ``postgresql://...``.
    create : bool
        Make the tables (and SQLite's file and folder) where there are none.
    read_only : bool
        Refuse every write.

    Raises
    ------
    StoreUnreachable, StoreMissing, StoreOutdated, StoreTooNew
    """
    place = parse_url(url)
    found = version_in(place)
    if found is None:
        if not create:
            raise StoreMissing(f"there is no AstrID store in {shown_url(place)} yet: run `astrid init`")
        from core.database.migrations import upgrade

        upgrade(url)
    elif is_newer(found):
        raise too_new(url, found)
    elif int(found) < int(HEAD):
        raise StoreOutdated(
            f"the store {shown_url(place)} is of version {found}, this program needs {HEAD}:"
            " run `astrid db upgrade`"
        )
    if not read_only and place.get_backend_name() == "sqlite":
        why = why_unwritable(Path(str(place.database)))
        if why is not None:
            raise StoreUnreachable(f"the store {shown_url(place)} {why}")
    return Store(make_engine(place, read_only=read_only), read_only=read_only)


def is_newer(version: str | None) -> bool:
    """Whether a store's version is one that this program does not know yet."""
    return version is not None and (not version.isdecimal() or int(version) > int(HEAD))


def too_new(url: str, version: str) -> StoreTooNew:
    """What is said of a store of such a version."""
    return StoreTooNew(
        f"the store {shown_url(url)} is of version {version}, newer than this program's {HEAD}: update AstrID"
    )


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
    line = {name: value for name, value in _LINE.items() if name not in place.query}
    engine = create_engine(place, connect_args=line, pool_pre_ping=True, json_serializer=storable_json)

    @event.listens_for(engine, "connect")
    def connect(connection: Any, _record: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"SET idle_in_transaction_session_timeout = {ASLEEP_S * 1000:.0f}")
        connection.commit()

    return engine


def _sqlite_engine(path: Path, mode: str) -> Engine:
    def connect() -> sqlite3.Connection:
        uri = f"file:{quote(str(path))}?mode={mode}"
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


def version_in(place: URL) -> str | None:
    """The version that the database says it has, or none where it holds no AstrID tables."""
    if place.get_backend_name() == "sqlite" and not Path(str(place.database)).is_file():
        return None
    engine = make_engine(place, read_only=True)
    try:
        with engine.connect() as connection:
            if not inspect(connection).has_table("alembic_version"):
                return None
            version = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
            return None if version is None else str(version)
    except (DatabaseError, InterfaceError) as error:
        kind = StoreAway if place.get_backend_name() == "postgresql" else StoreUnreachable
        raise kind(f"cannot reach the store {shown_url(place)}: {_cause(error)}") from error
    except UnicodeDecodeError as error:  # of what SQLite quotes of a damaged file
        raise StoreUnreachable(f"cannot reach the store {shown_url(place)}: it is damaged") from error
    finally:
        engine.dispose()


def _is_unusable(error: DBAPIError) -> bool:
    """Whether the database is at fault, not what was asked of it."""
    if isinstance(error, OperationalError | InterfaceError) or _lacks_a_table(error):
        return True
    if type(error.orig) is sqlite3.DatabaseError:  # itself, no kind of it: the file is damaged
        return True
    return getattr(error.orig, "sqlstate", None) == THROWN_OUT


def _lacks_a_table(error: Any) -> bool:
    """Whether a table or column is missing, as after an upgrade by hand or half a copy."""
    state = getattr(error.orig, "sqlstate", None)
    return state in MISSING or str(error.orig).startswith(("no such table", "no such column"))


def _cause(error: Any) -> str:
    """The driver's own first line, without the statement and its values, and what to do about it."""
    lines = str(error.orig).strip().splitlines()
    cause = lines[0] if lines else type(error.orig).__name__
    return f"{cause}; `astrid db check` tells what else is missing" if _lacks_a_table(error) else cause

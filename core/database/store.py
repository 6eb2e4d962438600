"""The store: one database, SQLite in a file or PostgreSQL by URL, opened once a process.

Every access is one short transaction (`core.database.engine`). A `Store` must not cross a fork; a new process
opens its own.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from sqlalchemy import (
    URL,
    ColumnElement,
    Connection,
    Engine,
    Float,
    cast,
    event,
    func,
    inspect,
    literal,
    select,
    text,
)
from sqlalchemy.exc import DatabaseError, DBAPIError, InterfaceError
from sqlmodel import Session

from core.database.engine import make_engine, parse_url, shown_url
from core.database.storable import storable_parameters
from core.database.store_errors import (
    TOO_LONG,
    UNKNOWN_SIGN,
    StoreAway,
    StoreCannotHold,
    StoreLost,
    StoreMissing,
    StoreOutdated,
    StoreReadOnly,
    StoreTooNew,
    StoreUnreachable,
    cause,
    is_unusable,
    may_pass,
)
from core.database.store_file import StoreFile, why_unwritable

HEAD = "0018"  # the newest migration; a constant, so that opening a store need not import Alembic


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
            state = getattr(error.orig, "sqlstate", None)
            if state == TOO_LONG:
                raise StoreCannotHold(
                    f"the store {self.url} cannot hold so long a text: {cause(error)}"
                ) from error
            if state == UNKNOWN_SIGN:
                raise StoreCannotHold(
                    f"the store {self.url} cannot hold that text: {cause(error)}; only a database of"
                    " ENCODING 'UTF8' holds all"
                ) from error
            if not is_unusable(error):
                raise
            if getattr(error.orig, "sqlite_errorname", "").startswith("SQLITE_BUSY"):
                raise StoreUnreachable(
                    f"the store {self.url} is held by another process: try again when that is done with it"
                ) from error
            kind = StoreAway if self.is_postgresql and may_pass(error) else StoreUnreachable
            raise kind(f"the store {self.url} cannot be used: {cause(error)}") from error


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
    engine = make_engine(place, read_only=read_only)
    with ExitStack() as unless_opened:
        unless_opened.callback(engine.dispose)
        is_file = place.get_backend_name() == "sqlite"
        # A server is asked by the connection that the store begins with: to make one takes as long as to ask.
        found = version_in(place) if is_file else _version_by(engine)
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
        if not read_only and is_file:
            why = why_unwritable(Path(str(place.database)))
            if why is not None:
                raise StoreUnreachable(f"the store {shown_url(place)} {why}")
        unless_opened.pop_all()
    return Store(engine, read_only=read_only)


def is_newer(version: str | None) -> bool:
    """Whether a store's version is one that this program does not know yet."""
    return version is not None and (not version.isdecimal() or int(version) > int(HEAD))


def too_new(url: str, version: str) -> StoreTooNew:
    """What is said of a store of such a version."""
    return StoreTooNew(
        f"the store {shown_url(url)} is of version {version}, newer than this program's {HEAD}: update AstrID"
    )


def version_in(place: URL) -> str | None:
    """The version that the database says it has, or none where it holds no AstrID tables."""
    if place.get_backend_name() == "sqlite" and not Path(str(place.database)).is_file():
        return None
    engine = make_engine(place, read_only=True)
    try:
        return _version_by(engine)
    finally:
        engine.dispose()


def _version_by(engine: Engine) -> str | None:
    place = engine.url
    try:
        with engine.connect() as connection:
            if not inspect(connection).has_table("alembic_version"):
                return None
            version = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
            return None if version is None else str(version)
    except (DatabaseError, InterfaceError) as error:
        is_server = place.get_backend_name() == "postgresql"
        kind = StoreAway if is_server and may_pass(error) else StoreUnreachable
        raise kind(f"cannot reach the store {shown_url(place)}: {cause(error)}") from error
    except UnicodeDecodeError as error:  # of what SQLite quotes of a damaged file
        raise StoreUnreachable(f"cannot reach the store {shown_url(place)}: it is damaged") from error

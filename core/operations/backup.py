"""A copy of the store while it is in use: what one moment held, checked before it gets its name."""

from __future__ import annotations

import fcntl
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, func, inspect, select, table, text
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session

from core.database.engine import log_ahead, make_engine, parse_url, shown_url
from core.database.store import HEAD, is_newer, version_in
from core.database.store_errors import StoreUnreachable
from core.errors import AstridError
from core.permissions import give_as
from core.review.chain import BrokenLink, SessionHead, heads_in, verify_in
from core.unfinished import part_beside, put, sweep, sync

STEP_BYTES = 4 * 2**20  # copied at once; after each it is told how far it is
DUMP = b"PGDMP"  # how what pg_dump writes begins
MIB = 2**20
BEYOND_USE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
SHARED_FIRST, SHARED_SIZE = (
    0x40000002,
    510,
)  # bytes of a store's file that whoever has it open holds a lock on

Report = Callable[[int, int, str], None]  # done, of how many, what


class BackupError(AstridError):
    """No copy was made; the message says why."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What a store held at one moment.

    Attributes
    ----------
    version : str
        Of its tables.
    rows : dict
        Of each table, how many.
    heads : list of SessionHead
        The ends of the chains of verdicts.
    broken : list of BrokenLink
        Verdicts that do not fit their chain.
    """

    version: str
    rows: dict[str, int]
    heads: list[SessionHead]
    broken: list[BrokenLink]


@dataclass(frozen=True, slots=True)
class Backup:
    """A copy that was made and checked."""

    path: Path
    size: int  # bytes
    contents: Contents
    seconds: float

    def record(self) -> dict[str, Any]:
        """What is told to scripts."""
        return {
            "path": str(self.path),
            "bytes": self.size,
            "version": self.contents.version,
            "rows": self.contents.rows,
            "chains": [asdict(head) for head in self.contents.heads],
            "broken": [asdict(link) for link in self.contents.broken],
            "seconds": round(self.seconds, 3),
        }


@dataclass(frozen=True, slots=True)
class Restored:
    """A backup that became the store, and where the store before went, if there was one.

    ``backup.path`` is the store's file, or the backup's where a server keeps the store.
    """

    backup: Backup
    store: str  # fit to be shown
    aside: Path | None = None

    def record(self) -> dict[str, Any]:
        """What is told to scripts."""
        aside = str(self.aside) if self.aside else None
        return self.backup.record() | {"path": self.store, "aside": aside}


def file_name(url: str, now: float) -> str:
    """What a copy of a store is called where only its folder was named; `now` in Unix seconds."""
    ending = "db" if parse_url(url).get_backend_name() == "sqlite" else "dump"
    return f"astrid-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(now))}.{ending}"


def back_up(url: str, path: Path, report: Report) -> Backup:
    """Copy a store to a file, which appears whole or not at all; one that is there is replaced.

    Nobody waits for it: those who write meanwhile go on, and what they write is not in the copy. Whoever may
    read a store of SQLite's may read its copy, and nobody else; of PostgreSQL's, this login alone.

    Parameters
    ----------
    url : str
        Of a store, of this program's version or an older one.
    path : Path
        SQLite's copy is a store itself; of PostgreSQL's ``pg_restore`` makes one.
    report : callable
        Told how far it is.

    Raises
    ------
    BackupError
        It cannot be written, or the copy is not what the store was.
    PostgresToolsMissing
        ``pg_dump`` or ``pg_restore`` is not installed, or does not fit the server.
    """
    from core.operations import postgres_dump

    began = time.monotonic()
    place = parse_url(url)
    is_file = place.get_backend_name() == "sqlite"
    try:
        with _part_beside(path) as part:
            contents = (_copy_sqlite if is_file else postgres_dump.dump)(place, part, report)
            if is_file:  # what a server holds, nobody reads without its password
                give_as(part, Path(str(place.database)).stat())
            size = _put_in_place(part, path)
    except OSError as error:
        raise BackupError(f"cannot write to {path}: {error.strerror or error}") from error
    return Backup(path, size, contents, time.monotonic() - began)


def contents_of(connection: Connection) -> Contents:
    """Count and check what a connection's transaction sees."""
    rows = {
        name: int(connection.execute(select(func.count()).select_from(table(name))).scalar_one())
        for name in sorted(inspect(connection).get_table_names())
    }
    version = str(connection.execute(text("SELECT version_num FROM alembic_version")).scalar())
    with Session(connection) as db:
        return Contents(version, rows, heads_in(db), verify_in(db))


@contextmanager
def reading(place: URL) -> Iterator[Connection]:
    """A transaction that sees one moment of a database until it ends."""
    engine = make_engine(place, read_only=True)
    if place.get_backend_name() != "sqlite":  # whose transactions do so by themselves
        engine = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    try:
        with engine.connect() as connection:
            yield connection
    except (DBAPIError, sqlite3.Error) as error:
        cause = str(getattr(error, "orig", error)).strip().splitlines() or [type(error).__name__]
        raise BackupError(f"the store cannot be copied: {cause[0]}") from error
    finally:
        engine.dispose()


def restore(file: Path, url: str, *, force: bool, now: float, report: Report) -> Restored:
    """Make a copy of a backup the store; the one that is there is renamed, if that was asked for.

    Those may use it who could use the one that was there, else those who may use the backup. A store on
    PostgreSQL has to be empty, and gets the rows of the backup.

    Parameters
    ----------
    file : Path
        A backup of a store of SQLite's; it stays as it is.
    url : str
        Of the store.
    force : bool
        There may be a store of SQLite's already: it is put aside.
    now : float
        Unix seconds; the name of what is put aside tells them.
    report : callable
        Told how far it is.

    Raises
    ------
    BackupError
        The file is no store of a version that this program knows, is damaged, or a chain of verdicts in it is
        broken; there is a store already; or somebody has it open.
    """
    place = parse_url(url)
    began = time.monotonic()
    _must_be_store(file)
    if place.get_backend_name() != "sqlite":
        from core.operations.move_to_server import move

        moved = move(file, place, report)
        backup = Backup(file, file.stat().st_size, moved, time.monotonic() - began)
        return Restored(backup, shown_url(place))
    target = Path(str(place.database))
    if target.exists() and file.samefile(target):
        raise BackupError(f"{file} is the store itself")
    is_store = target.exists() and target.stat().st_size > 0  # a full disk may have let it begin, no more
    if is_store and not force:
        raise BackupError(f"there is a store already, {target}: --force puts it aside")
    aside = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _part_beside(target) as part:
            contents = _copy_sqlite(URL.create("sqlite", database=str(file)), part, report)
            if contents.broken:
                raise BackupError(f"{file} was not restored: {contents.broken[0].sentence}")
            with closing(sqlite3.connect(part, isolation_level=None)) as store:
                log_ahead(store)  # as it did before, also while nobody but readers opens it
            give_as(part, (target if is_store else file).stat())
            if is_store:
                sync(part)  # a disk that takes no more shows here, while the store is where it was
                aside = _put_aside(target, now)
            try:
                size = _put_in_place(part, target)
            except BaseException:
                if aside is not None and not target.exists():
                    aside.rename(target)
                raise
    except OSError as error:
        raise BackupError(f"cannot write to {target}: {error.strerror or error}") from error
    return Restored(Backup(target, size, contents, time.monotonic() - began), shown_url(place), aside)


def damage(url: str) -> list[str]:
    """What SQLite finds wrong in a store's file when it reads all of it; nothing of a server's."""
    place = parse_url(url)
    if place.get_backend_name() != "sqlite":
        return []
    with reading(place) as connection:
        found = connection.execute(text("PRAGMA quick_check(10)")).scalars()
        return [f"the store's file is damaged: {each}" for each in found if each != "ok"]


def _must_be_store(file: Path) -> None:
    """Refuse a file that is no store, or one of a newer program; an older one can be upgraded."""
    if not file.is_file():
        raise BackupError(f"there is no file {file}")
    with file.open("rb") as opened:
        if opened.read(len(DUMP)) == DUMP:
            raise BackupError(
                f"{file} is PostgreSQL's, whose own program restores it: make an empty database, run"
                f" `pg_restore --no-owner --dbname=URL {file.name}`, and name that database as url of [store]"
            )
    try:
        found = version_in(URL.create("sqlite", database=str(file)))
    except StoreUnreachable as error:
        cause = getattr(error.__cause__, "orig", error)
        raise BackupError(f"{file} is no whole copy of a store of SQLite's: {cause}") from error
    if found is None:
        raise BackupError(f"{file} is no copy of a store of SQLite's")
    if is_newer(found):
        raise BackupError(f"{file} is of version {found}, newer than this program's {HEAD}: update AstrID")


def _put_aside(store: Path, now: float) -> Path:
    """Rename a store's file, with all that its log of changes holds in it, if nobody else has it open."""
    aside = store.with_name(
        f"{store.stem}-until-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(now))}{store.suffix}"
    )
    if aside.exists():
        raise BackupError(f"{aside} is there already")
    try:
        with closing(sqlite3.connect(store, isolation_level=None, timeout=1.0)) as connection:
            # It leaves the log of changes, which takes that nobody else is connected.
            connection.execute("PRAGMA journal_mode=DELETE").fetchone()
            connection.execute("BEGIN EXCLUSIVE")
            store.rename(aside)
            connection.execute("COMMIT")
    except sqlite3.Error as error:
        if error.sqlite_errorcode in BEYOND_USE:
            return _put_damaged_aside(store, aside)
        raise _in_use(store, error) from error
    return aside


def _put_damaged_aside(store: Path, aside: Path) -> Path:
    """Rename a file that SQLite cannot open any more, and its log of changes, which fits no other store."""
    with store.open("r+b") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, SHARED_SIZE, SHARED_FIRST)
        except BlockingIOError as error:
            raise _in_use(store, "it is damaged, and open") from error
        for ending in ("-shm", "-wal", ""):
            with suppress(FileNotFoundError):
                store.with_name(store.name + ending).rename(aside.with_name(aside.name + ending))
    return aside


def _in_use(store: Path, why: object) -> BackupError:
    return BackupError(
        f"the store {store} cannot be put aside ({why}): end every astrid that uses it, and try again"
    )


def _copy_sqlite(place: URL, part: Path, report: Report) -> Contents:
    """Copy by SQLite's own backup, within a transaction: it then need not begin anew when others write."""
    with reading(place) as connection:
        contents = contents_of(connection)
        source: Any = connection.connection.driver_connection
        page = int(source.execute("PRAGMA page_size").fetchone()[0])
        needed = int(source.execute("PRAGMA page_count").fetchone()[0]) * page
        free = shutil.disk_usage(part.parent).free
        if free < needed:
            raise BackupError(
                f"the copy needs {needed / MIB:,.0f} MiB, and in {part.parent} {free / MIB:,.0f} MiB are free"
            )

        def tell(_status: int, remaining: int, total: int) -> None:
            report((total - remaining) * page // MIB, total * page // MIB, "MiB copied")

        with closing(sqlite3.connect(part, isolation_level=None)) as copy:
            copy.execute("PRAGMA synchronous=OFF")  # the whole file is synced before it gets its name
            source.backup(copy, pages=max(1, STEP_BYTES // page), progress=tell)
            copy.execute("PRAGMA journal_mode=DELETE")  # one file, also where nothing can be written
            report(0, 0, "checking the copy")
            found = [row[0] for row in copy.execute("PRAGMA integrity_check(1)")]
        if found != ["ok"]:
            raise BackupError(f"the copy is damaged, as the store may be: {found[0]}; nothing was kept")
    with reading(URL.create("sqlite", database=str(part))) as connection:
        must_agree(contents.rows, contents_of(connection).rows)
    return contents


def must_agree(store: dict[str, int], copy: dict[str, int]) -> None:
    """Refuse a copy that has not as many rows, in each table, as the store had."""
    for name, rows in store.items():
        if copy.get(name, 0) != rows:
            raise BackupError(
                f"the copy has {copy.get(name, 0)} rows of {name}, the store had {rows}; nothing was kept"
            )


def _put_in_place(part: Path, path: Path) -> int:
    """Make sure that all is on disk, and give the copy its name; its size in bytes."""
    log = path.with_name(path.name + "-wal")
    if log.exists():  # SQLite would take the changes in it for those of the new file
        raise BackupError(f"{path} is open, or was not closed: {log.name} is beside it; nothing was replaced")
    size = part.stat().st_size
    put(part, path)
    return size


@contextmanager
def _part_beside(path: Path) -> Iterator[Path]:
    """A new file of this login's alone, and gone at the end with what SQLite lays beside it."""
    sweep([path.parent])
    with part_beside(path, mode=0o600) as part:
        try:
            yield part
        finally:
            for end in ("-journal", "-wal"):
                part.with_name(part.name + end).unlink(missing_ok=True)

"""Changes of the tables from version to version, run by Alembic on both databases.

A new version: change `core.database.tables`, call ``draft("what changes")``, read and tidy the file that it
writes into ``versions``, and set `core.database.store.HEAD`. A NOT NULL column needs a ``server_default``.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Column, Connection, text
from sqlalchemy.exc import DatabaseError, InterfaceError
from sqlmodel import SQLModel

from core.database import tables
from core.database.engine import make_engine, parse_url, shown_url
from core.database.store import HEAD, is_newer, too_new
from core.database.store_errors import StoreUnreachable
from core.health.filesystems import is_network, kind_of

FOLDER = Path(__file__).parent
UPGRADE_LOCK = 0x41737472  # of PostgreSQL's advisory locks: one upgrade at a time

assert tables  # imported to fill the metadata


def upgrade(url: str, version: str = "head") -> tuple[str | None, str | None]:
    """Bring a store to a version, all or nothing; a missing SQLite file is made.

    Returns
    -------
    tuple
        The versions before and after; ``None`` is an empty database.

    Raises
    ------
    StoreUnreachable, StoreTooNew
    """
    with _migrating(url) as connection:
        before = _version(connection)
        if is_newer(before):
            raise too_new(url, before or "")
        if before is None:
            _refuse_encoding(connection)
        command.upgrade(_config(connection), version)
        return before, _version(connection)


def downgrade(url: str, version: str) -> None:
    """Take a store back to an older version; ``base`` drops all tables."""
    with _migrating(url) as connection:
        command.downgrade(_config(connection), version)


def check(url: str) -> list[str]:
    """What differs between a store and the tables of this program, one line each; none is well."""
    with _migrating(url) as connection:
        found = _version(connection)
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*expression-based index")  # `_missing` sees those
            changes = [
                each
                for each in _flat(compare_metadata(context, SQLModel.metadata))
                if not each[0].endswith("comment")  # whoever runs the server may write them
            ]
        problems = [*map(_sentence, changes), *_missing(connection)]
    if found != HEAD:
        problems.insert(0, f"the store is of version {found or 'none'}, this program needs {HEAD}")
    return problems


def draft(message: str) -> Path:
    """Write the next migration from what `core.database.tables` has and the newest version lacks."""
    with TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/draft.db"
        upgrade(url)
        with _migrating(url) as connection:
            script: Any = command.revision(
                _config(connection), message, autogenerate=True, rev_id=f"{int(HEAD) + 1:04d}"
            )
    return Path(script.path)


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def _version(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _refuse_network(file: Path) -> None:
    """SQLite's write-ahead log needs the shared memory of one machine."""
    kind = kind_of(file)
    if is_network(kind):
        raise StoreUnreachable(
            f"{file} is on a network file system ({kind}), where SQLite loses writes:"
            " name a file on a local disk, or a PostgreSQL server, as url of [store]"
        )


def _refuse_encoding(connection: Connection) -> None:
    """What comes from headers and names of files may hold any sign."""
    if connection.dialect.name != "postgresql":
        return
    encoding = connection.execute(text("SHOW server_encoding")).scalar()
    if encoding != "UTF8":
        raise StoreUnreachable(
            f"the database {connection.engine.url.database} is of the encoding {encoding}, which cannot hold"
            " all text: make one by CREATE DATABASE ... ENCODING 'UTF8' TEMPLATE template0"
        )


def _missing(connection: Connection) -> list[str]:
    """Indexes of expressions that a store lacks: Alembic does not compare them in SQLite."""
    if connection.dialect.name != "sqlite":
        return []
    there = set(connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'index'")).scalars())
    return [
        f"there is no index {index.name}"
        for table in SQLModel.metadata.sorted_tables
        for index in table.indexes
        if not all(isinstance(each, Column) for each in index.expressions) and index.name not in there
    ]


def _sentence(change: tuple[Any, ...]) -> str:
    """What Alembic would change, as a user may read it: what it would add is missing."""
    deed, _, kind = change[0].partition("_")
    word = {"fk": "foreign key", "nullable": "nullability"}.get(kind, kind)
    match deed, kind:
        case "add" | "remove", "table":
            what, where = change[1].name, "the store"
        case "add" | "remove", "column":
            what, where = change[3].name, f"the table {change[2]}"
        case "add" | "remove", _:
            what, where = change[1].name or "without a name", f"the table {change[1].table.name}"
        case _:  # as modify_type and modify_nullable: of which table and column
            return f"the column {change[3]} of the table {change[2]} is of another {word} than AstrID's"
    if deed == "add":
        return f"{where} has no {word} {what}"
    return f"{where} has a {word} {what}, which is not AstrID's"


def _flat(changes: list[Any]) -> Iterator[Any]:
    for change in changes:
        if isinstance(change, list):
            yield from change
        else:
            yield change


@contextmanager
def _migrating(url: str) -> Iterator[Connection]:
    """One transaction that no other upgrade can enter."""
    place = parse_url(url)
    if place.get_backend_name() == "sqlite":
        _refuse_network(Path(str(place.database)))
        Path(str(place.database)).parent.mkdir(parents=True, exist_ok=True)
    engine = make_engine(place, create=True)
    try:
        with engine.connect().execution_options(astrid_begin="BEGIN IMMEDIATE") as connection:
            if connection.dialect.name == "sqlite":
                # A table is changed by copying it; this pragma is void within a transaction.
                connection.connection.cursor().execute("PRAGMA foreign_keys=OFF")
            with connection.begin():
                if connection.dialect.name == "postgresql":
                    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": UPGRADE_LOCK})
                yield connection
    except (OSError, DatabaseError, InterfaceError) as error:
        cause = str(getattr(error, "orig", error)).strip().splitlines()[0]
        raise StoreUnreachable(f"cannot change the store {shown_url(place)}: {cause}") from error
    finally:
        engine.dispose()

"""PostgreSQL's own dump of a store, counted against the moment that it was taken of."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile

from sqlalchemy import URL, text

from core.errors import AstridError
from core.operations.backup import BackupError, Contents, Report, contents_of, must_agree, reading
from core.vocabulary import ExitCode

_COPY = re.compile(rb'COPY "?([^". ]+)"?\."?(\w+)"? \(.*\) FROM stdin;\s*$')
_END = b"\\."


class PostgresToolsMissing(AstridError):
    """PostgreSQL's programs are not here, or do not fit the server."""

    exit_code = ExitCode.UNAVAILABLE


def dump(place: URL, part: Path, report: Report) -> Contents:
    """Write a dump in ``pg_dump``'s custom format, and count the rows that can be read out of it.

    Parameters
    ----------
    place : URL
        Of the store.
    part : Path
        The file.
    report : callable
        Told what is being done.

    Raises
    ------
    PostgresToolsMissing
    BackupError
        The dump does not hold what the store held.
    """
    for tool in ("pg_dump", "pg_restore"):
        if shutil.which(tool) is None:
            raise PostgresToolsMissing(
                f"{tool} is not installed here (package postgresql-client): install it, or run"
                f" `pg_dump --format=custom --no-owner --file={_name_of(part)}"
                f" {_without_password(place)[0]}` where it is"
            )
    with reading(place) as connection:
        # The server would end a transaction that waits; this one holds the moment for pg_dump.
        connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
        snapshot = connection.execute(text("SELECT pg_export_snapshot()")).scalar_one()
        contents = contents_of(connection)
        schema = connection.dialect.default_schema_name or "public"
        report(0, 0, "dumping")
        uri, environment = _without_password(place)
        _run(
            [
                "pg_dump",
                "--format=custom",
                "--no-owner",
                "--no-privileges",
                f"--snapshot={snapshot}",
                f"--file={part}",
                f"--dbname={uri}",
            ],
            environment,
        )
    report(0, 0, "checking the dump")
    must_agree(contents.rows, _rows_in(part, schema))
    return contents


def _name_of(part: Path) -> str:
    """What the dump is to be called."""
    return part.name.removeprefix(".").rsplit(".", 2)[0]


def _without_password(place: URL) -> tuple[str, dict[str, str]]:
    """A URI for libpq, which other users of the machine may see, and the environment with the password."""
    query = dict(place.query)
    password = query.pop("password", None) or place.password
    uri = URL.create("postgresql", place.username, None, place.host, place.port, place.database, query)
    environment = {} if password is None else {"PGPASSWORD": str(password)}
    return uri.render_as_string(hide_password=False), environment


def _rows_in(file: Path, schema: str) -> dict[str, int]:
    """How many rows a dump has of each table of a schema: `COPY` writes each on one line."""
    rows: Counter[tuple[str, str]] = Counter()
    table: tuple[str, str] | None = None
    with _speaking(["pg_restore", "--data-only", "--file=-", str(file)], {}) as process:
        for line in process.stdout or ():
            if table is None:
                found = _COPY.match(line)
                table = (found[1].decode(), found[2].decode()) if found else None
            elif line.rstrip(b"\r\n") == _END:
                table = None
            else:
                rows[table] += 1
    return {name: count for (of, name), count in rows.items() if of == schema}


def _run(command: list[str], environment: dict[str, str]) -> None:
    with _speaking(command, environment) as process:
        process.communicate()


@contextmanager
def _speaking(command: list[str], environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """Run one of PostgreSQL's programs; what it complains of becomes one sentence."""
    with TemporaryFile() as complaints:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=complaints,
            env=os.environ | environment,
        )
        try:
            yield process
            if process.wait() != 0:
                complaints.seek(0)
                said = complaints.read(2000).decode(errors="replace").splitlines()
                raise _failure(command[0], "; ".join(line.strip() for line in said if line.strip()))
        finally:
            process.kill()  # nothing where it has ended
            process.wait()
            if process.stdout:
                process.stdout.close()


def _failure(tool: str, words: str) -> AstridError:
    if "version mismatch" in words:
        return PostgresToolsMissing(f"{tool} here does not fit the server; install the server's: {words}")
    return BackupError(f"{tool} failed: {words or 'it said nothing'}")

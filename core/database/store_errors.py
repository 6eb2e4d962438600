"""What can be wrong with a store, and what a driver's own errors mean."""

from __future__ import annotations

import sqlite3
from typing import Any

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from core.errors import AstridError
from core.vocabulary import ExitCode

THROWN_OUT = ("25P03", "25P04")  # PostgreSQL's codes: a transaction slept or took too long,
STANDBY = "25006"  # the server or the database takes no changes, as while another server takes over,
FORBIDDEN = "42501"  # the user may not do that,
DAMAGED = ("XX000", "XX001", "XX002")  # a file of the server's is not as it was,
TOO_LONG = "54000"  # a text is longer than an index holds,
UNKNOWN_SIGN = "22P05"  # has a sign that the database's encoding lacks,
MISSING = ("42P01", "42703")  # and there is no such table, no such column
# What a server, or who asks it, says of a login that is as wrong in five minutes: such answers have no code.
# In another language than English they are not known, and waited for.
_REFUSALS = (
    "authentication failed", "no password supplied", "does not exist", "not permitted to log in",
    "pg_hba.conf", "permission denied for database", "no such database", "SSL was required",
    "certificate verify failed", "invalid sslmode", "invalid port",
)  # fmt: skip
_HINTS = {
    STANDBY: "it takes no changes now, as a standby or by its settings: whoever runs the server knows why",
    FORBIDDEN: "whoever runs the server can GRANT that, and to look alone `astrid --read-only` will do",
}


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


class StoreCannotHold(StoreError):
    """A text that the database does not take; the fault is that text's."""


class StoreReadOnly(StoreError):
    """Something would write to a store that was opened for reading."""


def is_unusable(error: DBAPIError) -> bool:
    """Whether the database is at fault, not what was asked of it."""
    if isinstance(error, OperationalError | InterfaceError) or lacks_a_table(error):
        return True
    if type(error.orig) is sqlite3.DatabaseError:  # itself, no kind of it: the file is damaged
        return True
    return getattr(error.orig, "sqlstate", None) in {*THROWN_OUT, STANDBY, FORBIDDEN, *DAMAGED}


def may_pass(error: DBAPIError) -> bool:
    """Whether it may be used again though nobody does anything about it."""
    state = getattr(error.orig, "sqlstate", None)
    if state is None and any(words in str(error.orig) for words in _REFUSALS):
        return False
    return not lacks_a_table(error) and state not in {FORBIDDEN, *DAMAGED}


def lacks_a_table(error: Any) -> bool:
    """Whether a table or column is missing, as after an upgrade by hand or half a copy."""
    state = getattr(error.orig, "sqlstate", None)
    return state in MISSING or str(error.orig).startswith(("no such table", "no such column"))


def cause(error: Any) -> str:
    """The driver's own first line, without the statement and its values, and what to do about it."""
    lines = str(error.orig).strip().splitlines()
    first = lines[0] if lines else type(error.orig).__name__
    hint = _HINTS.get(getattr(error.orig, "sqlstate", None) or "")
    if lacks_a_table(error):
        hint = "`astrid db check` tells what else is missing"
    if hint is not None:
        return f"{first}; {hint}"
    extended = getattr(error.orig, "sqlite_errorcode", 0)
    code = extended & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return f"{first}; make room there"
    if extended == sqlite3.SQLITE_IOERR_SHMSIZE:  # whoever only reads needs that file too
        return f"{first}: no room for the -shm file beside it, as on a full disk; make room there"
    if code == sqlite3.SQLITE_CORRUPT:  # of an index, too
        return f"{first}; `astrid db restore --force` puts it aside for a backup"
    if code == sqlite3.SQLITE_NOTADB:
        return (
            f"{first}; if it is none of AstrID's, name another as url of [store], and if it was,"
            " `astrid db restore --force` puts it aside for a backup"
        )
    return first

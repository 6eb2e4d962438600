"""A statement is compiled once a process, not again for every store that a test opens."""

from functools import partial
from typing import Any

import pytest
from sqlalchemy import create_engine
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.util import LRUCache

DISTINCT = 20_000  # more than the tests ask


def compile_once(patch: pytest.MonkeyPatch) -> None:
    """Let all engines of a database share what they compiled.

    SQLAlchemy keeps it by the statement and the dialect, and each engine has a dialect of its own.
    """
    for dialect in (SQLiteDialect_pysqlite, PGDialect_psycopg):
        patch.setattr(dialect, "__eq__", _speak_alike)
        patch.setattr(dialect, "__hash__", lambda self: hash(type(self)))
    shared = {"compiled_cache": LRUCache(DISTINCT)}
    patch.setattr("core.database.engine.create_engine", partial(create_engine, execution_options=shared))


def _speak_alike(one: Any, other: Any) -> bool:
    return type(one) is type(other) and one.server_version_info == other.server_version_info

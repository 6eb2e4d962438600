"""Whether anything was written to a store since one looked last, for the price of one look-up."""

from __future__ import annotations

import threading
from collections.abc import Hashable

from sqlalchemy import Connection
from sqlalchemy.exc import DatabaseError

from core.database.store import Store

# On a standby the first function would be an error.
_POSTGRESQL = (
    "SELECT CAST(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()"
    " ELSE pg_current_wal_insert_lsn() END AS text)"
)


class Changes:
    """Watches one store.

    SQLite counts the commits of others on each connection, so one connection is kept for this alone;
    PostgreSQL's log position moves with every write to its server, also with those of other databases.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._connection: Connection | None = None
        self._connections = 0
        self._lock = threading.Lock()

    def token(self) -> Hashable:
        """A value that differs from an earlier one if anything was written in between.

        It may differ without a reason, but is never the same after a write.

        Raises
        ------
        StoreUnreachable, StoreLost
        """
        with self._lock, self._store.told():
            self._store.must_be_there()  # an open connection answers on without its file
            if self._connection is None:
                self._connection = self._store.connect()
                self._connections += 1
            query = _POSTGRESQL if self._store.is_postgresql else "PRAGMA data_version"
            try:
                value = self._connection.exec_driver_sql(query).scalar()
                self._connection.rollback()
            except DatabaseError:
                self.close()
                raise
            return self._connections, value

    def close(self) -> None:
        """Let go of the connection; the next look opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.invalidate()
            connection.close()

"""The leader's seat among nodes that share a PostgreSQL database: a lock of one connection's.

The server frees it when that connection ends, also that of a machine that has gone without a word,
within the seconds that `gateway.records.postgresql` has both ends wait. The connection does nothing
else, so nothing can hold up the question whether it still stands. Raises StoreUnavailable.
"""

from __future__ import annotations

from typing import Any

import psycopg

from gateway.config.records import PostgresSettings
from gateway.errors import StoreUnavailable
from gateway.records.postgresql import LEADER_LOCK, connect


class PostgresSeat:
    """One node's claim to the seat."""

    def __init__(self, settings: PostgresSettings) -> None:
        self._settings = settings
        self._connection: psycopg.Connection[Any] | None = None
        self._is_ours = False

    def hold(self) -> bool:
        """Take the seat if it is free; whether it is ours now. Raises StoreUnavailable."""
        try:
            if self._connection is None:
                self._connection = connect(self._settings)
                self._connection.autocommit = True
            if self._is_ours:
                self._connection.execute("SELECT 1")
            else:
                query = "SELECT pg_try_advisory_lock(%s)"
                row = self._connection.execute(query, (LEADER_LOCK,)).fetchone()
                self._is_ours = row is not None and bool(row[0])
        except psycopg.Error as error:
            self.leave()
            raise StoreUnavailable(f"records: {error}") from error
        return self._is_ours

    def leave(self) -> None:
        """Give it up, if it is ours."""
        self._is_ours = False
        if self._connection is not None:
            self._connection.close()
            self._connection = None

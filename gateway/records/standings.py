"""The look-up at RCPT over SQLite: what the records say about each of a group, in one query.

Takes a stream and addresses, gives a `Standing` for each, in order, as of the last commit of any
process. Reads SQLite directly on the event loop: measured at some 2 microseconds a key, far less
than handing it to a thread. Raises StoreUnavailable when SQLite fails, and when the index is not
known to be complete.
"""

from __future__ import annotations

import sqlite3
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Protocol

from gateway.errors import StoreUnavailable
from gateway.records.index import GENERATION_KEY
from gateway.records.look_up import Asking, Row, is_complete
from gateway.records.sqlite import connect_reader
from gateway.words import Address
from policies.ports import Clock
from policies.terms import StreamTerms
from suppression.keys import Keyring
from suppression.standing import Standing

MAX_KEYS = 1024
"""Keys in one statement; a larger group takes several."""


class RecordsStandings(Protocol):
    """Standings as the records have them."""

    def adopt(self, keyring: Keyring) -> None:
        """Look up under this keyring from now on."""

    async def look_up(self, stream: StreamTerms, group: Sequence[Address]) -> Sequence[Standing]:
        """One `Standing` for each address, in order."""

    async def number(self, tenant: str) -> int:
        """The tenant's scope, -1 when it has none."""

    def is_ready(self) -> bool:
        """Whether a look-up would be answered now."""

    def close(self) -> None:
        """Let go of what is open."""


class SqliteStandings:
    """`policies.ports.Standings` over the database at `path`. Used from one thread."""

    def __init__(
        self,
        path: Path,
        keyring: Keyring,
        clock: Clock = time.time,
        observe: Callable[[float], None] = lambda _seconds: None,
    ) -> None:
        self._path = path
        self._asking = Asking(keyring, clock)
        self._observe = observe
        self._connection: sqlite3.Connection | None = None
        self._tenants: dict[str, int] = {}

    def adopt(self, keyring: Keyring) -> None:
        """Look up under this keyring from now on; it knows all generations of the last one."""
        self._asking.keyring = keyring

    async def look_up(self, stream: StreamTerms, group: Sequence[Address]) -> Sequence[Standing]:
        """One `Standing` for each address; never suspends. Tells `observe` the seconds taken."""
        started = time.perf_counter()
        standings = self._look_up(stream, group)
        self._observe(time.perf_counter() - started)
        return standings

    def _look_up(self, stream: StreamTerms, group: Sequence[Address]) -> Sequence[Standing]:
        standings = None
        while standings is None:
            found: defaultdict[bytes, list[Row]] = defaultdict(list)
            try:
                tenant = self._tenants.get(stream.tenant) or self._find_tenant(stream.tenant)
                question = self._asking.question(stream, tenant, group)
                for row in self._select(question.wanted):
                    found[row[0]].append(row)
            except sqlite3.Error as error:
                self.close()  # whatever is wrong, the next look-up starts afresh
                raise StoreUnavailable(f"records: {error}") from error
            standings = self._asking.answer(question, found)
        return standings

    async def number(self, tenant: str) -> int:
        """The tenant's scope, -1 when it has none. Raises StoreUnavailable."""
        try:
            return self._tenants.get(tenant) or self._find_tenant(tenant)
        except sqlite3.Error as error:
            self.close()
            raise StoreUnavailable(f"records: {error}") from error

    def is_ready(self) -> bool:
        """Whether a look-up would be answered now."""
        try:
            return is_complete(self._select([GENERATION_KEY]))
        except sqlite3.Error:
            self.close()
            return False

    def close(self) -> None:
        """Let the file go; a later look-up opens it again."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _select(self, keys: list[bytes]) -> list[Row]:
        if self._connection is None:
            self._connection = connect_reader(self._path)
        rows: list[Row] = []
        for start in range(0, len(keys), MAX_KEYS):
            part = keys[start : start + MAX_KEYS]
            # Few different statements, so that each is prepared once: the rest asks for nothing.
            size = len(part) if len(part) <= 16 else -(-len(part) // 32) * 32
            part += [b""] * (size - len(part))
            rows += self._connection.execute(_statement(size), part).fetchall()
        return rows

    def _find_tenant(self, tenant: str) -> int:
        """The tenant's scope; a tenant without a number has no entries, and -1 matches none."""
        if self._connection is None:
            self._connection = connect_reader(self._path)
        query = "SELECT number FROM streams WHERE tenant=? AND name=''"
        row = self._connection.execute(query, (tenant,)).fetchone()
        if row is None:
            return -1
        self._tenants[tenant] = int(row[0])
        return int(row[0])


@lru_cache
def _statement(count: int) -> str:
    # Joining VALUES needs no temporary table, which IN (...) builds at every execution.
    values = ",".join(["(?)"] * count)
    return (
        f"WITH wanted(k) AS (VALUES {values}) "  # noqa: S608 - only question marks
        "SELECT key, scope, code, entry, ends FROM wanted CROSS JOIN standing_index ON key = k"
    )

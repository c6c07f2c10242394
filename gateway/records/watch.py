"""What a process knows of how far the records have come, to judge an index by.

`Known` is the log's identity and a number that the index must have reached to be believed.
`RecordsWatch` reads it, and the version of blocks, from shared records every 250 ms; `SqliteWatch`
reads it from the file whenever it is asked, which costs microseconds and is exact.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from gateway.errors import StoreUnavailable
from gateway.records.sqlite import connect_reader

if TYPE_CHECKING:  # needs psycopg, which SQLite does not
    from gateway.records.postgres_reader import PostgresReader

EVERY = 0.25
"""Seconds between two looks."""
FRESH = 2.0
"""Seconds that a look counts."""
_LOOK = (
    "SELECT (SELECT value FROM meta WHERE name = 'feed:identity'), "
    "(SELECT max(n) FROM changes), (SELECT value FROM meta WHERE name = 'blocks:version')"
)


@dataclass(frozen=True, slots=True)
class Known:
    """The log of changes by its identity, "" when nothing is noted, and how far it has come."""

    identity: str
    n: int


class Knowledge(Protocol):
    """What an index is judged by."""

    def known(self) -> Known | None:
        """How far the records have come at least; None when that is not known just now."""


class RecordsWatch:
    """Watches shared records. `heard` may be called from any thread."""

    def __init__(self, reader: PostgresReader, epochs: Callable[[], tuple[str, ...]]) -> None:
        """`epochs` names the lives of the servers that have the index: what was read before one
        began says nothing about it, for it may have lost what its predecessor had."""
        self._reader = reader
        self._epochs = epochs
        self._seen: tuple[str, ...] = ()
        self._looked_at = -FRESH
        self._known = Known("", 0)
        self.blocks = ""
        """Version of the blocks in force as last read."""
        self.rewinds = 0
        """How often it went back: another server has taken over and lacks what its predecessor had
        committed."""

    async def run(self) -> None:
        """Look again and again, for ever."""
        while True:
            with suppress(StoreUnavailable):
                await self.look()
            await asyncio.sleep(EVERY)

    async def look(self) -> None:
        """Read how far the records have come. Raises StoreUnavailable."""
        epochs, begun = self._epochs(), time.monotonic()
        ((identity, n, blocks),) = await self._reader.ask(_LOOK)
        self.heard(identity or "", n or 0)
        self.rewinds += _number(blocks) < _number(self.blocks)
        self.blocks = blocks or ""
        self._seen, self._looked_at = epochs, begun

    def heard(self, identity: str, n: int) -> None:
        """Know of changes up to `n`."""
        known = self._known
        if identity != known.identity or n > known.n:
            self._known = Known(identity, n)

    @property
    def is_fresh(self) -> bool:
        """Whether the last look was a moment ago."""
        return time.monotonic() - self._looked_at < FRESH

    def known(self) -> Known | None:
        """How far the records have come at least; None when that is not known just now."""
        return self._known if self.is_fresh and self._seen == self._epochs() else None


class SqliteWatch:
    """Reads the file at `path` whenever it has changed. Used from one thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._seen: tuple[int] | None = None
        self._known = Known("", 0)

    def known(self) -> Known | None:
        """How far the records have come, as of the last commit of any process."""
        try:
            if self._connection is None:
                self._connection = connect_reader(self._path)
            seen = self._connection.execute("PRAGMA data_version").fetchone()
            if seen != self._seen:
                identity, n, _ = self._connection.execute(_LOOK).fetchone()
                self._known = Known(identity or "", n or 0)
                self._seen = seen
        except sqlite3.Error:
            self.close()
            return None
        return self._known

    def close(self) -> None:
        """Let the file go; a later look opens it again."""
        if self._connection is not None:
            self._connection.close()
        self._connection = self._seen = None


def _number(version: str | None) -> int:
    return int(version) if version and version.isdigit() else 0

"""The count of entries by source, which reads every entry: made once, kept, and dated on the page.

`counted` gives what is kept unless it is ten minutes old, was asked to be made again or was
forgotten after an import. Counting takes a second for a million entries and runs off the loop.
Raises StoreUnavailable.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from gateway.records.database import Database
from gateway.records.list_sources import SourceState, list_sources
from gateway.web.desk.parts import DeskParts

KEPT = 600.0


@dataclass(frozen=True, slots=True)
class Counted:
    """Every source, as of `at` (Unix seconds)."""

    at: float
    sources: list[SourceState]


_COUNTED: WeakKeyDictionary[Database, Counted] = WeakKeyDictionary()


async def counted(parts: DeskParts, is_again: bool = False) -> Counted:
    """The sources with their counts."""
    now, database = parts.clock(), parts.database

    def count() -> Counted:
        with database.reading() as connection:
            return Counted(now, list_sources(connection, now))

    known = _COUNTED.get(database)
    if known is None or is_again or now - known.at > KEPT:
        known = _COUNTED[database] = await asyncio.to_thread(count)
    return known


def forget(parts: DeskParts) -> None:
    """Have the next page count again."""
    _COUNTED.pop(parts.database, None)

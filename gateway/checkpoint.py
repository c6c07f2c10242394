"""Once a second, what the fast state holds goes to the records: windows and mailings.

After a crash the counters are right to the last second. What could not be saved is handed back and
tried again a second later; a store that is away delays the checkpoint, never the mail.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from gateway.errors import StoreUnavailable
from gateway.records.windows import WindowRecords
from gateway.state.holds import MemoryHolds

EVERY = 1.0
"""Seconds between checkpoints."""


class Checkpoint:
    """Saves what `holds` has in memory to `records`, and restores it at start-up."""

    def __init__(self, holds: MemoryHolds, records: WindowRecords) -> None:
        self._table = holds.table
        self._mailings = holds.mailings
        self._records = records

    async def restore(self) -> None:
        """Take up what the last process saved. Raises `StoreUnavailable`."""
        buckets, mailings = await self._records.load()
        self._table.restore(buckets)
        self._mailings.restore(mailings)

    async def save(self) -> None:
        """Save what has changed. Raises `StoreUnavailable`; nothing is forgotten by it."""
        buckets, mailings = self._table.changes(), self._mailings.changes()
        if not buckets and not mailings:
            return
        try:
            await self._records.save(buckets, mailings)
        except BaseException:  # cancelled, too: the last save at the end must not miss them
            self._table.unsaved(buckets)
            self._mailings.unsaved(mailings)
            raise

    async def run(self) -> None:
        """Save every second, for ever."""
        while True:
            await asyncio.sleep(EVERY)
            with suppress(StoreUnavailable):
                await self.save()

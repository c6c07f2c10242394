"""The look-up of blocks in force over records that several nodes share.

`policies.ports.Blocks`. The blocks are kept in memory and read again when there is news: from the
mark that comes with each MAIL's claim (`hear`), or from the watch over the records, at the latest
after 250 ms. When the watch could not look for a moment, every look-up reads the records itself, so
that nobody is answered by blocks of yesterday. Raises StoreUnavailable when they cannot be read.
"""

from __future__ import annotations

import asyncio

from gateway.records.blocks import (
    BLOCKS,
    ENDED,
    LIFTS,
    SHARES,
    VERSION_IS,
    InForce,
    since_ended,
)
from gateway.records.postgres_reader import PostgresReader
from gateway.records.watch import RecordsWatch
from policies.ports import Block


class SharedBlocks:
    """Used on one event loop."""

    def __init__(self, reader: PostgresReader, watch: RecordsWatch) -> None:
        self._reader = reader
        self._watch = watch
        self._in_force = InForce()
        self._version: str | None = None
        self._rewinds = 0
        self._heard = ""
        self._reading: asyncio.Task[None] | None = None

    async def find(self, tenant: str, domain: str) -> Block | None:
        """The block on `domain` (A-label) for this tenant, if any."""
        if self._version is None or self.is_stale() or not self._watch.is_fresh:
            await self._read()
        if self.is_stale():
            await self._read()  # that one was under way before the news came
        return self._in_force.find(tenant, domain)

    async def lifts(self, tenant: str) -> int:
        """How many blocks of this tenant's have been lifted."""
        rows = await self._reader.ask(LIFTS.replace("?", "%s"), (tenant,))
        return int(rows[0][0])

    def hear(self, version: bytes | None) -> None:
        """News that came with a claim: the version of blocks, None when none was ever told."""
        if version is not None:
            self._heard = version.decode()

    def is_stale(self) -> bool:
        """Whether there is news of a later version than was read last, or versions began anew."""
        return self._watch.rewinds != self._rewinds or any(
            news and _number(news) > _number(self._version or "")
            for news in (self._heard, self._watch.blocks)
        )

    def share(self, tenant: str) -> int:
        """Percent of its usual volume that a tenant may send, as of the last look-up."""
        return self._in_force.shares.get(tenant, 100)

    def is_ended(self, mailing: str) -> bool:
        """Whether a case's first notice has ended this mailing, as of the last look-up."""
        return mailing in self._in_force.ended

    async def _read(self) -> None:
        """Read all again, once for all that wait; a caller that leaves ends nothing."""
        if self._reading is None:
            self._reading = asyncio.get_running_loop().create_task(self._read_all())
            self._reading.add_done_callback(self._has_read)
        await asyncio.shield(self._reading)

    async def _read_all(self) -> None:
        ask, self._rewinds = self._reader.ask, self._watch.rewinds
        # The version first: what changes meanwhile is news again.
        version = await ask(VERSION_IS)
        blocks, shares = await ask(BLOCKS), await ask(SHARES)
        ended = await ask(ENDED.replace("?", "%s"), (since_ended(),))
        self._in_force = InForce.of(blocks, shares, ended)
        self._version = str(version[0][0]) if version else ""

    def _has_read(self, reading: asyncio.Task[None]) -> None:
        self._reading = None
        if not reading.cancelled():
            reading.exception()  # whoever waited has it; if nobody does, it is no news


def _number(version: str) -> int:
    return int(version) if version.isdigit() else 0

"""Begins a tenant's hash anew when what it held may be lost, out of the records and the holders.

A hash is of another life when the server was restarted, another became the primary, the database
was flushed or exchanged, or a key of it is gone. Nobody gets a batch for one time to live then, in
which every worker says what its transactions hold; and not before the windows were merged with
what the records saved, bucket by bucket the greater of both.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from typing import Protocol

from gateway.state.mailings import Mailing
from gateway.state.redis.calls import Calls
from gateway.state.redis.keys import Keys, owner_of
from gateway.state.redis.marks import Marks
from gateway.state.redis.scripts import load
from gateway.state.redis.wire import Arg
from gateway.state.table import Bucket
from policies.ports import Clock

LEASE = 3.0
"""Seconds that a lease lasts unless renewed, by the server's clock."""
HEAL = load("heal", wants_epoch=True)
GATHER = 0.01
"""Seconds in which tenants come together for one read of the records."""


class Saved(Protocol):
    """Where windows and mailings are saved: `gateway.records.windows.WindowRecords`."""

    async def load(self) -> tuple[list[Bucket], list[Mailing]]:
        """Everything saved. Raises StoreUnavailable."""

    async def save(self, buckets: Sequence[Bucket], current: Sequence[Mailing]) -> None:
        """Replace buckets and mailings of the same name. Raises StoreUnavailable."""


class Healing:
    """Makes tenants' hashes whole."""

    def __init__(
        self, calls: Calls, keys: Keys, marks: Marks, saved: Saved, clock: Clock, lease: float
    ) -> None:
        self._calls = calls
        self._keys = keys
        self._marks = marks
        self._saved = saved
        self._clock = clock
        self._milliseconds = int(lease * 1000)
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._loading: asyncio.Task[tuple[list[Bucket], list[Mailing]]] | None = None
        self._next: asyncio.Task[tuple[list[Bucket], list[Mailing]]] | None = None

    async def heal(self, tenant: str) -> None:
        """Make it whole, if it is not; those who ask meanwhile share the work. Raises
        StoreUnavailable."""
        task = self._under_way.get(tenant)
        if task is None:
            task = self._under_way[tenant] = asyncio.create_task(self._heal(tenant))
            task.add_done_callback(lambda done: self._healed(tenant, done))
        await asyncio.shield(task)

    async def close(self) -> None:
        """End what is under way."""
        tasks: list[asyncio.Task[object]] = [*self._under_way.values()]
        tasks += [task for task in (self._loading, self._next) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _healed(self, tenant: str, done: asyncio.Task[None]) -> None:
        del self._under_way[tenant]
        if not done.cancelled():
            done.exception()  # whoever asked may be gone: it is no news to the event loop

    async def _heal(self, tenant: str) -> None:
        keys = self._keys.tenant(tenant)
        await self._calls.learn(keys.holds)
        await self._marks.refresh()
        generation = self._marks.generation
        held = [keys.holds, keys.leases, keys.line, keys.expired]
        if await self._calls.run(HEAL, held, [generation, self._milliseconds]):
            return
        buckets, mailings = await self._load()
        windows: dict[tuple[str, int], list[Arg]] = defaultdict(list)
        for bucket in buckets:
            if owner_of(bucket.key) == tenant:
                windows[bucket.key, bucket.seconds] += (bucket.start, bucket.amount)
        now = self._clock()
        await asyncio.gather(
            *(
                self._calls.run(load("merge"), [keys.window(key, seconds)], [now, seconds, *saved])
                for (key, seconds), saved in windows.items()
            )
        )
        current: list[Arg] = []
        for mailing in mailings:
            if mailing.stream.partition("/")[0] == tenant:
                current += (mailing.stream, mailing.id, mailing.started_at, mailing.last_at)
        await self._calls.run(
            load("merged", wants_epoch=True), [keys.holds, keys.mailings], [generation, *current]
        )

    async def _load(self) -> tuple[list[Bucket], list[Mailing]]:
        """What the records have, read once for all tenants that are healed together.

        Only a read that has not begun will do: until its hash was begun anew, a tenant's windows
        may have been saved.
        """
        task = self._next
        if task is None:
            task = self._next = asyncio.create_task(self._read(self._loading))
        return await asyncio.shield(task)

    async def _read(
        self, before: asyncio.Task[tuple[list[Bucket], list[Mailing]]] | None
    ) -> tuple[list[Bucket], list[Mailing]]:
        if before is not None:
            await asyncio.wait((before,))
        await asyncio.sleep(GATHER)
        self._loading, self._next = self._next, None
        return await self._saved.load()

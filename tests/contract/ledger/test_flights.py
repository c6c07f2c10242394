"""Who deals with an entry of the ledger when several workers may, against a real Redis."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack

import pytest

from gateway.config.redis import RedisSettings
from gateway.ledger.flights import Found
from gateway.state.redis.calls import Calls
from gateway.state.redis.flights import RedisFlights
from gateway.state.redis.keys import SHARDS, Keys
from tests.servers.redis import RedisServer

FREE, BUSY, STORED, UNKNOWN, OURS = Found.FREE, Found.BUSY, Found.STORED, Found.UNKNOWN, Found.OURS
A, B, C = (bytes([first]) * 16 for first in b"abc")


class House:
    """Workers that share one Redis; the records are a set of keys."""

    def __init__(self, server: RedisServer) -> None:
        self.server = server
        self.stored: set[bytes] = set()
        self.loads = 0
        self.starts = 0
        self._open = AsyncExitStack()

    async def load(self) -> Iterable[bytes]:
        self.loads += 1
        return list(self.stored)

    async def worker(self, name: int, closed: float = 0.0) -> RedisFlights:
        """A start of worker `name`, which has said that it lives."""
        settings = RedisSettings(**self.server.settings(timeout=2.0))
        calls = Calls(settings)
        await calls.start()
        self._open.push_async_callback(calls.close)
        self.starts += 1
        flights = RedisFlights(
            calls, Keys("test"), "node", name, f"s{self.starts}", self.load, closed=closed
        )
        await self.beat(flights)
        return flights

    async def beat(self, flights: RedisFlights) -> None:
        """Say that it lives, and seed what it is told to."""
        await flights.beat()
        await flights.seeded()

    def hash(self, key: bytes) -> dict[bytes, bytes]:
        """All that Redis has in the slot of an entry."""
        found = self.server.ask("HGETALL", Keys("test").flights(key[0] % SHARDS))
        return dict(zip(found[::2], found[1::2], strict=True)) if isinstance(found, list) else found

    def bury(self, name: int) -> None:
        """Worker `name` has said nothing for so long that it is dead."""
        for shard in range(SHARDS):
            self.server.ask("HDEL", Keys("test").flights(shard), f"@node/{name}")

    async def close(self) -> None:
        await self._open.aclose()


@pytest.fixture
async def house(redis_server: RedisServer) -> AsyncIterator[House]:
    made = House(redis_server)
    yield made
    await made.close()


async def test_an_entry_has_one_owner(house: House) -> None:
    """What one worker claimed is busy for another, and its own for itself, until it lets it go."""
    one, two = await house.worker(1), await house.worker(2)
    assert await one.claim([A, B], 0.0) == [FREE, FREE]
    assert await one.claim([A, C], 0.0) == [OURS, FREE]
    assert await two.claim([A], 0.0) == [BUSY]
    one.end(A, is_stored=False)
    one.end(B, is_stored=True)
    assert await two.claim([B], 0.0) == [BUSY]
    await one.flush()
    assert await two.claim([A, B, C], 0.0) == [FREE, STORED, BUSY]

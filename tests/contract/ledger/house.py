"""Workers that share one Redis and one set of records, for tests."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AsyncExitStack

from gateway.config.redis import RedisSettings
from gateway.state.redis.calls import Calls
from gateway.state.redis.flights import RedisFlights
from gateway.state.redis.keys import SHARDS, Keys
from tests.servers.cluster import RedisCluster
from tests.servers.redis import RedisServer


class House:
    """The records are a set of keys; time that workers measure passes when told to."""

    def __init__(self, server: RedisServer | RedisCluster, prefix: str = "test") -> None:
        self.server = server
        self.keys = Keys(prefix)
        self.stored: set[bytes] = set()
        self.now = 1_000.0
        self.starts = 0
        self._open = AsyncExitStack()

    async def load(self) -> Iterable[bytes]:
        return list(self.stored)

    async def worker(
        self, name: int, closed: float = 0.0, calls: type[Calls] = Calls
    ) -> RedisFlights:
        """A start of worker `name`, which has said that it lives."""
        asking = calls(RedisSettings(**self.server.settings(timeout=2.0)))
        await asking.start()
        self._open.push_async_callback(asking.close)
        self.starts += 1
        flights = RedisFlights(
            asking, self.keys, "node", name, f"s{self.starts}", self.load,
            closed=closed, clock=lambda: self.now,
        )  # fmt: skip
        await self.beat(flights)
        return flights

    async def beat(self, flights: RedisFlights) -> None:
        """Say that it lives, and mark what it is told to."""
        await flights.beat()
        await flights.seeded()

    def slot(self, key: bytes) -> bytes:
        """The hash that an entry is in."""
        return self.keys.flights(key[0] % SHARDS)

    def bury(self, name: int) -> None:
        """Worker `name` has said nothing for so long that it is dead."""
        with self.server.client() as client:
            for shard in range(SHARDS):
                client.hdel(self.keys.flights(shard), f"@node/{name}")

    async def close(self) -> None:
        await self._open.aclose()

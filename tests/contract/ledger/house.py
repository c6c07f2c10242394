"""Workers that share one Redis and one set of records, for tests."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Sequence
from contextlib import AsyncExitStack

from gateway.config.redis import RedisSettings
from gateway.errors import StoreUnavailable
from gateway.state.redis.calls import Calls
from gateway.state.redis.flights import RedisFlights
from gateway.state.redis.keys import SHARDS, Keys
from gateway.state.redis.scripts import Script
from gateway.state.redis.wire import Arg, Reply
from tests.servers.cluster import RedisCluster
from tests.servers.redis import RedisServer, RedisSet


class Troubled(Calls):
    """Calls whose scripts do not reach Redis, or are carried out while nothing is heard of it."""

    is_away = False
    away: Collection[bytes] = ()
    """Keys whose server is away."""
    is_deaf = False

    def send_script(
        self, script: Script, keys: Sequence[bytes], args: Sequence[Arg] = ()
    ) -> asyncio.Future[Reply]:
        unheard: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        if self.is_away or keys[0] in self.away:
            unheard.set_exception(StoreUnavailable("away"))
            return unheard
        sent = super().send_script(script, keys, args)
        if not self.is_deaf:
            return sent
        sent.add_done_callback(lambda _: unheard.set_exception(StoreUnavailable("not heard")))
        return unheard


class House:
    """The records are a set of keys; time that workers measure passes when told to."""

    def __init__(self, server: RedisServer | RedisSet | RedisCluster, prefix: str = "test") -> None:
        self.server = server
        self.keys = Keys(prefix)
        self.stored: set[bytes] = set()
        self.now = 1_000.0
        self.starts = 0
        self.calls: dict[int, Troubled] = {}
        """Of the last start of each worker."""
        self.last: RedisFlights
        """Of the last start of all, also while it is starting."""
        self._open = AsyncExitStack()

    async def load(self) -> Iterable[bytes]:
        return list(self.stored)

    async def worker(self, name: int, closed: float = 0.0) -> RedisFlights:
        """A start of worker `name`, which has said that it lives."""
        asking = Troubled(RedisSettings(**self.server.settings(timeout=2.0)))
        await asking.start()
        self._open.push_async_callback(asking.close)
        self.starts += 1
        self.calls[name] = asking
        flights = self.last = RedisFlights(
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

    def open(self, server: RedisServer | RedisCluster | None = None) -> None:
        """As much time has passed as slots stay closed."""
        with (server or self.server).client() as client:
            for shard in range(SHARDS):
                client.hset(self.keys.flights(shard), "#opens", 0)

    async def aclose(self) -> None:
        await self._open.aclose()

"""The index in every arrangement of Redis servers, and with no more rights than the page names."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from secrets import token_hex
from typing import Any

import pytest

from gateway.config.redis import RedisSettings
from gateway.errors import StoreUnavailable
from gateway.message.address import parse_mailbox
from gateway.records import feed
from gateway.records.database import Database
from gateway.records.index_builder import build
from gateway.records.index_check import State, check_shard
from gateway.records.index_publisher import IndexPublisher
from gateway.records.index_standings import IndexStandings
from gateway.records.standings import SqliteStandings
from gateway.records.suppressions import Draft, add
from gateway.records.watch import SqliteWatch
from gateway.state.redis.calls import Calls
from gateway.state.redis.index import RedisIndex
from gateway.state.redis.keys import SHARDS, Keys
from policies.terms import StreamTerms
from suppression.keys import Keyring
from suppression.listfile import read_target
from suppression.standing import Reason
from tests.contract.index.world import NOW, Counted
from tests.contract.state.redis.acl import restricted
from tests.servers.cluster import RedisCluster
from tests.servers.redis import RedisServer, RedisSet

pytestmark = pytest.mark.parametrize("records_in", ["sqlite"])


class Site:
    """Records with an index, wherever Redis is."""

    def __init__(
        self, database: Database, keyring: Keyring, stream: StreamTerms, settings: RedisSettings
    ) -> None:
        self.database = database
        self._keyring = keyring
        self._stream = stream
        self.publisher = IndexPublisher(settings)
        self.calls = Calls(settings)
        self.counted = Counted()
        self._standings = IndexStandings(
            RedisIndex(self.calls, Keys(settings.prefix)),
            SqliteWatch(database.path),
            SqliteStandings(database.path, keyring, lambda: NOW),
            keyring,
            lambda: NOW,
            answered=self.counted,
        )

    def put(self, target: str) -> None:
        """Suppress an address."""
        with self.database.transaction() as connection:
            draft = Draft(Reason.COMPLAINT, "acme", "operator", "test")
            add(connection, self._keyring, read_target(target), draft, NOW)

    async def stopped(self, *texts: str) -> list[bool]:
        """Whether anything stops mail to each address."""
        group = [parse_mailbox(text) for text in texts]
        found = await self._standings.look_up(self._stream, group)
        return [bool(one.matches) for one in found]

    async def works(self) -> None:
        """What is suppressed is found, the rest by the index alone, and each shard is proven."""
        free = [f"free{n}@d{n}.example" for n in range(40)]
        self.counted.by_index = 0
        async with asyncio.timeout(60):  # until its own connection knows the server, too
            while self.counted.by_index != len(free):
                # As the index keeper does: a primary that was replaced while it took a change
                # loses it, and whoever publishes next brings it in.
                await asyncio.to_thread(self.publisher.publish, self.database)
                self.counted.by_index = 0
                assert not any(await self.stopped(*free))
        target = f"{token_hex(4)}@x.example"
        await asyncio.to_thread(self.put, target)
        assert await self.stopped(target, *free) == [True] + [False] * len(free)
        for shard in range(SHARDS):
            checked = await asyncio.to_thread(check_shard, self.database, self.publisher, shard)
            assert checked.state is State.PROVEN

    async def recovered(self, work: Callable[[], Awaitable[object]]) -> None:
        """Do it as soon as Redis can serve; meanwhile who is suppressed stays so."""
        async with asyncio.timeout(60):
            while True:
                try:
                    await work()
                    return
                except StoreUnavailable:
                    assert await self.stopped("early@x.example") == [True]
                    await asyncio.sleep(0.05)


Open = Callable[[dict[str, Any] | RedisSettings], Any]


@pytest.fixture
def site(database: Database, keyring: Keyring, stream: StreamTerms) -> Open:
    """Opens a site over servers."""

    @asynccontextmanager
    async def open_site(section: dict[str, Any] | RedisSettings) -> AsyncIterator[Site]:
        settings = section if isinstance(section, RedisSettings) else RedisSettings(**section)
        with database.transaction() as connection:
            feed.enable(connection)
        site = Site(database, keyring, stream, settings)
        await asyncio.to_thread(build, database, site.publisher)
        database.publisher = site.publisher
        await site.calls.start()
        try:
            yield site
        finally:
            database.publisher = None
            await asyncio.to_thread(site.publisher.close)
            await site.calls.close()

    return open_site


async def test_a_cluster_of_three_masters(site: Open, redis_cluster: RedisCluster) -> None:
    """Shards are wherever the Cluster has their slots; a look-up asks all masters at once."""
    async with site(redis_cluster.settings()) as there:
        await there.works()
        assert all(master.ask("DBSIZE") for master in redis_cluster.masters)


async def test_a_primary_with_sentinels_that_fails_over(site: Open, redis_set: RedisSet) -> None:
    """Nobody suppressed is free at any moment of it, and the new primary is followed."""
    async with site(redis_set.settings()) as there:
        await there.works()
        await asyncio.to_thread(there.put, "early@x.example")
        failing = asyncio.create_task(asyncio.to_thread(redis_set.failover))
        while not failing.done():
            assert await there.stopped("early@x.example", "free@x.example") == [True, False]
            await asyncio.sleep(0.01)
        await failing
        await there.recovered(lambda: asyncio.to_thread(there.put, "late@x.example"))
        await there.recovered(there.works)
        assert await there.stopped("early@x.example", "late@x.example") == [True, True]


async def test_a_user_with_the_rights_of_the_page(site: Open, redis_server: RedisServer) -> None:
    """Building, following, looking up, checking and sweeping need nothing else."""
    async with restricted(redis_server) as settings, site(settings) as there:
        await there.works()
        await asyncio.to_thread(build, there.database, there.publisher)
        await there.works()

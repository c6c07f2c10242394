"""The index over the test's records, in a real Redis."""

from collections.abc import AsyncIterator, Iterator

import pytest

from gateway.records.database import Database
from policies.terms import StreamTerms
from suppression.keys import Keyring
from tests.contract.index.world import World
from tests.servers.redis import RedisServer


@pytest.fixture(autouse=True)
def _all_the_time() -> Iterator[None]:
    """The records may take as long for an answer as a slow machine needs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gateway.records.postgres_reader.PATIENCE", 60.0)
        yield


@pytest.fixture
async def world(
    database: Database, keyring: Keyring, stream: StreamTerms, shared_redis: RedisServer
) -> AsyncIterator[World]:
    """Records with an index that is built and followed."""
    world = await World.of(database, keyring, stream, shared_redis)
    yield world
    await world.close()


@pytest.fixture
def standings(world: World) -> World:
    """What the contract of look-ups is tested on."""
    return world

"""Blocks over records that nodes share: in force by news with a claim, or within a look's time."""

import time
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text

from gateway.config.records import PostgresSettings
from gateway.errors import StoreUnavailable
from gateway.records.blocks import VERSION_IS
from gateway.records.database import Database
from gateway.records.index_publisher import IndexPublisher
from gateway.records.postgres_reader import PostgresReader
from gateway.records.shared_blocks import SharedBlocks
from gateway.records.watch import FRESH, RecordsWatch
from policies.ports import Block
from suppression.keys import Keyring
from tests.contract.index.world import World
from tests.contract.records.cases_world import Book, rules_of
from tests.contract.records.test_blocks import (  # noqa: F401 - collected here again
    book,
    test_a_block_on_all_tenants_and_a_second_block,
    test_a_domain_that_two_cases_block_is_free_when_the_last_lifts,
    test_a_first_notice_ends_its_mailing,
    test_an_ended_service_blocks_whatever_is_sent,
    test_one_domain_of_a_case_can_be_freed_alone,
    test_probation_leaves_a_share_that_grows,
)

pytestmark = pytest.mark.parametrize("records_in", ["postgresql"])


class Looking(SharedBlocks):
    """A worker's look-up whose watch has just looked."""

    def __init__(self, reader: PostgresReader, watch: RecordsWatch) -> None:
        super().__init__(reader, watch)
        self.watched = watch

    async def find(self, tenant: str, domain: str) -> Block | None:
        await self.watched.look()
        return await super().find(tenant, domain)


@pytest.fixture
async def reader(database: Database) -> AsyncIterator[PostgresReader]:
    """A worker's connection to the records."""
    place = database.store.place
    assert isinstance(place, PostgresSettings)
    reader = PostgresReader(place, database.store.identity)
    yield reader
    await reader.close()


@pytest.fixture
def watch(reader: PostgresReader) -> RecordsWatch:
    """A watch that looks when it is told to."""
    return RecordsWatch(reader, tuple)


@pytest.fixture
def found(reader: PostgresReader, watch: RecordsWatch) -> SharedBlocks:
    """What the contract of blocks is tested on."""
    return Looking(reader, watch)


async def test_news_that_comes_with_a_claim_is_read_at_once(
    world: World, database: Database, keyring: Keyring
) -> None:
    """The commit that blocks tells Redis; whoever hears of it reads again, and nobody else."""
    assert world.reader is not None
    assert isinstance(world.watch, RecordsWatch)
    blocks = SharedBlocks(world.reader, world.watch)
    await world.watch.look()
    assert await blocks.find("acme", "acme.example") is None
    Book(database, rules_of(keyring)).take()
    assert not blocks.is_stale()
    assert await blocks.find("acme", "acme.example") is None  # no news yet
    mark = await world.calls.do("GET", world.keys_of().blocks)
    assert isinstance(mark, bytes)
    blocks.hear(mark)
    assert blocks.is_stale()
    assert await blocks.find("acme", "acme.example") is not None
    assert not blocks.is_stale()
    blocks.hear(mark)
    assert not blocks.is_stale()
    assert await blocks.lifts("acme") == 0


async def test_old_news_are_not_believed_for_long(
    reader: PostgresReader, database: Database, keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When nothing can be watched, each look-up reads, and fails when that fails."""
    watch = RecordsWatch(reader, tuple)
    blocks = SharedBlocks(reader, watch)
    await watch.look()
    assert await blocks.find("acme", "acme.example") is None
    Book(database, rules_of(keyring)).take()
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + FRESH)
    assert await blocks.find("acme", "acme.example") is not None
    await reader.close()
    with pytest.raises(StoreUnavailable):
        await blocks.find("acme", "acme.example")


async def test_a_server_that_lost_commits_does_not_hide_the_next_block(
    reader: PostgresReader, database: Database, keyring: Keyring
) -> None:
    """Its version goes back, and the next block has the number of the one that is lost."""
    watch = RecordsWatch(reader, tuple)
    blocks = SharedBlocks(reader, watch)
    Book(database, rules_of(keyring)).take()
    await watch.look()
    assert await blocks.find("acme", "acme.example") is not None
    with database.transaction() as connection:
        (version,) = connection.execute(text(VERSION_IS)).one()
        for change in ("DELETE FROM blocks", "UPDATE meta SET value = '0' WHERE value = :version"):
            connection.execute(text(change), {"version": version})
    await watch.look()
    with database.transaction() as connection:
        connection.execute(
            text("UPDATE meta SET value = :version WHERE name = 'blocks:version'"),
            {"version": version},
        )
    await watch.look()
    assert await blocks.find("acme", "acme.example") is None


async def test_a_process_knows_at_once_what_it_has_published_itself(world: World) -> None:
    """Its own look-ups ask for no less."""
    assert isinstance(world.watch, RecordsWatch)
    assert isinstance(world.database.publisher, IndexPublisher)
    before = world.watch.known()
    world.database.publisher.published = world.watch.heard
    world.put("a@x.example")
    after = world.watch.known()
    assert before is not None
    assert after is not None
    assert after.n > before.n

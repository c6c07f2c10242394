"""One connection for all questions: whoever hangs up, each gets its own answer or none."""

import asyncio
import random
from collections.abc import AsyncIterator

import pytest

from gateway.config.records import PostgresSettings
from gateway.errors import StoreUnavailable
from gateway.message.address import parse_mailbox
from gateway.records.database import Database
from gateway.records.postgres_reader import PostgresReader
from gateway.records.postgres_standings import PostgresStandings
from gateway.records.suppressions import Draft, add
from policies.terms import StreamTerms
from suppression.keys import Keyring
from suppression.listfile import read_target
from suppression.standing import Reason
from tests.contract.index.world import NOW
from tests.servers.postgres import PostgresServer

pytestmark = pytest.mark.parametrize("records_in", ["postgresql"])


@pytest.fixture
async def reader(database: Database) -> AsyncIterator[PostgresReader]:
    place = database.store.place
    assert isinstance(place, PostgresSettings)
    reader = PostgresReader(place, database.store.identity)
    yield reader
    await reader.close()


async def test_no_answer_reaches_another_question(
    database: Database,
    keyring: Keyring,
    stream: StreamTerms,
    reader: PostgresReader,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of 400 look-ups half are given up at any moment; each of the rest finds its own."""
    monkeypatch.setattr("gateway.records.postgres_reader.PATIENCE", 60.0)
    entries = {}
    with database.transaction() as connection:
        for n in range(0, 100, 2):
            draft = Draft(Reason.COMPLAINT, "acme", "operator", "test")
            target = read_target(f"u{n}@d{n}.example")
            entries[n] = add(connection, keyring, target, draft, NOW)[0]
    standings = PostgresStandings(reader, keyring, lambda: NOW)
    chance = random.Random(1)

    async def ask(n: int) -> None:
        found = await standings.look_up(stream, [parse_mailbox(f"u{n}@d{n}.example")])
        assert [[match.entry for match in one.matches] for one in found] == [
            [entries[n]] if n in entries else []
        ]

    tasks = []
    for _ in range(400):
        tasks.append(asyncio.create_task(ask(chance.randrange(100))))
        if chance.random() < 0.3:
            await asyncio.sleep(0)
        if chance.random() < 0.5:
            chance.choice(tasks).cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert not [one for one in results if isinstance(one, Exception)]
    assert 50 < sum(one is None for one in results) < 400


async def test_a_cut_connection_costs_its_question_only(
    reader: PostgresReader, postgres_server: PostgresServer
) -> None:
    """The server ends it: StoreUnavailable, at once, and soon a new connection."""
    ((name,),) = await reader.ask("SELECT current_database()")
    postgres_server.terminate(name)
    with pytest.raises(StoreUnavailable):
        await reader.ask("SELECT 1")
    with pytest.raises(StoreUnavailable):
        await reader.ask("SELECT 1")  # fails fast
    assert not reader.is_connected
    async with asyncio.timeout(60):
        while not reader.is_connected:
            try:
                assert await reader.ask("SELECT 1") == [(1,)]
            except StoreUnavailable:
                await asyncio.sleep(0.02)


async def test_a_late_answer_is_given_up_and_reaches_nobody(
    reader: PostgresReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A question that takes too long ends its connection, and the next gets its own answer."""
    monkeypatch.setattr("gateway.records.postgres_reader.PATIENCE", 0.2)
    with pytest.raises(StoreUnavailable):
        await reader.ask("SELECT 99, pg_sleep(3)")
    monkeypatch.undo()
    async with asyncio.timeout(60):
        while True:
            try:
                assert await reader.ask("SELECT 1") == [(1,)]
                break
            except StoreUnavailable:
                await asyncio.sleep(0.02)


async def test_another_database_is_not_read(database: Database) -> None:
    """Behind the address stands one that was begun anew: nobody is answered from it."""
    place = database.store.place
    assert isinstance(place, PostgresSettings)
    reader = PostgresReader(place, "another")
    with pytest.raises(StoreUnavailable, match="not the database"):
        await reader.ask("SELECT 1")
    await reader.close()

"""The index over SQLite and over PostgreSQL, in a real Redis."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from gateway.records.database import Database, open_database
from gateway.records.keyring import open_keyring
from gateway.records.store import Place
from gateway.records.streams import numbering
from gateway.words import StreamKind
from policies.terms import Limits, StreamTerms
from suppression.keys import Keyring
from tests.contract.index.world import World
from tests.contract.records.places import NODE, OwnDatabase
from tests.servers.postgres import PostgresServer
from tests.servers.redis import RedisServer


@pytest.fixture(scope="session")
def indexed_database(postgres_server: PostgresServer) -> OwnDatabase:
    """A database on PostgreSQL, to be emptied for each test."""
    return OwnDatabase(postgres_server)


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Where the test's records are to be."""
    if request.param == "sqlite":
        return tmp_path / "consentry.db"
    own: OwnDatabase = request.getfixturevalue("indexed_database")
    return own.emptied()


@pytest.fixture
def database(place: Place, tmp_path: Path) -> Iterator[Database]:
    database = open_database(place, tmp_path / "opt-outs.log", node=NODE)
    yield database
    database.close()


@pytest.fixture
def keyring(database: Database, tmp_path: Path) -> Keyring:
    return open_keyring(database, tmp_path / "secrets" / "keyring.json")


@pytest.fixture
def stream(database: Database) -> StreamTerms:
    """`acme/weekly`, a list."""
    number = numbering(database)("acme", "weekly")
    return StreamTerms("acme", "weekly", number, StreamKind.LIST, Limits())


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

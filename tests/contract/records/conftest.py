"""A real database, its keyring, and a stream to ask for: the same suite on every kind of records.

Every test that has a `database` runs on a SQLite file and on PostgreSQL, but those marked
`sqlite_file`, which are about the file itself.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.cli import app
from gateway.records.database import Database, open_database
from gateway.records.keyring import open_keyring
from gateway.records.store import Place
from gateway.records.streams import numbering
from gateway.words import StreamKind
from policies.terms import Limits, StreamTerms
from suppression.keys import Keyring
from tests.contract.records.places import NODE, LookUp, OwnDatabase
from tests.servers.postgres import PostgresServer

NOW = 1_800_000_000.0


@pytest.fixture(scope="session")
def initialised(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as `consentry init` makes it, to be copied: its keys take a second to make."""
    folder = tmp_path_factory.mktemp("initialised") / "etc"
    made = CliRunner().invoke(app, ["init", str(folder), "--hostname", "mail.example.com"])
    assert made.exit_code == 0, made.output
    return folder


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what has a database on both kinds."""
    if "records_in" in metafunc.fixturenames:
        # The look-up of blocks on PostgreSQL has tests of its own.
        is_file = "found" in metafunc.fixturenames
        is_file |= metafunc.definition.get_closest_marker("sqlite_file") is not None
        metafunc.parametrize("records_in", ["sqlite"] if is_file else ["sqlite", "postgresql"])


@pytest.fixture(scope="session")
def own_database(postgres_server: PostgresServer) -> OwnDatabase:
    """The run's database on PostgreSQL, to be emptied for each test."""
    return OwnDatabase(postgres_server)


@pytest.fixture
def place(records_in: str, tmp_path: Path, request: pytest.FixtureRequest) -> Place:
    """Where the test's records are to be: nothing is there yet, or nothing any more."""
    if records_in == "sqlite":
        return tmp_path / "consentry.db"
    own: OwnDatabase = request.getfixturevalue("own_database")
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
def standings(database: Database, keyring: Keyring) -> Iterator[LookUp]:
    standings = LookUp(database, keyring, lambda: NOW)
    yield standings
    standings.close()

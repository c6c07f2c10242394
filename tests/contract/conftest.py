"""Records of a test's own, their keyring, and a stream to ask for: on every kind of records.

Every test that has a `database` runs on a SQLite file and on PostgreSQL, but those marked
`sqlite_file`, which are about the file itself. The desk, the status pages and the API bring a
database of their own.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.records.database import Database, open_database
from gateway.records.keyring import open_keyring
from gateway.records.store import Place
from gateway.records.streams import numbering
from gateway.words import StreamKind
from policies.terms import Limits, StreamTerms
from suppression.keys import Keyring
from tests.contract.records.places import NODE, MadeFile, OwnDatabase
from tests.servers.postgres import PostgresServer


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what has a database on both kinds, unless a test names its own."""
    marks = metafunc.definition.iter_markers("parametrize")
    is_named = any(mark.args[0] == "records_in" for mark in marks)
    if "records_in" in metafunc.fixturenames and not is_named:
        # The look-up of blocks on PostgreSQL has tests of its own.
        is_file = "found" in metafunc.fixturenames
        is_file |= metafunc.definition.get_closest_marker("sqlite_file") is not None
        metafunc.parametrize("records_in", ["sqlite"] if is_file else ["sqlite", "postgresql"])


@pytest.fixture(scope="session")
def own_database(postgres_server: PostgresServer) -> OwnDatabase:
    """The run's database on PostgreSQL, to be emptied for each test."""
    return OwnDatabase(postgres_server)


@pytest.fixture(scope="session")
def made_file(tmp_path_factory: pytest.TempPathFactory) -> MadeFile:
    """Empty records in a file, to be copied for each test."""
    return MadeFile(tmp_path_factory.mktemp("made"))


@pytest.fixture
def place(records_in: str, tmp_path: Path, request: pytest.FixtureRequest) -> Place:
    """Where the test's records are to be: nothing is there yet, or nothing any more."""
    if records_in == "sqlite":
        return tmp_path / "consentry.db"
    own: OwnDatabase = request.getfixturevalue("own_database")
    return own.emptied()


@pytest.fixture
def database(place: Place, tmp_path: Path, made_file: MadeFile) -> Iterator[Database]:
    """The test's records, empty."""
    log = tmp_path / "opt-outs.log"
    if isinstance(place, Path):
        made_file.copy_to(place, log)
    database = open_database(place, log, node=NODE)
    yield database
    database.close()


@pytest.fixture
def keyring(database: Database, tmp_path: Path) -> Keyring:
    """Their keyring."""
    return open_keyring(database, tmp_path / "secrets" / "keyring.json")


@pytest.fixture
def stream(database: Database) -> StreamTerms:
    """`acme/weekly`, a list."""
    number = numbering(database)("acme", "weekly")
    return StreamTerms("acme", "weekly", number, StreamKind.LIST, Limits())

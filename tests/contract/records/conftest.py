"""A real database in a temporary folder, its keyring, and a stream to ask for."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.cli import app
from gateway.records.database import Database, open_database
from gateway.records.keyring import open_keyring
from gateway.records.standings import SqliteStandings
from gateway.records.streams import numbering
from gateway.words import StreamKind
from policies.terms import Limits, StreamTerms
from suppression.keys import Keyring

NOW = 1_800_000_000.0


@pytest.fixture(scope="session")
def initialised(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as `consentry init` makes it, to be copied: its keys take a second to make."""
    folder = tmp_path_factory.mktemp("initialised") / "etc"
    made = CliRunner().invoke(app, ["init", str(folder), "--hostname", "mail.example.com"])
    assert made.exit_code == 0, made.output
    return folder


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = open_database(tmp_path / "consentry.db")
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
def standings(database: Database, keyring: Keyring) -> Iterator[SqliteStandings]:
    standings = SqliteStandings(database.path, keyring, lambda: NOW)
    yield standings
    standings.close()

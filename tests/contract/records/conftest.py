"""Look-ups over the test's records, and a configured gateway for commands."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.cli import app
from gateway.records.database import Database
from suppression.keys import Keyring
from tests.contract.records.places import LookUp

NOW = 1_800_000_000.0


@pytest.fixture(scope="session")
def initialised(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as `consentry init` makes it, to be copied: its keys take a second to make."""
    folder = tmp_path_factory.mktemp("initialised") / "etc"
    made = CliRunner().invoke(app, ["init", str(folder), "--hostname", "mail.example.com"])
    assert made.exit_code == 0, made.output
    return folder


@pytest.fixture
def standings(database: Database, keyring: Keyring) -> Iterator[LookUp]:
    standings = LookUp(database, keyring, lambda: NOW)
    yield standings
    standings.close()

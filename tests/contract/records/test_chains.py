"""`consentry audit`: any change to the trail is found, and so is an end that was cut off."""

import asyncio
import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.cli import app
from gateway.config.load import load
from gateway.config.model import GatewayConfig
from gateway.events import Event
from gateway.jobs import head_job
from gateway.journal import Journal
from gateway.message.address import parse_mailbox
from gateway.records import audit, chains, proofs
from gateway.records.database import Database, open_database
from gateway.records.proofs import Asking
from suppression.keys import Keyring

RUNNER = CliRunner()
CHANGES = [
    "DELETE FROM audit WHERE id = 2",
    *(
        f"UPDATE audit SET {change} WHERE id = 2"
        for change in (
            "id = 99",
            "at = at + 1",
            "actor = actor || ' '",
            "action = 'suppression.lifted'",
            "scope = 'acme'",
            "key = NULL",
            "key = randomblob(16)",
            "detail = replace(detail, '2', '3')",
            "digest = zeroblob(32)",
        )
    ),
]


@pytest.fixture(scope="module")
def filled(initialised: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A configuration as `consentry init` makes it, with three protected addresses."""
    folder = tmp_path_factory.mktemp("filled") / "etc"
    shutil.copytree(initialised, folder)
    for name in ("a", "b", "c"):
        protect = ("suppress", "add", f"{name}@x.example", "--reason", "protected", "--scope", "*")
        _run(*protect, "--by", name, "-c", str(folder / "consentry.yaml"))
    return folder


@pytest.fixture
def house(filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> GatewayConfig:
    """The same for one test alone."""
    folder = tmp_path / "etc"
    shutil.copytree(filled, folder)
    monkeypatch.setenv("CONSENTRY_CONFIG", str(folder / "consentry.yaml"))
    return load(folder / "consentry.yaml").config


def _run(*arguments: str, status: int = 0) -> str:
    result = RUNNER.invoke(app, arguments)
    assert result.exit_code == status, (result.output, result.exception)
    return result.stdout


def _verdicts(*options: str, status: int = 0) -> dict[str, dict[str, object]]:
    rows = json.loads(_run("audit", "verify", "--json", *options, status=status))
    return {row["chain"]: row for row in rows}


def _change_rows(database: Database, *statements: str) -> None:
    with database.transaction() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def _change(house: GatewayConfig, statement: str) -> None:
    assert isinstance(house.database, Path)
    with closing(sqlite3.connect(house.database)) as connection:
        connection.executescript(statement)
        connection.commit()


def _note_heads(house: GatewayConfig) -> None:
    """What the web process's job writes into the journal."""
    journal = Journal(house.state_dir / "journal", "web", 10**6, 3)
    database = open_database(house.database, house.opt_out_log)
    asyncio.run(head_job(database, journal.emit, lambda: 1_900_000_000.0).run())
    database.close()
    journal.close()


def test_whole_chains_hold(house: GatewayConfig) -> None:
    """An untouched trail verifies, with the heads that the journal has."""
    _note_heads(house)
    _run("suppress", "add", "d@x.example", "--reason", "protected", "--scope", "*")
    found = _verdicts("--journal")
    assert {name: row["holds"] for name, row in found.items()} == {"audit": True, "opt-outs": True}
    assert [row["heads_compared"] for row in found.values()] == [1, 1]


def test_any_change_in_the_trail_is_found(house: GatewayConfig) -> None:
    """Whatever is altered, moved or taken out of the middle: the first bad record is named."""
    database = open_database(house.database, house.opt_out_log)
    for statement in CHANGES:
        _change(house, f"CREATE TABLE kept AS SELECT * FROM audit; {statement}")
        with database.reading() as connection:
            assert audit.verify(connection) == 2, statement
        _change(house, "DELETE FROM audit; INSERT INTO audit SELECT * FROM kept; DROP TABLE kept")
        with database.reading() as connection:
            assert audit.verify(connection) is None
    database.close()
    _change(house, CHANGES[0])
    assert _verdicts(status=1)["audit"]["first_bad"] == 2


def test_a_cut_off_end_is_found_by_the_journal(house: GatewayConfig) -> None:
    """The chain alone is whole again without its last record; the head noted elsewhere is not."""
    _note_heads(house)
    _change(house, "DELETE FROM audit WHERE id = 3")
    assert _verdicts()["audit"]["holds"] is True
    found = _verdicts("--journal", status=1)
    assert (found["audit"]["first_bad"], found["opt-outs"]["holds"]) == (3, True)


def test_an_altered_opt_out_log_is_found(house: GatewayConfig) -> None:
    """One octet in the middle of the log."""
    content = house.opt_out_log.read_bytes()
    house.opt_out_log.write_bytes(content.replace(b'"source"', b'"SOURCE"', 1))
    assert _verdicts(status=1)["opt-outs"]["holds"] is False


def test_what_a_restore_replaced_is_no_cut(house: GatewayConfig) -> None:
    """Heads noted between backup and restore are told apart: the trail says who restored."""
    (row,) = json.loads(_run("backup", str(house.state_dir.parent / "b"), "--json"))
    _run("suppress", "add", "d@x.example", "--reason", "protected", "--scope", "*")
    journal = Journal(house.state_dir / "journal", "web", 10**6, 3)
    database = open_database(house.database, house.opt_out_log)
    found: list[Event] = []
    with database.reading() as connection:
        made = connection.exec_driver_sql("SELECT max(at) FROM audit").scalar_one()
    asyncio.run(head_job(database, found.append, lambda: made).run())
    journal.emit(found[0])
    database.close()
    journal.close()
    _run("restore", row["backup"])
    verdict = _verdicts("--journal")["audit"]
    assert (verdict["holds"], verdict["heads_replaced"]) == (True, 1)


def test_the_trail_is_searched(house: GatewayConfig) -> None:
    """By who, what, where, whom and since when; newest first."""

    def found(*options: str) -> list[object]:
        return [row["actor"] for row in json.loads(_run("audit", "list", "--json", *options))]

    assert found("--action", "suppression.added") == ["c", "b", "a"]
    assert found("--action", "suppression.", "--limit", "1") == ["c"]
    assert found("--actor", "b") == ["b"]
    assert found("--address", "A+tag@X.example") == ["a"]
    assert found("--scope", "*", "--actor", "c") == ["c"]
    assert found("--scope", "example") == []
    assert found("--since", "2099-01-01") == []
    assert "suppression.added" in _run("audit", "list")


def test_proofs_are_walked_and_compared(database: Database, keyring: Keyring) -> None:
    """A changed step, a step cut off and all proofs of a tenant gone: each is named."""
    address = parse_mailbox("jan@x.example")
    asking = Asking("acme", "weekly", address, "I agree.", "en", "form")
    with database.transaction() as connection:
        proof = proofs.request(connection, keyring, asking, 1_000.0)
        proofs.revoke(connection, keyring, proof.tracking, "recipient", "", 2_000.0)
    with database.reading() as connection:
        noted = list(chains.noted_in(3_000.0, chains.heads(connection)))

    def found(compared: bool) -> chains.Chain:
        with database.reading() as connection:
            log = database.opt_outs
            *_, last = chains.verify(connection, log, noted if compared else ())
        return last

    whole = found(compared=True)
    assert (whole.name, whole.records, whole.bad, whole.heads) == ("proofs of acme", 2, None, 1)
    _change_rows(database, "UPDATE proof_steps SET at = at + 1 WHERE number = 2")
    assert found(compared=False).bad == 2
    _change_rows(
        database,
        "DELETE FROM proof_steps WHERE number = 2",
        "UPDATE proofs SET status = 'requested'",
    )
    assert found(compared=False).bad is None
    assert found(compared=True).bad == 2
    _change_rows(database, "DELETE FROM proof_steps", "DELETE FROM proofs")
    lost = found(compared=True)
    assert (lost.name, lost.bad) == ("proofs of acme", 1)

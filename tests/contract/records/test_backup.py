"""`consentry backup`, `restore` and `opt-outs accept`: what comes back, and what is refused."""

import json
import shutil
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.cli import app
from gateway.commands.running import stopped
from gateway.config.load import load
from gateway.config.model import GatewayConfig
from gateway.records import opt_outs
from gateway.records.backup import check, make_backup
from gateway.records.database import open_database
from suppression.keys import Keyring

RUNNER = CliRunner()
ADD = ("--reason", "protected", "--scope", "*")


@pytest.fixture
def house(initialised: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> GatewayConfig:
    """A configuration as `consentry init` makes it, with one protected address."""
    folder = tmp_path / "etc"
    shutil.copytree(initialised, folder)
    monkeypatch.setenv("CONSENTRY_CONFIG", str(folder / "consentry.yaml"))
    _run("suppress", "add", "before@x.example", *ADD)
    return load(folder / "consentry.yaml").config


def _run(*arguments: str, status: int = 0) -> str:
    result = RUNNER.invoke(app, arguments)
    assert result.exit_code == status, (result.output, result.exception)
    return result.stdout + (str(result.exception) if result.exception else "")


def _backup(house: GatewayConfig, *options: str) -> Path:
    folder = house.state_dir.parent / "backups"
    (row,) = json.loads(_run("backup", str(folder), "--json", *options))
    return Path(row["backup"])


def _is_known(address: str) -> bool:
    return RUNNER.invoke(app, ("suppress", "find", address)).exit_code == 0


def _trail(house: GatewayConfig) -> dict[str, dict[str, object]]:
    with closing(sqlite3.connect(house.database)) as connection:
        return {
            action: json.loads(detail)
            for action, detail in connection.execute("SELECT action, detail FROM audit")
        }


def test_later_opt_outs_come_back(house: GatewayConfig) -> None:
    """After a restore into an empty state folder, who opted out since the backup is out."""
    made = _backup(house)
    _run("suppress", "add", "after@x.example", *ADD)
    shutil.rmtree(house.state_dir)
    _run("restore", str(made))
    assert _is_known("before@x.example")
    assert _is_known("after@x.example")
    assert _trail(house)["backup.restored"]["opt_outs_replayed"] == 1
    assert [path.stat().st_mode & 0o777 for path in (made, *made.iterdir())] == [
        0o700,
        0o600,
        0o600,
    ]


def test_the_old_records_are_kept_aside(house: GatewayConfig) -> None:
    """A restore over records that are there destroys nothing."""
    made = _backup(house, "--journal")
    _run("suppress", "add", "after@x.example", *ADD)
    (row,) = json.loads(_run("restore", str(made), "--json"))
    assert (Path(row["old_records"]) / "consentry.db").exists()
    assert _is_known("after@x.example")


def test_a_restore_without_the_log_needs_a_reason(house: GatewayConfig) -> None:
    """Missing or shorter than the backup knows it: refused; with a reason it is audited."""
    made = _backup(house)
    house.opt_out_log.unlink()
    shutil.rmtree(house.state_dir)
    said = _run("restore", str(made), status=1)
    assert "--without-opt-outs" in said
    assert not house.database.exists()
    _run("restore", str(made), "--without-opt-outs", status=2)
    _run("restore", str(made), "--without-opt-outs", "--why", "both disks burnt")
    assert _is_known("before@x.example")
    trail = _trail(house)
    assert trail["backup.restored"]["without_opt_outs"] == "both disks burnt"
    assert trail["opt-outs.begun-anew"]["why"] == "both disks burnt"
    _run("suppress", "add", "later@x.example", *ADD)


def test_records_without_their_log_are_backed_up(house: GatewayConfig) -> None:
    """When the log is away a backup warns, and is whole."""
    house.opt_out_log.rename(house.opt_out_log.with_name("away"))
    made = _backup(house)
    house.opt_out_log.with_name("away").rename(house.opt_out_log)
    _run("restore", str(made))


def test_a_tampered_log_is_refused(house: GatewayConfig) -> None:
    """One changed octet anywhere in the log stops a restore."""
    made = _backup(house)
    _run("suppress", "add", "after@x.example", *ADD)
    content = bytearray(house.opt_out_log.read_bytes())
    content[-100] ^= 1
    house.opt_out_log.write_bytes(content)
    assert "is not what was written" in _run("restore", str(made), status=1)


@pytest.mark.parametrize("part", ["consentry.db", "manifest.json"])
def test_a_damaged_backup_is_refused(part: str, house: GatewayConfig) -> None:
    """No octet of a backup changes unnoticed, and the records in use stay as they are."""
    made = _backup(house)
    content = bytearray((made / part).read_bytes())
    content[len(content) // 2] ^= 1
    (made / part).write_bytes(content)
    _run("restore", str(made), status=1)
    assert _is_known("before@x.example")


def test_another_keyring_is_refused(house: GatewayConfig) -> None:
    """Under other keys nobody in the backup would be recognised."""
    made = _backup(house)
    house.keyring.unlink()
    Keyring.create(house.keyring)
    assert "is not the keyring" in _run("restore", str(made), status=1)
    assert not list(house.state_dir.glob("before-restore-*"))


def test_a_running_gateway_is_not_restored_over(house: GatewayConfig) -> None:
    """While a process holds its journal, neither a restore nor a new log is begun."""
    made = _backup(house)
    with stopped(house.state_dir):
        assert "stop it first" in _run("restore", str(made), status=1)
        assert "stop it first" in _run("opt-outs", "accept", "--why", "x", status=1)


def test_a_backup_is_one_state_while_others_write(
    house: GatewayConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Commits during a backup neither get into it in part nor make it start again."""
    monkeypatch.setattr("gateway.records.backup.SLICE_PAGES", 4)
    database = open_database(house.database, house.opt_out_log)
    pages: list[int] = []
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            with database.transaction() as connection:
                connection.exec_driver_sql(
                    "INSERT INTO meta VALUES (?, hex(randomblob(2000)))", (f"test:{number}",)
                )

    def copied(done: int, _of: int) -> None:
        pages.append(done)
        if len(pages) > 500:  # it would never end
            stop.set()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        made, _ = make_backup(
            house.database,
            house.state_dir.parent / "b",
            time.time(),
            progress=copied,
        )
    finally:
        stop.set()
        writer.join()
        database.close()
    assert len(pages) > 1
    assert pages == sorted(pages)
    assert check(made).audit_number > 0


def test_what_is_lost_can_be_accepted_with_a_reason(house: GatewayConfig) -> None:
    """A new log begins with everything in force, and the old one's erasures if they are legible."""
    database = open_database(house.database, house.opt_out_log)
    with database.transaction() as connection:
        opt_outs.note(connection, opt_outs.Erased((b"k" * 16,), "acme", 1))
    database.close()
    made = _backup(house)
    content = house.opt_out_log.read_bytes()
    house.opt_out_log.write_bytes(content.replace(b'"scope":"*"', b'"scope":"+"'))
    _run("opt-outs", "accept", "--why", "somebody edited it")
    database = open_database(house.database, house.opt_out_log, is_thorough=True)
    records = [opt_outs.decode(body) for _, body in database.opt_outs.file.records()]
    database.close()
    assert opt_outs.Erased((b"k" * 16,), "acme", 1) in records
    assert sum(isinstance(record, opt_outs.OptOuts) for record in records) == 1
    assert "lacks the" in _run("restore", str(made), status=1)
    assert _trail(house)["opt-outs.begun-anew"] == {
        "why": "somebody edited it",
        "seen": 3,
        "erasures_kept": 1,
    }


def test_the_ledger_stays_out_of_a_backup(house: GatewayConfig) -> None:
    """A copy that counted as taken then may be a new mail when the backup is restored."""
    with closing(sqlite3.connect(house.database)) as connection:
        kinds = [kind for _, _, kind, *_ in connection.execute("PRAGMA table_info(ledger)")]
        values = ",".join("x'01'" if kind == "BLOB" else "1" for kind in kinds)
        connection.execute(f"INSERT INTO ledger VALUES ({values})")
        connection.commit()
    made = _backup(house)
    with closing(sqlite3.connect(made / "consentry.db")) as connection:
        assert connection.execute("SELECT count(*) FROM ledger").fetchone() == (0,)


def test_a_restore_that_was_killed_is_run_again(
    house: GatewayConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between taking the old records away and putting the new ones there nothing can start."""
    made = _backup(house)
    _run("suppress", "add", "after@x.example", *ADD)
    real = Path.rename

    def rename(self: Path, target: Path) -> Path:
        if target == house.database:
            raise KeyboardInterrupt
        return real(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", rename)
        RUNNER.invoke(app, ("restore", str(made)))
    assert not house.database.exists()
    assert "is missing or empty" in _run("suppress", "find", "after@x.example", status=1)
    _run("restore", str(made))
    assert _is_known("before@x.example")
    assert _is_known("after@x.example")


def test_two_backups_within_a_second_are_both_kept(house: GatewayConfig) -> None:
    """The second gets a name of its own instead of failing on the first's."""
    folder, now = house.state_dir.parent / "b", time.time()
    made = [make_backup(house.database, folder, now)[0] for _ in range(2)]
    assert len({check(one).audit_number for one in made}) == 1
    assert sorted(folder.iterdir()) == made

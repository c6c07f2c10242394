"""The purge as it runs: by the web process once a day, and by `consentry purge`."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.cli import app
from gateway.config.journal import JournalSettings
from gateway.config.load import load
from gateway.config.model import GatewayConfig
from gateway.events import Event
from gateway.journal import Journal
from gateway.message.address import parse_mailbox
from gateway.privacy.purge import EVERY, purge_all, purge_job
from gateway.processes import JOURNAL_FOLDER
from gateway.records.database import Database, open_database
from gateway.records.erasure import erase
from gateway.records.keyring import open_keyring
from gateway.records.suppressions import Draft, add
from policies.terms import DAY
from suppression.keys import Keyring
from suppression.standing import Reason

from .conftest import NOW

RUNNER = CliRunner()
JAN = parse_mailbox("Jan@x.example")


class House:
    """Records and journal of a configuration as `consentry init` makes it."""

    def __init__(self, folder: Path) -> None:
        self.config: GatewayConfig = load(folder / "consentry.yaml").config
        self.database: Database = open_database(self.config.database, self.config.opt_out_log)
        self.keyring: Keyring = open_keyring(self.database, self.config.keyring)

    def write(self, *events: Event, end: float = 0.0) -> None:
        """A finished journal file that ended at `end`, or the one that is written to."""
        folder = self.config.state_dir / JOURNAL_FOLDER
        journal = Journal(folder, "smtp", 10_000_000, 30)
        for event in events:
            journal.emit(event)
        if end:
            journal.rotate()
            for path in folder.glob("smtp-*.jsonl"):
                os.utime(path, (end, end))
        journal.close()

    def files(self) -> list[str]:
        """The journal's files that hold anything."""
        found = (self.config.state_dir / JOURNAL_FOLDER).glob("*.jsonl")
        return sorted(path.name for path in found if path.stat().st_size)


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    folder = tmp_path / "etc"
    made = RUNNER.invoke(app, ["init", str(folder), "--hostname", "mail.example.com"])
    assert made.exit_code == 0, made.output
    monkeypatch.setenv("CONSENTRY_CONFIG", str(folder / "consentry.yaml"))
    return House(folder)


def test_old_journal_files_go(house: House) -> None:
    """Ninety days after its last line a file is gone; one a day younger is there."""
    house.write(Event("x.happened", NOW - 200 * DAY), end=NOW - 91 * DAY)
    assert purge_all(house.database, house.keyring, house.config, NOW, "ann", dry_run=True)[
        "journal_files"
    ] == len(house.files())
    house.write(Event("x.happened", NOW), end=0.0)
    assert purge_all(house.database, house.keyring, house.config, NOW, "ann")["journal_files"] == 1
    assert house.files() == ["smtp.jsonl"]


def test_a_slow_journal_is_begun_anew_so_that_it_can_go(house: House) -> None:
    """A file that takes years to fill would else keep its first line for years."""
    house.write(Event("x.happened", NOW - 20 * DAY))
    purge_all(house.database, house.keyring, house.config, NOW, "ann")
    (name,) = house.files()
    assert name.startswith("smtp-")


@pytest.mark.parametrize("is_rotated", [False, True])
def test_an_erasure_is_made_complete(house: House, is_rotated: bool) -> None:
    """Mail that was under way wrote the address afterwards: a day later it is masked, whichever
    generation of the keyring the tombstone was made under."""
    journal = JournalSettings(addresses=True)
    config = house.config.model_copy(update={"journal": journal})
    with house.database.transaction() as connection:
        draft = Draft(Reason.UNSUBSCRIBE, "example", "operator", "x")
        add(connection, house.keyring, JAN, draft, NOW)
        erase(connection, house.keyring, JAN, "", "ann", NOW)
    detail: dict[str, object] = {"recipients": [{"address": JAN.text}, {"address": "bo@x.example"}]}
    house.write(Event("message.relayed", NOW + 1, detail=detail))
    os.utime(config.state_dir / JOURNAL_FOLDER / "smtp.jsonl", (NOW + 1, NOW + 1))
    keyring = house.keyring.with_generation().using(1) if is_rotated else house.keyring
    done = purge_all(house.database, keyring, config, NOW + EVERY, "consentry")
    assert done["journal_lines_masked"] == 1
    (name,) = house.files()
    text = (config.state_dir / JOURNAL_FOLDER / name).read_text()
    assert "J***@x.example" in text
    assert "bo@x.example" in text
    assert JAN.text not in text


async def test_the_job_runs_once_a_day_whatever_restarts(house: House) -> None:
    """It looks at the mark in the records, and tells what went in one event."""
    now, told = [NOW], list[Event]()
    with house.database.transaction() as connection:
        draft = Draft(Reason.SOFT_BOUNCE, "example", "operator", "x")
        add(connection, house.keyring, JAN, draft, NOW - 5 * 365 * DAY)

    def current() -> GatewayConfig:
        return house.config

    first = purge_job(house.database, current, told.append, lambda: now[0])
    assert await first.run() > 0
    again = purge_job(house.database, current, told.append, lambda: now[0])
    now[0] += EVERY - 1
    assert await again.run() == 0
    assert [event.kind for event in told] == ["records.purged"]
    assert told[0].detail["suppressions_expired"] == 1
    now[0] += 1
    await again.run()
    assert len(told) == 2


def test_the_command_tells_what_went(house: House) -> None:
    """Table by table, and a dry run changes nothing."""
    with house.database.transaction() as connection:
        draft = Draft(Reason.SOFT_BOUNCE, "example", "operator", "x")
        add(connection, house.keyring, JAN, draft, 1_000_000_000)
    dry = RUNNER.invoke(app, ["purge", "--dry-run", "--json"])
    done = RUNNER.invoke(app, ["purge", "--json"])
    again = RUNNER.invoke(app, ["purge"])
    assert {row["what"]: row["would_go"] for row in json.loads(dry.stdout)}[
        "suppressions expired"
    ] == 1
    counts = {row["what"]: row["removed"] for row in json.loads(done.stdout)}
    assert (counts["suppressions expired"], counts["subjects"]) == (1, 1)
    assert again.exit_code == 0
    assert "suppressions expired" in again.stdout

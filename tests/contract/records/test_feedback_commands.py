"""`consentry feedback storms|release|believe|rates|ingest` as an operator types them."""

from __future__ import annotations

import json
import os
import shutil
import time
from email.utils import formatdate
from pathlib import Path

import pytest
from sqlalchemy import insert
from typer.testing import CliRunner, Result

from gateway.cli import app
from gateway.config.load import load
from gateway.errors import ConfigurationError
from gateway.message.address import parse_mailbox
from gateway.records import figures, index
from gateway.records.bounces import BounceTerms, StormDecided, settle
from gateway.records.figures import Figure
from gateway.records.keyring import open_keyring
from gateway.records.opening import open_records
from gateway.records.streams import stream_number
from gateway.records.tables import bounces, consents
from suppression.consent import Level
from suppression.tokens import Purpose, Tokens

from .cases_world import rules_of
from .returned_world import Returns, numbered


@pytest.fixture
def folder(initialised: Path, tmp_path: Path) -> Path:
    """A gateway with a storm of thirty at one provider, just found."""
    folder = tmp_path / "etc"
    shutil.copytree(initialised, folder)
    config = load(folder / "consentry.yaml").config
    database = open_records(config)
    rules = rules_of(open_keyring(database, config.keyring))
    book = Returns(database, rules, now=time.time() - 700)
    for number in range(30):
        book.bounce(numbered(number))
    book.settle()
    with database.transaction() as connection:
        for what, amount in ((Figure.OFFERED, 2000), (Figure.DELIVERED, 1970)):
            figures.add(connection, book.now, "acme", "weekly", "m1", "acme.example", what, amount)
        figures.add(connection, book.now, "acme", "weekly", "m2", "", Figure.COMPLAINT, 2)
    database.close()
    return folder


def run(folder: Path, *arguments: str) -> Result:
    """The command's result; an error of ours is its exception."""
    config = ("--config", str(folder / "consentry.yaml"))
    return CliRunner().invoke(app, ["feedback", *arguments, *config])


def done(folder: Path, *arguments: str) -> str:
    """The output of a command that succeeds."""
    result = run(folder, *arguments)
    assert result.exit_code == 0, (result.output, result.exception)
    return result.stdout


def states(folder: Path) -> set[str]:
    """Where the bounces stand once the job has run."""
    config = load(folder / "consentry.yaml").config
    database = open_records(config)
    with database.transaction() as connection:
        rules = rules_of(open_keyring(database, config.keyring))
        while settle(connection, rules, BounceTerms(), time.time() + 1):
            pass
        found = set(connection.execute(bounces.select()).mappings())
    database.close()
    return {str(row["state"]) for row in found}


def test_a_storm_is_listed_and_released_once(folder: Path) -> None:
    """Who, when and why stay on record, and the journal is told."""
    (storm,) = json.loads(done(folder, "storms", "--json"))
    assert (storm["provider"], storm["unknown"], storm["held"]) == ("example.org", 30, 30)
    assert "example.org" in done(folder, "storms")
    given = ("1", "--reason", "their directory was down", "--by", "ann")
    assert done(folder, "release", *given) == "storm 1: 30 bounces are forgotten\n"
    assert "no storm" in done(folder, "storms")
    (storm,) = json.loads(done(folder, "storms", "--all", "--json"))
    assert (storm["decision"], storm["by"]) == ("release", "ann")
    assert isinstance(run(folder, "believe", *given).exception, StormDecided)
    assert isinstance(run(folder, "believe", "9", *given[1:]).exception, ConfigurationError)
    assert run(folder, "believe", str(2**63), *given[1:]).exit_code == 2
    assert states(folder) == {"released"}
    journal = load(folder / "consentry.yaml").config.state_dir / "journal" / "command.jsonl"
    assert "storm.decided" in journal.read_text()


def test_a_storm_is_believed(folder: Path) -> None:
    """The service's job does what bounces do."""
    given = ("1", "--reason", "they closed free accounts", "--by", "ann")
    assert done(folder, "believe", *given) == "storm 1: 30 bounces are believed\n"
    assert states(folder) == {"believed"}


def test_rates_are_shown_with_how_they_read(folder: Path) -> None:
    """Per tenant, and apart by what is asked for."""
    (rate,) = json.loads(done(folder, "rates", "acme", "--json"))
    assert (rate["offered"], rate["delivered"], rate["complaints"]) == (2000, 1970, 2)
    assert (rate["complaint_percent"], rate["complaints_read"]) == (0.102, "warned")
    assert rate["hard_bounces_read"] == "well"
    first, second = json.loads(done(folder, "rates", "--by", "mailing", "--json"))
    assert (first["mailing"], second["mailing"]) == ("m1", "m2")
    assert second["complaints_read"] == "few"
    assert "acme" in done(folder, "rates")
    assert done(folder, "rates", "nobody") == "no figures\n"


def test_an_mbox_of_several_mails_is_not_taken_for_one(folder: Path) -> None:
    """All but the first would be lost unnoticed; one with a single mail is that mail."""
    single = b"From MAILER Thu Jan  1 00:00:00 2026\nFrom: jan@inbox.test\n\nPlease stop.\n"
    (folder / "one").write_bytes(single)
    (folder / "two").write_bytes(single + b"\n" + single)
    result = run(folder, "ingest", str(folder / "one"), str(folder / "two"), "--json")
    assert result.exit_code == 1
    one, two = json.loads(result.stdout)
    assert (one["what"], one["problem"]) == ("report", "")
    assert two["problem"] == "it is an mbox of several mails; give each as a file of its own"


def test_an_old_wish_undoes_no_newer_consent(folder: Path) -> None:
    """A Maildir may be taken in twice: who has agreed since by double opt-in stays agreed. The time
    of the file counts, or a later one of the server that took it; what came within a day of the
    consent, and whoever has agreed by less, is unsubscribed."""
    path = folder / "consentry.yaml"
    path.write_text(path.read_text().replace("  base_url:", "  mailto_domain: u.test\n  base_url:"))
    config = load(path).config
    database = open_records(config)
    keyring, now = open_keyring(database, config.keyring), time.time()
    tokens = Tokens(keyring)

    def wish(name: str, level: Level, days: float, received: float | None = None) -> Path:
        """A mail whose file is so many days old, of somebody who agreed ten days ago."""
        key = keyring.exact_key(parse_mailbox(f"{name}@inbox.test"))
        with database.transaction() as connection:
            scope = stream_number(connection, "example", "weekly")
            row = {"key": key, "scope": scope, "level": int(level)}
            given = int(now - 10 * 86_400)
            made = connection.execute(insert(consents), {**row, "given_at": given})
            assert made.inserted_primary_key is not None
            index.put(connection, key, scope, int(level), int(made.inserted_primary_key[0]))
        at = formatdate(now - 86_400 * (50 if received is None else received))
        token = tokens.make(Purpose.UNSUBSCRIBE, scope, key)
        file = folder / name
        file.write_text(
            f"Received: from a by b; {at}\nReceived: from x by a; {formatdate(now)}\n"
            f"From: {name}@inbox.test\nTo: u+{token}@u.test\n\nStop.\n"
        )
        os.utime(file, (now, now - 86_400 * days))
        return file

    mails = {
        wish("old", Level.DOUBLE, 30): "nothing",
        wish("hosted", Level.HOSTED, 11.1): "nothing",
        wish("single", Level.SINGLE, 30): "unsubscribed",
        wish("close", Level.HOSTED, 10.5): "unsubscribed",
        wish("new", Level.HOSTED, 2): "unsubscribed",
        wish("moved", Level.HOSTED, 30, received=2): "unsubscribed",
    }
    database.close()
    rows = json.loads(done(folder, "ingest", *map(str, mails), "--json"))
    assert {Path(row["mail"]): row["what"] for row in rows} == mails
    piped = CliRunner().invoke(
        app, ["feedback", "ingest", "-", "--json", "--config", str(path)],
        input=(folder / "old").read_bytes(),
    )  # fmt: skip
    assert json.loads(piped.stdout)[0]["what"] == "unsubscribed", "nobody says when it came"

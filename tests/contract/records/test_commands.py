"""`consentry suppress` and `consentry consent`, as an operator runs them."""

import json
import os
import time
from pathlib import Path
from threading import Thread

import pytest
from typer.testing import CliRunner

from gateway.cli import app
from gateway.commands.shared import show
from gateway.config.load import load
from gateway.message.address import parse_mailbox
from gateway.records import index
from gateway.records.database import open_database
from gateway.records.keyring import open_keyring
from gateway.records.streams import stream_number
from gateway.records.suppressions import suppress
from gateway.records.tables import suppressions
from suppression.listfile import write_rows
from suppression.standing import Reason

RUNNER = CliRunner()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration as `consentry init` makes it, with the customer `example`."""
    folder = tmp_path / "etc"
    made = RUNNER.invoke(app, ["init", str(folder), "--hostname", "mail.example.com"])
    assert made.exit_code == 0, made.output
    monkeypatch.setenv("CONSENTRY_CONFIG", str(folder / "consentry.yaml"))
    return folder


def _run(*arguments: str, status: int = 0) -> str:
    result = RUNNER.invoke(app, arguments)
    assert result.exit_code == status, result.output
    return result.stdout


def test_add_find_lift(folder: Path) -> None:
    """A dry run changes nothing; what is added is found, also by a variant, and can be lifted."""
    add = ("suppress", "add", "jan+x@gmail.com", "--reason", "protected", "--scope", "*")
    _run(*add, "--dry-run")
    _run("suppress", "find", "jan@gmail.com", status=1)
    _run(*add)
    (found,) = json.loads(_run("suppress", "find", "jan@gmail.com", "--json"))
    assert (found["address"], found["state"]) == ("jan+x@gmail.com", "in force")
    _run("suppress", "lift", str(found["entry"]), "--why", "owner asked", "--by", "ann")
    (found,) = json.loads(_run("suppress", "find", "jan@gmail.com", "--json"))
    assert found["state"] == "lifted by ann: owner asked"


def test_what_the_table_forbids_and_unknown_tenants_are_refused(folder: Path) -> None:
    """A mistyped tenant makes no scope that nobody would ever look at."""
    add = ("suppress", "add", "jan@x.example", "--reason", "complaint", "--scope")
    _run(*add, "*", status=1)
    _run(*add, "exmaple", status=2)
    assert _run("suppress", "export").count("\n") == 1


def test_import_and_export(folder: Path) -> None:
    """Bad lines make the status 1 and the good ones count; the export is the owner's only."""
    source, target = folder / "list.txt", folder / "out.csv"
    source.write_text("a@x.example\nnonsense\nb@x.example\n")
    command = ("suppress", "import", str(source), "--reason", "manual", "--scope", "example")
    (dry,) = json.loads(_run(*command, "--dry-run", "--json", status=1))
    (done,) = json.loads(_run(*command, "--json", status=1))
    assert dry == {
        "read": 3,
        "would_add": 2,
        "already_in_force": 0,
        "not_taken": 1,
        "whole_domains": 0,
        "changes": [
            {
                "reason": "manual",
                "scope": "example",
                "would_add": 2,
                "would_renew": 0,
                "already_in_force": 0,
                "not_taken": 0,
                "no_longer_listed": 0,
            }
        ],
    }
    assert done == {
        "read": 3,
        "added": 2,
        "already_in_force": 0,
        "not_taken": 1,
        "whole_domains": 0,
    }
    _run("suppress", "export", str(target))
    assert {line.partition(",")[0] for line in target.read_text().splitlines()} == {
        "address",
        "a@x.example",
        "b@x.example",
    }
    assert target.stat().st_mode & 0o777 == 0o600


def test_consents_are_imported_and_found(folder: Path) -> None:
    """An attestation is level 1, of the scope that was named."""
    source = folder / "agreed.txt"
    source.write_text("a@x.example\n")
    _run("consent", "import", str(source), "--scope", "example", "--source", "shop form")
    (found,) = json.loads(_run("consent", "find", "A@x.example", "--json"))
    assert (found["scope"], found["level"], found["source"]) == ("example", 1, "shop form")
    _run("consent", "find", "b@x.example", status=1)


def test_a_list_from_a_pipe_is_imported_whole(folder: Path) -> None:
    """What can be read only once is read once, and its hash is on record all the same."""
    pipe = folder / "pipe"
    os.mkfifo(pipe)
    writer = Thread(target=pipe.write_text, args=("a@x.example\nb@x.example\n",))
    writer.start()
    command = ("suppress", "import", str(pipe), "--reason", "manual", "--scope", "example")
    (done,) = json.loads(_run(*command, "--json"))
    writer.join()
    assert (done["read"], done["added"]) == (2, 2)


def test_a_list_without_a_row_is_no_success(folder: Path) -> None:
    """An empty list is more likely a mishap than a wish: the status says so."""
    source = folder / "empty.txt"
    source.write_text("\n")
    _run("suppress", "import", str(source), "--reason", "manual", "--scope", "example", status=1)


def test_tables_show_no_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    """What strangers wrote reaches a terminal as printable text only."""
    show([{"source": "\x1b[2J", "domains": ["\x07"]}], as_json=False)
    assert not {"\x1b", "\x07"} & set(capsys.readouterr().out)


ADD = ("suppress", "add", "jan@x.example", "--reason", "manual", "--scope", "example")


@pytest.mark.parametrize(
    "command",
    [
        (*ADD, "--note", "\udcff"),
        (*ADD, "--by", "\x1b"),
        (*ADD, "--until", "2001-01-01"),
        ("suppress", "lift", "9" * 20, "--why", "x"),
        ("suppress", "export", "--scope", "exmaple"),
    ],
)
def test_mistakes_are_refused_plainly(folder: Path, command: tuple[str, ...]) -> None:
    """What cannot be stored, has ended or names nothing."""
    result = RUNNER.invoke(app, command)
    assert isinstance(result.exception, SystemExit)
    assert result.exit_code in (1, 2)
    _run("suppress", "find", "jan@x.example", status=1)


@pytest.mark.parametrize(
    ("reason", "capacity"),
    [
        ("unsubscribe", "consent"),
        ("complaint", "hosted-consent"),
        ("hard_bounce", "time"),
        ("soft_bounce", "delivery"),
    ],
)
def test_nobody_lifts_as_what_is_no_person(folder: Path, reason: str, capacity: str) -> None:
    """Consent, time and deliveries end entries themselves; typing their names ends nothing."""
    _run(*ADD[:3], "--reason", reason, "--scope", "example")
    _run("suppress", "lift", "1", "--why", "x", "--as", capacity, status=2)
    (entry,) = json.loads(_run("suppress", "find", "jan@x.example", "--json"))
    assert entry["state"] == "in force"


def test_lifting_can_be_tried_and_tells_machines(folder: Path) -> None:
    """A dry run says what would be lifted and leaves it in force."""
    _run(*ADD)
    lift = ("suppress", "lift", "1", "--why", "mistake", "--json")
    (tried,) = json.loads(_run(*lift, "--dry-run"))
    assert tried["result"] == "would be lifted"
    (done,) = json.loads(_run(*lift))
    assert (done["result"], done["entry"]) == ("lifted", 1)


def test_an_export_restores_what_was_in_force(folder: Path) -> None:
    """Stops, ends, disclosure and entries known by key only come back as they were."""
    loaded = load(folder / "consentry.yaml")
    database = open_database(loaded.config.database, loaded.config.opt_out_log)
    keyring = open_keyring(database, loaded.config.keyring)
    with database.transaction() as connection:
        number = stream_number(connection, "example", "weekly")
        key = keyring.exact_key(parse_mailbox("jan@x.example"))
        suppress(connection, number, key, Reason.UNSUBSCRIBE, "one-click", time.time())
    _run(*ADD, "--stops", "marketing", "--until", "2090-01-01", "--undisclosed")
    _run(*ADD[:3], "--reason", "hard_bounce", "--scope", "example")
    exported = folder / "out.csv"
    exported.touch(0o644)
    _run("suppress", "export", str(exported))
    assert exported.stat().st_mode & 0o777 == 0o600
    with database.transaction() as connection:
        connection.execute(suppressions.delete())
        index.rebuild(connection)
    command = ("suppress", "import", str(exported), "--reason", "manual", "--scope", "*", "--json")
    (done,) = json.loads(_run(*command))
    assert done["added"] == 3
    again = folder / "again.csv"
    _run("suppress", "export", str(again))
    assert sorted(again.read_text().splitlines()) == sorted(exported.read_text().splitlines())
    database.close()


def test_what_the_table_fixes_is_not_changed_by_an_edited_export(folder: Path) -> None:
    """A complaint has no end and stops what it stops, whatever a file says."""
    rows = [
        ("a@x.example", "complaint", "example", "", "2090-01-01", "", "", "bulk", "yes"),
        ("b@x.example", "complaint", "example", "", "", "", "", "marketing", "yes"),
        ("", "complaint", "example", "", "", "", "00ff", "bulk", "yes"),
        ("d@x.example", "complaint", "example", "", "", "", "", "bulk", "no"),
    ]
    edited = folder / "edited.csv"
    with edited.open("w", newline="") as out:
        write_rows(out, [(*row, "operator", "") for row in rows])
    command = ("suppress", "import", str(edited), "--reason", "manual", "--scope", "*", "--json")
    (done,) = json.loads(_run(*command, status=1))
    assert (done["added"], done["not_taken"]) == (1, 3)


def test_an_export_goes_to_a_device_without_replacing_it(folder: Path) -> None:
    """A dry run writes nothing; what is no regular file is written into."""
    pipe = folder / "pipe"
    os.mkfifo(pipe)
    _run("suppress", "export", "--dry-run", str(pipe))
    reader = Thread(target=pipe.read_bytes)
    reader.start()
    _run("suppress", "export", str(pipe))
    reader.join()
    assert pipe.is_fifo()


def test_a_first_attestation_is_announced_by_its_dry_run(folder: Path) -> None:
    """The dry run says that consent levels are enforced from then on; a date to come is refused."""
    source = folder / "agreed.txt"
    source.write_text("a@x.example\n")
    command = ("consent", "import", str(source), "--scope", "example", "--source", "shop form")
    _run(*command, "--attested", "2099-01-01", status=2)
    assert "first attestation" in RUNNER.invoke(app, (*command, "--dry-run")).stderr
    _run(*command)
    source.write_text("b@x.example\n")
    assert "first attestation" not in RUNNER.invoke(app, (*command, "--dry-run")).stderr


@pytest.mark.parametrize(
    "command", [("consent", "--source", "form"), ("suppress", "--reason", "manual")]
)
def test_an_interrupted_import_says_how_far_it_came(
    folder: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    """Status 130 and what to do."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    source = folder / "list.txt"
    source.write_text("a@x.example\n")
    for module in ("consents", "suppression_import"):
        monkeypatch.setattr(f"gateway.records.{module}.merge", interrupt)
    group, *options = command
    arguments = (group, "import", str(source), "--scope", "example", *options)
    result = RUNNER.invoke(app, arguments)
    assert result.exit_code == 130
    assert "0 of some 1 lines are stored; run it again to complete" in result.stderr

"""`consentry suppress` and `consentry consent`, as an operator runs them."""

import json
import os
from pathlib import Path
from threading import Thread

import pytest
from typer.testing import CliRunner

from gateway.cli import app

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


def test_tables_show_no_control_characters(folder: Path) -> None:
    """What strangers wrote reaches a terminal as printable text only."""
    add = ("suppress", "add", "a@x.example", "--reason", "manual", "--scope", "example")
    assert "\x1b" not in _run(*add, "--note", "\x1b[2J")

"""`consentry suppress import` and `export` with the lists of others, as an operator runs them."""

import json
import time
from hashlib import sha256
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.cli import app
from policies.terms import DAY

RUNNER = CliRunner()
BOUNCES = "status,reason,email,created\n5.1.1,gone,gone@x.example,{now}\n5.1.1,?,nobody,{now}\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration as `consentry init` makes it, with the customer `example`."""
    folder = tmp_path / "etc"
    made = RUNNER.invoke(app, ["init", str(folder), "--hostname", "mail.example.com"])
    assert made.exit_code == 0, made.output
    monkeypatch.setenv("CONSENTRY_CONFIG", str(folder / "consentry.yaml"))
    return folder


def _run(*arguments: str | Path, status: int = 0) -> str:
    result = RUNNER.invoke(app, ["suppress", *map(str, arguments)])
    assert result.exit_code == status, result.output
    return result.stdout if status < 2 else result.stderr


def _write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_a_services_list_is_known_by_itself(folder: Path) -> None:
    """Its columns say whose it is, its name which list; a bad row is told, with status 1."""
    text = "EmailAddress,SuppressionReason,Origin,CreatedAt\nleft@x.example,ManualSuppression,"
    path = _write(folder, "dump.csv", f"{text}Recipient,2026-01-02T03:04:05Z\n")
    (done,) = json.loads(_run("import", path, "--scope", "example", "--json"))
    assert done["added"] == 1
    (found,) = json.loads(_run("find", "left@x.example", "--json"))
    assert (found["reason"], found["source"]) == ("unsubscribe", "import:dump.csv")
    path = _write(folder, "list.csv", BOUNCES.format(now=4_000_000_000))
    (done,) = json.loads(_run("import", path, "--scope", "example", "--json", status=1))
    assert (done["added"], done["not_taken"]) == (0, 2)
    path = path.rename(folder / "suppression_bounces.csv")
    (done,) = json.loads(_run("import", path, "--scope", "example", "--json", status=1))
    assert (done["added"], done["not_taken"]) == (1, 1)


def test_what_could_be_anybodys_is_to_be_named(folder: Path) -> None:
    """Without a reason, and without a service that gives one, nothing is guessed."""
    path = _write(folder, "list.csv", "email,created\na@x.example,1790083507\n")
    assert "--reason" in _run("import", path, "--scope", "example", status=2)
    (done,) = json.loads(
        _run("import", path, "--scope", "example", "--dialect", "sendgrid", "--json")
    )
    assert done["added"] == 1


def test_a_hashed_list(folder: Path) -> None:
    """It is known by its cells, found by the address, and can be insisted on."""
    path = _write(folder, "list.txt", sha256(b"jan@x.example").hexdigest() + "\n")
    command = ("import", path, "--scope", "example", "--reason", "unsubscribe", "--json")
    (done,) = json.loads(_run(*command, "--hashed", "sha256"))
    assert done["added"] == 1
    (found,) = json.loads(_run("find", "Jan@X.example", "--json"))
    assert (found["reason"], found["hashed"]) == ("unsubscribe", "sha256")
    assert found["address"].startswith("key ")
    path.write_text("jan@x.example\n")
    (done,) = json.loads(_run(*command, "--hashed", "sha256", status=1))
    assert done["not_taken"] == 1


def test_an_edition_of_a_robinson_list(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its country is said, stored and shown; a dry run tells what a new edition ends."""
    path = _write(folder, "first.csv", "ann@x.example\nbob@x.example\n")
    command = ("import", path, "--reason", "robinson", "--scope", "*", "--json")
    assert "--country" in _run(*command, status=2)
    assert "two letters" in _run(*command, "--country", "Poland", status=2)
    _run(*command, "--country", "pl")
    # Records keep whole seconds, and two editions of one second are one.
    clock = time.time
    monkeypatch.setattr(time, "time", lambda: clock() + DAY)
    path.write_text("bob@x.example\n")
    command = (*command, "--country", "PL", "--replace")
    (dry,) = json.loads(_run(*command, "--dry-run"))
    assert (dry["would_lift"], dry["changes"][0]["no_longer_listed"]) == (1, 1)
    (done,) = json.loads(_run(*command))
    assert done["lifted"] == 1
    (found,) = json.loads(_run("find", "ann@x.example", "--json"))
    assert found["source"] == "robinson:PL"
    assert "not in the list any more" in found["state"]


def test_only_a_robinson_list_is_replaced(folder: Path) -> None:
    """A file that lacks a protected address lifts nothing."""
    path = _write(folder, "list.csv", "ann@x.example\n")
    command = ("import", path, "--scope", "*", "--reason", "protected", "--replace")
    assert _run(*command, status=1) == ""
    assert "robinson" in _run(*command, "--country", "PL", status=2)


def test_an_export_for_a_service(folder: Path) -> None:
    """It has what is in force and known by its address; the rest is counted."""
    for reason, scope in (
        ("hard_bounce", "example"),
        ("unsubscribe", "example"),
        ("protected", "*"),
    ):
        _run("add", f"{reason}@x.example", "--reason", reason, "--scope", scope)
    _run("add", "firma.example", "--reason", "protected", "--scope", "*")
    target = folder / "out.csv"
    result = RUNNER.invoke(app, ["suppress", "export", str(target), "--dialect", "ses"])
    assert target.read_text() == "hard_bounce@x.example,BOUNCE\nunsubscribe@x.example,COMPLAINT\n"
    assert "2 entries" in result.stderr
    assert "left out: 1 protected" in result.stderr
    assert "left out: 1 that are a domain" in result.stderr
    assert "bounces, complaints" in _run("export", "--dialect", "mailgun", status=2)
    _run("export", target, "--dialect", "mailgun", "--part", "bounces")
    assert target.read_text().startswith("address,code,error,created_at\nhard_bounce@x.example,550")

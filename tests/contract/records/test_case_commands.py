"""`consentry case`, `report` and `fee` as an operator types them, down to the journal's lines."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gateway.cli import app
from gateway.errors import ConsentryError


@pytest.fixture
def folder(initialised: Path, tmp_path: Path) -> Path:
    """A gateway of the Niebieski contract with one tenant."""
    folder = tmp_path / "etc"
    shutil.copytree(initialised, folder)
    with (folder / "consentry.yaml").open("a") as file:
        file.write("sanctions: {preset: niebieski, feedback_sources: [fbl.example.net]}\n")
    (folder / "tenants" / "acme.yaml").write_text(
        "state: open\ncontact: {email: office@acme.example, language: pl}\n"
        "domains: {acme.example: {dkim: none}}\nstreams: {mail: {kind: transactional}}\n"
    )
    return folder


def run(folder: Path, *arguments: str) -> Result:
    """The command's result; an error of ours is its exception."""
    config = ("--config", str(folder / "consentry.yaml"))
    return CliRunner().invoke(app, [*arguments, *config])


def done(folder: Path, *arguments: str) -> str:
    """The output of a command that succeeds."""
    result = run(folder, *arguments)
    assert result.exit_code == 0, (result.output, result.exception)
    return result.stdout


def test_a_case_from_its_reports_to_a_paid_fee(folder: Path) -> None:
    """Reports of two mailings climb to the fee; every step is told in the journal once."""
    add = ("report", "add", "jan@example.org", "--grade", "A", "--source", "fbl.example.net")
    case = done(folder, *add, "--tenant", "acme", "--mailing", "m1")
    assert case.strip() == "report 1 is counted, grade A, C-000001"
    assert "C-000001 is closed" in done(
        folder, "case", "decide", "C-1", "lift", "--reason", "mended", "--by", "ann"
    )
    done(folder, *add, "--tenant", "acme", "--mailing", "m2")
    (fee,) = json.loads(done(folder, "fee", "list", "--json"))
    assert (fee["case"], fee["amount"], fee["state"]) == ("C-000002", "45.00 PLN", "proposed")
    done(folder, "fee", "issue", "C-000002", "1", "--reason", "reports checked", "--by", "ann")
    done(folder, "fee", "paid", "C-000002", "1", "--reason", "=statement", "--by", "bob")
    text = done(folder, "fee", "export", "--format", "csv", "--state", "paid")
    (row,) = csv.DictReader(io.StringIO(text, newline=""))
    assert (row["case"], row["amount"], row["paid_by"]) == ("C-000002", "4500", "bob")
    assert json.loads(done(folder, "fee", "export", "--format", "json"))[0]["state"] == "paid"

    lines = (folder / "state/journal/command.jsonl").read_text().splitlines()
    kinds = [json.loads(line)["kind"] for line in lines]
    assert kinds.count("case.opened") == 2
    assert kinds.count("case.fee") == 2
    assert kinds.count("case.unblocked") == 1
    assert "jan@example.org" not in "".join(lines)
    shown = json.loads(done(folder, "case", "show", "C-2", "--json"))
    assert shown["timeline"][0]["kind"] == "case.opened"


def test_people_open_note_and_block(folder: Path) -> None:
    """An instruction has a deadline of its own; a block by hand is an emergency with a case."""
    opened = done(
        folder,
        "case",
        "open",
        "acme",
        "--kind",
        "instruction",
        "--reason",
        "mend your bounces",
        "--until",
        "2999-01-31",
    )
    assert opened.strip() == "C-000001 is open, step instruction"
    done(folder, "case", "note", "C-000001", "called")
    added = done(folder, "block", "add", "acme.example", "--reason", "phishing")
    assert added.strip() == "acme.example is blocked, case C-000002"
    cases = json.loads(done(folder, "case", "list", "--tenant", "acme", "--json"))
    assert [(one["case"], one["phase"]) for one in cases] == [
        ("C-000002", "open"),
        ("C-000001", "open"),
    ]
    done(folder, "block", "lift", "acme.example", "--reason", "wrong tenant")
    (lifted,) = json.loads(done(folder, "case", "list", "--phase", "closed", "--json"))
    assert lifted["case"] == "C-000002"


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("case", "decide", "C-9", "lift", "--reason", "x"), "there is no case"),
        (("case", "open", "nobody", "--kind", "spam", "--reason", "x"), "no tenant"),
        (("case", "open", "acme", "--kind", "hard-bounce", "--reason", "x"), "no ladder"),
        (
            ("case", "open", "acme", "--kind", "instruction", "--reason", "x", "--until",
             "2020-01-01"),
            "is past",
        ),
        (("report", "decide", "9", "count", "--reason", "x"), "there is no report"),
        (("report", "add", "nobody", "--grade", "B", "--source", "phone"), "nobody"),
        (("fee", "issue", "X-1", "1", "--reason", "x"), "not a case"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_with_a_word(
    folder: Path, arguments: tuple[str, ...], why: str
) -> None:
    """Never a stack trace, and nothing is changed."""
    result = run(folder, *arguments)
    assert result.exit_code != 0
    assert result.exception is None or isinstance(result.exception, SystemExit | ConsentryError)
    assert why in f"{result.output} {result.exception}"


def test_a_contract_that_cannot_be_read_is_an_error_with_its_place(folder: Path) -> None:
    """`check-config` names the file's key, for the house's and for a tenant's own."""
    (folder / "own.yaml").write_text("title: Own\nladders: {x: {takes: [gossip]}}\n")
    with (folder / "tenants" / "acme.yaml").open("a") as file:
        file.write("sanctions: own.yaml\n")
    result = run(folder, "check-config")
    assert result.exit_code == 2
    assert "acme.yaml" in result.output
    assert "own.ladders.x" in result.output.replace("\n", "")

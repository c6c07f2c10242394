"""`consentry subject`, as an operator runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.cli import app
from gateway.journal import Journal
from gateway.privacy.labels import FIELDS, NOTES, SECTION_TITLES, TEXTS, VALUES
from gateway.privacy.report import SECTIONS, Note, SubjectReport
from gateway.records.subject_requests import RequestKind
from suppression.standing import Reason, Stops

RUNNER = CliRunner()
CHECKED = ("--identity", "ann, by a call back")


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
    return result.output if status else result.stdout


def _suppress(address: str, reason: str, scope: str = "example", note: str = "letter") -> None:
    _run("suppress", "add", address, "--reason", reason, "--scope", scope, "--note", note)


def _report(*arguments: str) -> dict[str, list[dict[str, object]]]:
    report: dict[str, list[dict[str, object]]] = json.loads(
        _run("subject", "report", "jan@x.example", "--format", "json", *arguments)
    )
    return report


def test_a_request_runs_its_course(folder: Path) -> None:
    """Recorded with its clock, extended, done on, and gone from the list of open ones."""
    record = ("subject", "record", "erasure", "jan@x.example", *CHECKED, "--by", "ann", "--json")
    (made,) = json.loads(_run(*record))
    assert made["days_left"] in range(27, 32)
    assert (made["address"], made["identity"]) == ("j***@x.example", "ann, by a call back")
    number = str(made["request"])
    assert "is due" in _run("subject", "extend", number, "--why", "old tapes")
    _run("subject", "object", "jan@x.example", "--tenant", "example", "--request", number, status=1)
    _run("subject", "erase", "jan@x.example", "--request", number)
    assert json.loads(_run("subject", "list", "--json")) == []
    (done,) = json.loads(_run("subject", "list", "--all", "--json"))
    assert (done["outcome"], done["days_left"]) == ("erased", None)
    assert done["address"].startswith("key ")
    _run("subject", "erase", "jan@x.example", "--request", number, status=1)


def test_overdue_requests_come_first(folder: Path) -> None:
    """The clock shows how many days too late one is."""
    for kind, received in (("access", "2026-01-01"), ("access", "2025-06-01")):
        one = ("subject", "record", kind, "jan@x.example", *CHECKED)
        _run(*one, "--received", received)
    listed = json.loads(_run("subject", "list", "--json"))
    assert [row["received"][:10] for row in listed] == ["2025-06-01", "2026-01-01"]
    assert all(row["days_left"] < 0 for row in listed)


def test_nothing_is_done_without_a_check_of_identity(folder: Path) -> None:
    """Erasing or correcting a stranger's data on anybody's word would be a breach of its own."""
    for act in (
        ("erase", "jan@x.example"),
        ("rectify", "jan@x.example", "bo@x.example"),
        ("object", "jan@x.example", "--tenant", "example"),
        ("restrict", "jan@x.example", "--tenant", "example"),
    ):
        assert "identity" in _run("subject", *act, status=1)
    _run("subject", "record", "access", "jan@x.example", "--identity", " ", status=1)
    assert json.loads(_run("subject", "list", "--all", "--json")) == []


def test_the_report_has_everything_and_only_this_person(folder: Path) -> None:
    """Entries by address and domain, lifted ones too, in all three forms and both languages."""
    _suppress("Jan@x.example", "complaint", note="mail of jan@x.example and bo@y.example")
    _suppress("x.example", "protected", "*")
    _suppress("bo@x.example", "complaint", note="another person")
    _suppress("jan@x.example", "manual")
    number = json.loads(_run("suppress", "find", "jan@x.example", "--json"))[-1]["entry"]
    _run("suppress", "lift", str(number), "--why", "asked by bo@y.example")
    report = _report()
    SubjectReport.model_validate(report)
    found = {
        (row["reason"], row["by"], row["lifted"] is not None) for row in report["suppressions"]
    }
    assert found == {
        ("complaint", "address", False),
        ("protected", "domain", False),
        ("manual", "address", True),
    }
    text = _run("subject", "report", "jan@x.example")
    page = _run("subject", "report", "jan@x.example", "--format", "html", "--language", "pl")
    for form in (json.dumps(report), text, page):
        assert "bo@" not in form
        assert "another person" not in form
        assert "an@x.example" in form
    assert "complaint about mail" in text
    assert "skarga na wiadomość" in page
    assert '<html lang="pl">' in page
    assert "Dlaczego poczta do Ciebie" in page
    actions = [row["action"] for row in _report()["audit"]]
    assert actions.count("subject.reported") == 4


def test_a_tenant_s_report_tells_nothing_of_another(folder: Path) -> None:
    """Not its entries, not that it has stored the address, not what holds for all."""
    _run("tenant", "add", "other", "--domain", "other.example", "--stream", "news:list")
    _suppress("Jan@x.example", "complaint", "other")
    _suppress("jan@x.example", "protected", "*")
    report = _report("--tenant", "example")
    assert report["tenant"] == "example"
    sections = {name: rows for name, rows in report.items() if name in SECTIONS}
    assert "other" not in json.dumps(sections)
    assert sections["suppressions"] == []
    assert len(_report("--tenant", "other")["suppressions"]) == 1


def test_a_report_in_a_file_is_its_owner_s_only(folder: Path) -> None:
    """It is the most private file that the command writes."""
    target = folder / "jan.html"
    _run("subject", "report", "jan@x.example", "--format", "html", "--output", str(target))
    assert target.stat().st_mode & 0o777 == 0o600


def test_rectify_object_and_restrict(folder: Path) -> None:
    """Each as its person asks, and shown as what it is."""
    _suppress("jna@x.example", "unsubscribe")
    _run("subject", "rectify", "jna@x.example", "jan@x.example", *CHECKED)
    tenant = ("--tenant", "example")
    assert "recorded" in _run("subject", "object", "jan@x.example", *tenant, *CHECKED)
    assert "restricted" in _run("subject", "restrict", "jan@x.example", *tenant, *CHECKED)
    reasons = {row["reason"] for row in _report()["suppressions"]}
    assert reasons == {"unsubscribe", "objection", "restriction"}
    assert _run("suppress", "export").count("\n") == 2
    _run("subject", "unrestrict", "jan@x.example", *tenant, "--why", "settled")
    _run("subject", "unrestrict", "jan@x.example", *tenant, "--why", "again", status=1)
    assert _run("suppress", "export").count("\n") == 4


def test_an_erasure_that_cannot_be_finished_says_so(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A journal that somebody writes and does not let go of is no silent success."""
    _suppress("jan@x.example", "unsubscribe")
    journal = Journal(folder / "state/journal", "smtp", 10_000_000, 3)
    (folder / "state/journal/smtp.jsonl").write_text('{"at":1,"kind":"x","detail":{"a":"@"}}\n')
    assert "not finished" in _run("subject", "erase", "jan@x.example", *CHECKED, status=1)
    journal.close()
    (again,) = json.loads(_run("subject", "erase", "jan@x.example", *CHECKED, "--json"))
    assert again["texts_destroyed"] == 1
    assert again["not_reached"] == []
    aside = folder / "state/before-restore-20270101T000000Z"
    aside.mkdir()
    (told,) = json.loads(_run("subject", "erase", "jan@x.example", *CHECKED, "--json"))
    assert told["not_reached"] == [str(aside)]


def test_both_languages_have_the_same_words() -> None:
    """No reader gets a page with a gap."""
    for words in (TEXTS, SECTION_TITLES, FIELDS, NOTES):
        assert words["en"].keys() == words["pl"].keys()
    for field in ("scope", "reason", "stops", "by"):
        assert VALUES["en"][field].keys() == VALUES["pl"][field].keys()
    assert set(VALUES["pl"]["reason"]) == {*Reason, "restriction"}
    assert set(VALUES["pl"]["stops"]) == set(Stops)
    assert set(VALUES["pl"]["kind"]) == set(RequestKind)
    assert set(NOTES["en"]) == set(Note)
    assert set(SECTION_TITLES["en"]) == set(SECTIONS)


def test_the_schema_is_printed(folder: Path) -> None:
    """Whoever takes the data elsewhere can check it."""
    schema = json.loads(_run("subject", "report", "jan@x.example", "--schema"))
    assert set(SECTIONS) <= set(schema["properties"])

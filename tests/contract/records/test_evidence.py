"""Proofs at the desk: asked for, supplied, shown, verified, revoked, and written as evidence."""

from __future__ import annotations

import json
import sqlite3
import time
from hashlib import sha256
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from typer.testing import CliRunner

from gateway.cli import app
from gateway.config.load import load
from gateway.records import proofs
from gateway.records.database import open_database
from gateway.records.keyring import open_keyring
from gateway.records.proofs import Visit
from tests.contract.records.pdf_text import text_of

RUNNER = CliRunner()
JAN = "Jan.Kowalski@example.org"
WORDS = "Zgadzam się na „Nowości”.\n\nMogę to odwołać: żółć <b>中</b>"
VISIT = Visit("203.0.113.9", 40_001, "Browser/1.0", 'POST /c/abc HTTP/1.1" 200')


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The customer `acme` with one list that asks for consent."""
    folder = tmp_path / "etc"
    _run("init", str(folder), "--hostname", "mail.example.com")
    monkeypatch.setenv("CONSENTRY_CONFIG", str(folder / "consentry.yaml"))
    _run("tenant", "add", "acme", "--domain", "acme.example", "--stream", "weekly:list")
    path = folder / "tenants/acme.yaml"
    yaml = YAML()
    tenant = yaml.load(path)
    tenant["streams"]["weekly"]["opt_in"] = {
        "sender": "lists@acme.example",
        "privacy": "https://acme.example/privacy",
    }
    yaml.dump(tenant, path)
    (folder / "words.txt").write_text(f"{WORDS}\n")
    return folder


def _run(*arguments: str, status: int = 0) -> str:
    result = RUNNER.invoke(app, arguments)
    assert result.exit_code == status, result.output
    return result.output


def _request(folder: Path, *more: str, status: int = 0) -> str:
    words = str(folder / "words.txt")
    given = ("--scope", "acme/weekly", "--text", words, "--language", "pl", "--json")
    return _run("consent", "request", JAN, *given, *more, status=status)


def _evidence(folder: Path, *more: str, level: int = 3, status: int = 0) -> str:
    words = str(folder / "words.txt")
    given = ("--scope", "acme/weekly", "--text", words, "--level", str(level), "--json")
    return _run("consent", "evidence", JAN, *given, *more, status=status)


SUBSCRIBED = ("--subscribed-at", "2026-03-01T09:30:00", "--subscribed-ip", "203.0.113.8")
CONFIRMED = (
    *("--confirmed-at", "2026-03-01T10:00:00", "--confirmed-ip", "203.0.113.9"),
    *("--source", "https://acme.example/join"),
)


def _confirm(folder: Path, tracking: str) -> None:
    loaded = load(folder / "consentry.yaml")
    database = open_database(loaded.config.database, loaded.config.opt_out_log)
    keyring = open_keyring(database, loaded.config.keyring)
    with database.transaction() as connection:
        answer = proofs.confirm(connection, keyring, bytes.fromhex(tracking), VISIT, time.time())
    database.close()
    assert answer.is_new


def test_from_the_request_to_the_end_of_the_consent(folder: Path) -> None:
    """Asked for, shown, confirmed, verified, revoked: each step is on record."""
    (asked,) = json.loads(_request(folder))
    tracking = asked["tracking"]
    assert (asked["status"], asked["scope"], asked["level"]) == ("requested", "acme/weekly", 4)
    _confirm(folder, tracking)
    (shown,) = json.loads(_run("consent", "show", JAN, "--json"))
    assert shown["status"] == "confirmed"
    assert shown["text"] == WORDS
    assert [step["what"] for step in shown["steps"]] == ["requested", "confirmed"]
    (verified,) = json.loads(_run("consent", "verify", "--json"))
    assert (verified["tenant"], verified["steps"], verified["first_bad"]) == ("acme", 2, None)
    _run("consent", "revoke", tracking, "--why", "asked by telephone")
    _run("consent", "revoke", tracking, "--why", "again", status=1)
    assert "revoked" in _run("consent", "show", tracking)
    assert "unsubscribe" in _run("suppress", "find", JAN)


def test_what_is_personal_is_shown_for_a_reason_only(folder: Path) -> None:
    """Without one the address is masked and the click's IP hidden; the reason is in the trail."""
    (asked,) = json.loads(_request(folder))
    _confirm(folder, asked["tracking"])
    plain = _run("consent", "show", JAN, "--json")
    assert JAN not in plain
    assert VISIT.ip not in plain
    revealed = _run("consent", "show", JAN, "--json", "--reveal", "asked by eve@example.org")
    assert JAN in revealed
    assert VISIT.ip in revealed
    with sqlite3.connect(folder / "state/consentry.db") as database:
        rows = database.execute("SELECT detail FROM audit WHERE action = 'consent.revealed'")
        ((detail,),) = rows.fetchall()
    assert "eve@" not in detail


def test_the_sheet_says_everything(folder: Path, tmp_path: Path) -> None:
    """HTML and PDF hold words and hash, times, IP, click and chain, and are their owner's only."""
    (asked,) = json.loads(_request(folder))
    _confirm(folder, asked["tracking"])
    _evidence(folder, *SUBSCRIBED, *CONFIRMED)
    target = tmp_path / "jan"
    _run("consent", "export", JAN, "--why", "complaint 17", "--language", "pl", "-o", str(target))
    html, pdf = target.with_suffix(".html"), target.with_suffix(".pdf")
    assert {path.stat().st_mode & 0o777 for path in (html, pdf)} == {0o600}
    page, octets = html.read_text(), pdf.read_bytes()
    text = text_of(octets)
    whole = "".join(text.split())
    for fact in (
        asked["tracking"],
        JAN,
        sha256(WORDS.encode()).hexdigest(),
        VISIT.ip,
        str(VISIT.port),
        VISIT.user_agent,
        "acme/weekly",
        "https://acme.example/join",
        "2026-03-01 10:00:00 UTC",
        "2026-03-01 11:00:00 CET",
        "każdy krok łańcucha się zgadza",
    ):
        assert fact in page
        assert "".join(fact.split()) in whole
    assert "Zgadzam się na „Nowości”." in text
    assert "żółć <b>[U+4E2D]</b>" in text
    assert "żółć &lt;b&gt;中&lt;/b&gt;" in page
    assert '<html lang="pl">' in page
    assert not any(loads in page for loads in ("<script", "<img", "<link", "src=", "url("))
    assert b"/Lang (pl)" in octets
    assert "Dowód zgody".encode("utf-16-be").hex().encode() in octets


def test_a_change_shows_in_verify_and_on_the_sheet(folder: Path, tmp_path: Path) -> None:
    """The command ends with 1 and names the step; the sheet does not claim that the chain holds."""
    _request(folder)
    with sqlite3.connect(folder / "state/consentry.db") as database:
        database.execute("UPDATE proof_steps SET at = at - 1")
    (verified,) = json.loads(_run("consent", "verify", "acme", "--json", status=1))
    assert verified["first_bad"] == 1
    target = tmp_path / "jan"
    _run("consent", "export", JAN, "--why", "complaint 17", "-o", str(target))
    assert "does not hold from step 1 on" in target.with_suffix(".html").read_text()


@pytest.mark.parametrize(
    ("arguments", "level", "field"),
    [
        ((*SUBSCRIBED,), 3, "source"),
        ((*SUBSCRIBED, "--source", "fair"), 3, "confirmed_at"),
        ((*SUBSCRIBED, *CONFIRMED), 2, "confirmed_at"),
        (("--subscribed-at", "2100-01-01", "--subscribed-ip", "203.0.113.8"), 2, "subscribed_at"),
        (("--subscribed-at", "2026-03-01", "--subscribed-ip", "here"), 2, "subscribed_ip"),
    ],
)
def test_bad_evidence_names_its_field(
    folder: Path, arguments: tuple[str, ...], level: int, field: str
) -> None:
    """Status 1, the field, and nothing on record."""
    assert field in _evidence(folder, *arguments, level=level, status=1)
    _run("consent", "show", JAN, status=1)


def test_evidence_is_taken_once(folder: Path) -> None:
    """The same again says that it is not new."""
    assert json.loads(_evidence(folder, *SUBSCRIBED, level=2))[0]["is_new"] is True
    assert json.loads(_evidence(folder, *SUBSCRIBED, level=2))[0]["is_new"] is False


def test_who_may_not_be_asked_is_not_asked(folder: Path) -> None:
    """The refusal says why, as much as the tenant may know, and when to ask again."""
    _request(folder)
    assert "asked already" in _request(folder, status=1)
    _run("suppress", "add", "ewa@example.org", "--reason", "protected", "--scope", "*")
    words = str(folder / "words.txt")
    asking = ("consent", "request", "ewa@example.org", "--scope", "acme/weekly", "--text", words)
    assert "[PROTECTED]" in _run(*asking, status=1)


def test_wrong_use_is_explained(folder: Path) -> None:
    """A list without `opt_in`, half an act, nonsense for a tracking number: status 2."""
    words = str(folder / "words.txt")
    lacking = ("consent", "request", JAN, "--scope", "acme/orders", "--text", words)
    assert "acme" in _run(*lacking, status=2)
    assert "--form-ip" in _request(folder, "--form-ip", "203.0.113.8", status=2)
    assert "tracking number" in _run("consent", "show", "12", status=2)
    assert "time zone" in _run("consent", "export", JAN, "--why", "x", "--zone", "Mars", status=2)
    assert "no proof" in _run("consent", "show", "00" * 16, status=1)

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from gateway.commands import journal as commands
from gateway.config.example import write_example
from gateway.events import Event
from gateway.journal import Journal
from gateway.refs import new_ref

REF = new_ref()


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gateway")
    write_example(folder, "mail.example.com")
    journal = Journal(folder / "state" / "journal", "smtp", 1_000_000, 3)
    for at, kind, tenant, tag, domain, ref in (
        (1.0, "mail.refused", "acme", "SENDER", "other.example", ""),
        (2.0, "rcpt.refused", "acme", "UNSUB", "b.example", f"{REF}.1"),
        (3.0, "rcpt.refused", "zeta", "UNSUB", "c.example", ""),
        (4.0, "message.relayed", "acme", "", "news.example", REF),
    ):
        detail: dict[str, object] = {"reply": "\x1b[2J"}
        if kind == "message.relayed":
            detail = {"recipients": [{"n": 2, "domain": "d.example", "state": "taken"}]}
        journal.emit(Event(kind, at, tenant=tenant, tag=tag, domain=domain, ref=ref, detail=detail))
    journal.close()
    return folder / "consentry.yaml"


def run(config: Path, *arguments: str) -> tuple[int, str]:
    app = typer.Typer()
    commands.register(app)
    result = CliRunner().invoke(app, [*arguments, "--config", str(config)])
    return result.exit_code, result.output


@pytest.mark.parametrize(
    ("options", "times"),
    [
        ((), [1, 2, 3, 4]),
        (("-n", "2"), [3, 4]),
        (("--tenant", "acme"), [1, 2, 4]),
        (("--tag", "unsub"), [2, 3]),
        (("--domain", "D.example"), [4]),
        (("--tenant", "acme", "--tag", "UNSUB"), [2]),
    ],
)
def test_tail_shows_the_latest_that_are_asked_for(
    config: Path, options: tuple[str, ...], times: list[int]
) -> None:
    """Oldest of them first; the domain is the sender's or any recipient's."""
    status, output = run(config, "tail", "--no-follow", "--json", *options)
    assert status == 0
    assert [json.loads(line)["at"] for line in output.splitlines()] == times


def test_tail_for_people_is_one_clean_line_per_event(config: Path) -> None:
    """However long, and whatever control characters a stranger put into it."""
    status, output = run(config, "tail", "--no-follow")
    assert status == 0
    assert len(output.splitlines()) == 4
    assert "acme  [UNSUB]  b.example" in output
    assert "\x1b" not in output


def test_explain_takes_a_ref_with_and_without_a_recipient(config: Path) -> None:
    """For people and for machines."""
    _, whole = run(config, "explain", REF, "--json")
    assert [event["kind"] for event in json.loads(whole)] == ["rcpt.refused", "message.relayed"]
    _, one = run(config, "explain", f"{REF}.2", "--json")
    assert [event["kind"] for event in json.loads(one)] == ["message.relayed"]
    status, text = run(config, "explain", REF)
    assert status == 0
    assert "rcpt.refused  [UNSUB]" in text
    assert "taken" in text


@pytest.mark.parametrize(
    ("ref", "expected"), [("nonsense", 2), (new_ref(), 1)], ids=["malformed", "unknown"]
)
def test_explain_says_when_it_knows_nothing(config: Path, ref: str, expected: int) -> None:
    """A malformed ref is wrong use, an unknown one a failure."""
    assert run(config, "explain", ref)[0] == expected


def test_tail_follows_until_interrupted(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the latest events it waits for more; an interrupt ends it without a complaint."""

    def interrupt(_seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("gateway.commands.journal.time.sleep", interrupt)
    status, output = run(config, "tail", "--json", "-n", "1")
    assert (status, len(output.splitlines())) == (0, 1)


def test_tail_counts_no_further_than_it_can(config: Path) -> None:
    """A number beyond all measure is wrong use."""
    assert run(config, "tail", "--no-follow", "-n", "9" * 20)[0] == 2

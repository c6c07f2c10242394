"""`consentry token`, as an operator runs it."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.cli import app

RUNNER = CliRunner()
READ = ("--allow", "audit:read")
ACME = ("--tenant", "example")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration as `consentry init` makes it, with the customer `example`."""
    made = RUNNER.invoke(app, ["init", str(tmp_path), "--hostname", "mail.example.com"])
    assert made.exit_code == 0, made.output
    monkeypatch.setenv("CONSENTRY_CONFIG", str(tmp_path / "consentry.yaml"))
    return tmp_path


def _run(*arguments: str, status: int = 0) -> str:
    result = RUNNER.invoke(app, ["token", *arguments])
    assert result.exit_code == status, result.output
    return result.output


def test_a_token_is_shown_once_and_kept_as_a_digest(folder: Path) -> None:
    """On a line of its own when it is made; neither in the list nor in any file afterwards."""
    token, _, rest = _run("add", "shop", *ACME, *READ).partition("\n")
    assert token.startswith("cs_")
    assert len(token) == 55
    assert token not in rest
    assert token not in _run("list")
    files = list((folder / "state").glob("consentry.db*"))
    assert files
    assert not any(token.encode() in file.read_bytes() for file in files)


def test_tokens_are_made_listed_and_revoked(folder: Path) -> None:
    """For a tenant or for staff, with an end or without one; revoking twice is one effect."""
    _run("add", "shop", *ACME, *READ, "--allow", "suppressions:read")
    _run("add", "basia", "--staff", "--allow", "subjects:write", "--until", "2099-12-31")
    rows = json.loads(_run("list", "--json"))
    assert [(row["token"], row["name"], row["tenant"]) for row in rows] == [
        (1, "shop", "example"),
        (2, "basia", "(staff)"),
    ]
    assert rows[0]["allows"] == ["audit:read", "suppressions:read"]
    assert (rows[0]["ends"], rows[1]["ends"]) == (None, "2099-12-31T00:00:00+00:00")
    for _ in range(2):
        _run("revoke", "1", "--by", "ann")
    (row,) = json.loads(_run("list", *ACME, "--json"))
    assert row["state"] == "revoked by ann"
    _run("add", "shop", *ACME, *READ)  # the name is free again


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (("add", "x", "--tenant", "nobody", *READ), 2, "no such tenant"),
        (("add", "x", *ACME, "--allow", "subjects:read"), 2, "only staff"),
        (("add", "x", *READ), 2, "either --tenant"),
        (("add", "x", *ACME, "--staff", *READ), 2, "either --tenant"),
        (("add", "x", "--staff", *READ, "--until", "2001-01-01"), 2, "is over"),
        (("add", "jan@acme.example", "--staff", *READ), 2, "no address"),
        (("add", "acme:x", "--staff", *READ), 2, "no colon"),
        (("add", "x", "--staff", "--allow", "everything"), 2, "everything"),
        (("revoke", "99"), 1, "no token has the number 99"),
    ],
)
def test_wrong_use_says_why(
    folder: Path, arguments: tuple[str, ...], status: int, says: str
) -> None:
    """And makes nothing."""
    assert says in _run(*arguments, status=status)
    assert "no token was ever made" in _run("list")


def test_one_name_is_one_token(folder: Path) -> None:
    """The trail could not tell two apart; another tenant's or the staff's is another name."""
    _run("add", "shop", *ACME, *READ)
    assert "already" in _run("add", "shop", *ACME, *READ, status=1)
    _run("add", "shop", "--staff", *READ)

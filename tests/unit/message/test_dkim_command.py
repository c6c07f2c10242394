"""`consentry dkim`: the key file, its record, and plain failures."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from gateway.commands.dkim import app
from gateway.message.dkim_keys import zone_line

NAMES = ["--domain", "a.org", "--selector", "s1"]


def run(*arguments: str) -> tuple[int, str]:
    """Exit status and everything printed."""
    result = CliRunner().invoke(app, list(arguments))
    return result.exit_code, result.output


def test_new_then_dns(tmp_path: Path) -> None:
    """`new` writes a private 0600 file; `dns` prints the same record from it."""
    status, text = run("new", *NAMES, "--out", str(tmp_path / "keys"))
    key_file = tmp_path / "keys" / "a.org.s1.pem"
    record = zone_line(key_file.read_bytes(), "a.org", "s1")
    assert status == 0
    assert key_file.stat().st_mode & 0o777 == 0o600
    assert record in text
    assert f"      - selector: s1\n        key_file: {key_file}\n" in text
    assert run("dns", str(key_file), *NAMES) == (0, record + "\n")


def test_json(tmp_path: Path) -> None:
    """For machines, the same three things are one JSON object."""
    status, text = run("new", *NAMES, "--ed25519", "--out", str(tmp_path), "--json")
    made = json.loads(text)
    assert status == 0
    assert "k=ed25519" in made["dns"]
    assert made["key_file"] in made["yaml"]
    assert json.loads(run("dns", made["key_file"], *NAMES, "--json")[1]) == {"dns": made["dns"]}


def test_plain_failures(tmp_path: Path) -> None:
    """An existing file is never overwritten; bad names and files end with status 2, no trace."""
    out = ("--out", str(tmp_path))
    assert run("new", *NAMES, *out)[0] == 0
    before = (tmp_path / "a.org.s1.pem").read_bytes()
    assert run("new", *NAMES, *out)[0] == 2
    assert (tmp_path / "a.org.s1.pem").read_bytes() == before
    assert run("new", "--domain", "../x", "--selector", "s1", *out)[0] == 2
    (tmp_path / "bad.pem").write_text("nonsense")
    assert run("dns", str(tmp_path / "bad.pem"), *NAMES)[0] == 2
    assert run("dns", str(tmp_path / "absent.pem"), *NAMES)[0] == 2
    assert [path.name for path in tmp_path.iterdir() if path.name != "bad.pem"] == ["a.org.s1.pem"]

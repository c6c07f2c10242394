"""Every form of mail that comes back, as a file, with what it must be read as beside it."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from gateway.feedback.parse import parse
from gateway.feedback.parsed import Form, Parsed

FOLDER = Path(__file__).parent / "fixtures"
FIXTURES = sorted(path.stem for path in FOLDER.glob("*.eml"))


def told(value: object) -> object:
    """As JSON has it: octets as text, nothing that is empty, no digest."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace").split("\r\n")[:-1]
    if isinstance(value, dict):
        each = {name: told(inner) for name, inner in value.items() if name != "mail"}
        return {name: inner for name, inner in each.items() if inner not in ("", None, [], {}, 0)}
    return [told(each) for each in value] if isinstance(value, list | tuple) else value


def read(name: str, end: bytes) -> Parsed:
    """What is read of a fixture with these line ends."""
    octets = (FOLDER / f"{name}.eml").read_bytes().replace(b"\r\n", b"\n")
    return parse(octets.replace(b"\n", end))


@pytest.mark.parametrize("name", FIXTURES)
def test_a_form_is_read_as_the_file_beside_it_says(name: str) -> None:
    """Whichever line ends it has."""
    found = told(asdict(read(name, b"\r\n")))
    expected = FOLDER / f"{name}.json"
    assert expected.exists(), json.dumps(found, indent=2, ensure_ascii=False)
    assert found == json.loads(expected.read_text(encoding="utf-8"))
    assert told(asdict(read(name, b"\n"))) == found


def test_every_form_has_a_fixture() -> None:
    """And no expectation lacks its mail."""
    assert {read(name, b"\r\n").form for name in FIXTURES} == set(Form)
    assert sorted(path.stem for path in FOLDER.glob("*.json")) == FIXTURES

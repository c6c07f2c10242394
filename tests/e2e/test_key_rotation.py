"""A new generation of keys while the gateway runs: nobody is missed, before, during and after."""

from __future__ import annotations

import fcntl
import json
import re
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from suppression.keys import Keyring
from tests.e2e.certificates import Certificates
from tests.e2e.gateway import Gateway, Settings
from tests.e2e.session import Session, letter
from tests.e2e.sink import Sink

SENDER = "news@acme.test"


@pytest.fixture(scope="module")
def sink() -> Iterator[Sink]:
    """The next hop."""
    with Sink() as running:
        yield running


@pytest.fixture
def house(sink: Sink, certificates: Certificates, tmp_path: Path) -> Iterator[Gateway]:
    """A gateway of its own: its keyring is changed."""
    sink.messages.clear()
    with Gateway(tmp_path, Settings(sink.port, trusted=None), certificates) as running:
        yield running


def mail(house: Gateway, sink: Sink, reader: str) -> str:
    """Send to a reader of the list; the token of the link in the copy."""
    with Session(house.open, "acme/weekly") as session:
        assert session.send(SENDER, [reader], letter(SENDER)).code == 250
    (copy,) = sink.wait_for(1)
    sink.messages.clear()
    found = re.search(rb"/u/(\w+)>", copy.raw)
    assert found
    return found[1].decode()


def verdict(house: Gateway, reader: str) -> str:
    """What RCPT says about a reader of the list."""
    with Session(house.open, "acme/weekly") as session:
        session.command(f"MAIL FROM:<{SENDER}>")
        return session.command(f"RCPT TO:<{reader}>").short


def unsubscribe(house: Gateway, token: str) -> None:
    """One click; it must be answered 200."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{house.web}/u/{token}", b"List-Unsubscribe=One-Click"
    )
    request.add_header("Content-Type", "application/x-www-form-urlencoded")
    with urllib.request.urlopen(request) as answer:
        assert answer.status == 200


def generation_of(token: str) -> int:
    """The generation a token was made under: the low six bits of its first octet."""
    alphabet = "abcdefghijklmnopqrstuvwxyz234567"
    return (alphabet.index(token[0]) << 5 | alphabet.index(token[1])) >> 2 & 0x3F


def status(house: Gateway) -> list[object]:
    """What each process says of its keyring."""
    found = json.loads(house.run("status", "--json"))
    return [found[process]["keyring"] for process in ("smtp", "web")]


def test_nobody_is_missed_over_a_rotation(house: Gateway, sink: Sink) -> None:
    """Entries and links from before hold after it, and new ones are made under the new keys."""
    old_link = mail(house, sink, "anna@inbox.test")
    unsubscribe(house, mail(house, sink, "bert@inbox.test"))
    house.run("suppress", "add", "cleo@inbox.test", "--reason", "protected", "--scope", "*")
    house.run("key", "rotate")
    assert status(house) == [{"current": 1, "generations": [0, 1]}] * 2
    assert verdict(house, "bert@inbox.test") == "550 5.7.1 [UNSUB]"
    assert verdict(house, "cleo@inbox.test") == "550 5.7.1 [PROTECTED]"
    unsubscribe(house, old_link)
    assert verdict(house, "anna@inbox.test") == "550 5.7.1 [UNSUB]"
    new_link = mail(house, sink, "dora@inbox.test")
    assert (generation_of(old_link), generation_of(new_link)) == (0, 1)
    unsubscribe(house, new_link)
    assert verdict(house, "dora@inbox.test") == "550 5.7.1 [UNSUB]"
    house.run("suppress", "add", "emil@inbox.test", "--reason", "protected", "--scope", "*")
    assert verdict(house, "emil@inbox.test") == "550 5.7.1 [PROTECTED]"


def test_a_rotation_that_was_killed_is_completed(house: Gateway, sink: Sink) -> None:
    """After each of its steps the keyring works, and running it again uses what was begun."""
    path = house.folder / "keys/keyring.json"
    unsubscribe(house, mail(house, sink, "bert@inbox.test"))
    # Killed when the generation was on the disk and nobody had been told.
    Keyring.load(path).with_generation().save(path)
    assert verdict(house, "bert@inbox.test") == "550 5.7.1 [UNSUB]"
    house.run("suppress", "add", "cleo@inbox.test", "--reason", "protected", "--scope", "*")
    assert verdict(house, "cleo@inbox.test") == "550 5.7.1 [PROTECTED]"
    house.run("reload")
    # Killed when it was current and nobody had been told that.
    Keyring.load(path).using(1).save(path)
    link = mail(house, sink, "dora@inbox.test")
    assert generation_of(link) == 0
    house.run("suppress", "add", "emil@inbox.test", "--reason", "protected", "--scope", "*")
    for reader in ("bert", "cleo", "emil"):
        assert verdict(house, f"{reader}@inbox.test").startswith("550 5.7.1")
    house.run("key", "rotate")
    assert status(house) == [{"current": 2, "generations": [0, 1, 2]}] * 2


def test_a_process_that_does_not_answer_stops_a_rotation(
    sink: Sink, certificates: Certificates, tmp_path: Path
) -> None:
    """What lives and cannot say that it knows the new keys keeps them from being used."""
    house = Gateway(tmp_path, Settings(sink.port), certificates)
    house.write()
    journal = house.folder / "state/journal"
    journal.mkdir(parents=True)
    with (journal / "smtp.jsonl").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        said = house.run("key", "rotate", check=False)
    assert "may not know generation 1" in said
    keyring = Keyring.load(house.folder / "keys/keyring.json")
    assert keyring.describe() == {"current": 0, "generations": [0, 1]}
    house.run("key", "rotate")
    keyring = Keyring.load(house.folder / "keys/keyring.json")
    assert keyring.describe() == {"current": 1, "generations": [0, 1]}

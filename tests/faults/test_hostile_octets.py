"""Octets that two servers may read differently: line ends, dots and NULs. The message or command is
refused as a whole, nothing behind it is read as a command, and the next hop is never sent one.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator

import pytest

from tests.e2e.certificates import Certificates
from tests.faults.customer import ANNA, Customer, message, new_id
from tests.faults.hop import Hop
from tests.faults.hostile import hostile_house
from tests.faults.houses import Inside
from tests.faults.smuggling import ENDS, LIMIT, MARK, smuggle, splits


@pytest.fixture(scope="module")
def house(
    shared_hop: Hop, certificates: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Inside]:
    """A gateway that forgives any number of refused commands, and takes small messages."""
    folder = tmp_path_factory.mktemp("house")
    with hostile_house(shared_hop, certificates, folder, message_bytes=LIMIT) as running:
        yield running


TAGS = ("BAD-MESSAGE", "TOO-BIG")
"""Which flaw of a message that is too big as well is found first depends on how it is read."""
BARE = re.compile(rb"(?<!\r)\n|\r(?!\n)|\0")


@pytest.mark.parametrize("where", ["header", "body", "over the limit"])
def test_nothing_but_a_dot_on_a_line_ends_a_message(where: str, house: Inside, hop: Hop) -> None:
    """Every look-alike, in whatever segments, is refused as a whole: the next hop sees no bare CR,
    LF or NUL and nothing of what hides behind it, and that is no command."""
    before = {number: len(octets) for number, octets in hop.octets.items()}
    kept, is_big = len(hop.kept), where == "over the limit"
    with Customer(house.port) as smuggler:
        smuggler.hello()
        for end in ENDS:
            for segments in splits(end, is_big=is_big, in_header=where == "header"):
                answer = smuggle(smuggler, segments)
                assert answer.tag in (TAGS if is_big else TAGS[:1]), (end, answer)
        assert smuggler.ask("NOOP").code == 250
    assert len(hop.kept) == kept
    seen = b"".join(bytes(o[before.get(n, 0) :]) for n, o in list(hop.octets.items()))
    assert seen.count(b"MAIL FROM") >= len(ENDS)
    assert not BARE.search(seen)
    assert MARK not in seen


@pytest.mark.parametrize("octet", [b"\r", b"\n", b"\0"], ids=repr)
@pytest.mark.parametrize("command", ["MAIL FROM:<news@acme.test{}>", "RCPT TO:<anna{}@inbox.test>"])
def test_no_control_octet_in_a_command_reaches_the_next_hop(
    command: str, octet: bytes, house: Inside, hop: Hop
) -> None:
    """A bare CR, LF or NUL in a command is 501, and the rest of its line is no command."""
    with Customer(house.port) as smuggler:
        smuggler.hello()
        if command.startswith("RCPT"):
            smuggler.ask("MAIL FROM:<news@acme.test>")
        before, _, after = command.partition("{}")
        smuggler.send(before.encode() + octet + b"RSET" + after.encode() + b"\r\nNOOP\r\n")
        answer = smuggler.answer()
        assert (answer.code, answer.tag) == (501, "BAD-LINE")
        assert smuggler.answer().code == 250
    assert not BARE.search(b"".join(map(bytes, hop.octets.values())))


def test_dots_arrive_as_they_were_sent(house: Inside, hop: Hop) -> None:
    """Lines that begin with dots are stuffed again, whatever the segments they came in."""
    unique, lines = new_id(), ["..", ".", "...x", ".MAIL", "QUIT", ""]
    with Customer(house.port) as customer:
        customer.hello()
        customer.envelope(ANNA)
        stuffed = b"".join(b"." * one.startswith(".") + one.encode() + b"\r\n" for one in lines)
        for octet in message(unique) + stuffed + b".\r\n":
            customer.send(bytes([octet]))
        assert customer.answer().code == 250
    (kept,) = [one for one in hop.kept if unique.encode() in one.raw]
    assert kept.raw.endswith("".join(f"{one}\r\n" for one in lines).encode())


STRANGE = 'acme\r\n{"kind": "forged"}\n\x1b[2J\x85\u2028\u202e'
"""Line ends to one reader or another, and a terminal's commands."""


def test_what_a_stranger_says_is_one_line(house: Inside) -> None:
    """Neither a reply nor the journal is broken in two by what is in a login or a host name."""
    with Customer(house.harness.submissions, tls=house.harness.certificates) as customer:
        customer.send("EHLO evil\u2028\x85\u202e.test\r\n".encode())
        assert customer.answer().code == 250
        login = base64.b64encode(f"\0{STRANGE}\0guess".encode())
        customer.send(b"AUTH PLAIN " + login + b"\r\nEHLO client.test\r\n")
        assert (answer := customer.answer()).code == 535
        assert answer.text.count("\n") == 1
        assert answer.text.replace("\n", "").isprintable()
        assert customer.answer().code == 250
    failed = house.event("auth.failed")
    assert "forged" in failed.detail["login"]
    house.call(house.gateway.journal.flush)
    (file,) = (house.harness.folder / "state/journal").glob("smtp*.jsonl")
    kinds = [json.loads(line)["kind"] for line in file.read_bytes().split(b"\n")[:-1]]
    assert "auth.failed" in kinds
    assert "forged" not in kinds

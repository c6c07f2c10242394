"""Octets that two servers may read differently: line ends, dots and NULs. The message or command is
refused as a whole, nothing behind it is read as a command, and the next hop is never sent one.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator

import pytest

from tests.e2e.certificates import Certificates
from tests.faults.customer import ANNA, Customer, message, new_id
from tests.faults.hop import Hop
from tests.faults.hostile import impatient_house
from tests.faults.houses import Inside


@pytest.fixture(scope="module")
def house(
    shared_hop: Hop, certificates: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Inside]:
    """A gateway of short patience and small memory."""
    with impatient_house(shared_hop, certificates, tmp_path_factory.mktemp("house")) as running:
        yield running


ENDS = [
    b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r.\r\n", b"\r\n.\r", b"\r\n\0.\r\n",
    b"\r\n.\0\r\n", b"\r\0\n.\r\n", b"\r\r\n.\r\r\n", b"\n\n.\r\n", b"\r\n.\r\r\n", b"\r\n \r.\r\n",
    b"\0", b"\r", b"\n",
]  # fmt: skip
"""What some server takes for the end of a message, or passes on so that the next one does."""
SECRET = b"MAIL FROM:<evil@acme.test>\r\nRCPT TO:<bert@inbox.test>\r\nDATA\r\nFrom: evil\r\n"


@pytest.mark.parametrize("where", ["header", "body", "octet by octet"])
@pytest.mark.parametrize("end", ENDS, ids=repr)
def test_nothing_but_a_dot_on_a_line_ends_a_message(
    end: bytes, where: str, house: Inside, hop: Hop
) -> None:
    """Such a message is refused as a whole; the next hop sees no bare CR, LF or NUL, and what
    follows is no command."""
    before = {number: len(octets) for number, octets in hop.octets.items()}
    unique = new_id()
    head = b"" if where == "header" else b"\r\n"
    hidden = message(unique)[: -len(b"\r\nGood morning\r\n")] + head
    octets = hidden + b"end?" + end + SECRET + b".\r\n"
    with Customer(house.port) as smuggler:
        smuggler.hello()
        assert smuggler.envelope(ANNA).code == 354
        if where == "octet by octet":
            smuggler.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for start in range(0, len(octets), 7):
                smuggler.send(octets[start : start + 7])
        else:
            smuggler.send(octets)
        answer = smuggler.answer()
        assert (answer.code, answer.tag) == (550, "BAD-MESSAGE")
        assert smuggler.ask("NOOP").code == 250
    assert hop.copies_of(unique) == 0
    seen = b"".join(bytes(o[before.get(n, 0) :]) for n, o in list(hop.octets.items()))
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)|\0", seen)
    assert b"evil" not in seen


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
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)|\0", b"".join(map(bytes, hop.octets.values())))


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

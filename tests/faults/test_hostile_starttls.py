"""STARTTLS on our side of a customer: what came before the handshake in the clear, in whatever
pieces, is nothing once TLS is up.
"""

from __future__ import annotations

import base64
import re
import socket
import ssl
from collections.abc import Iterator
from contextlib import suppress

import pytest

from gateway.smtp import session
from tests.e2e.certificates import HOST, Certificates
from tests.e2e.gateway import PASSWORD
from tests.faults.customer import Customer
from tests.faults.hop import Hop
from tests.faults.hostile import SHORT, hostile_house, others_are_served, the_connection
from tests.faults.houses import Inside


@pytest.fixture(scope="module")
def house(
    shared_hop: Hop, certificates: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Inside]:
    """A gateway of small memory."""
    with hostile_house(shared_hop, certificates, tmp_path_factory.mktemp("house")) as running:
        yield running


LOGIN = base64.b64encode(b"\0acme\0" + PASSWORD.encode())
EVIL = (
    b"EHLO evil.test\r\nAUTH PLAIN " + LOGIN + b"\r\n"
    b"MAIL FROM:<evil@acme.test>\r\nRCPT TO:<bert@inbox.test>\r\nDATA\r\nFrom: <evil@acme.test>\r\n"
)
BEHIND = {
    "nothing": b"",
    "a session": EVIL,
    "a command": b"NOOP\r\n",
    "half a command": b"EHLO evil.te",
    "an unfinished AUTH": b"EHLO evil.test\r\nAUTH PLAIN\r\n",
    "a line without end": b"x" * 10_000,
    "half a line end": b"NOOP\r",
    "a chunk": b"BDAT 1000 LAST\r\nNOOP\r\n",
    "a second STARTTLS": b"STARTTLS\r\n",
    "a bare line feed": b"NOOP\nNOOP\r\n",
}


@pytest.mark.parametrize("behind", BEHIND)
@pytest.mark.parametrize("before", [b"", b"RCPT TO:<bert@inbox.test>\r\n"], ids=["", "RCPT before"])
def test_what_comes_with_starttls_is_forgotten(
    before: bytes, behind: str, house: Inside, hop: Hop, certificates: Certificates
) -> None:
    """In the same segment, read ahead or not: inside TLS the session is as new."""
    signed_in = kinds(house, "auth.succeeded")
    with Customer(house.harness.submission) as victim:
        victim.hello()
        victim.send(before + b"STARTTLS\r\n" + BEHIND[behind])
        if before:
            assert victim.answer().tag == "TLS-REQUIRED"
        assert victim.answer().code == 220
        assert_new(victim, certificates)
    assert kinds(house, "auth.succeeded") == signed_in + 1
    assert b"evil" not in b"".join(map(bytes, hop.octets.values()))


@pytest.mark.parametrize("behind", ["a session", "a command", "half a command", "half a line end"])
def test_plaintext_in_place_of_a_handshake_ends_the_connection(
    behind: str, house: Inside, hop: Hop
) -> None:
    """Commands that come after the 220 in the clear are answered by nobody."""
    signed_in = kinds(house, "auth.succeeded")
    with Customer(house.harness.submission) as victim:
        victim.hello()
        assert victim.ask("STARTTLS").code == 220
        victim.send(BEHIND[behind])
        assert not re.search(rb"\d{3}[ -]", until_closed(victim.socket))
    assert kinds(house, "auth.succeeded") == signed_in
    others_are_served(house, hop)


def test_more_than_is_read_at_once_ends_the_connection(house: Inside, hop: Hop) -> None:
    """What is read with STARTTLS is thrown away; what follows it in the clear is no handshake."""
    with Customer(house.harness.submission) as victim:
        victim.hello()
        with suppress(ConnectionError):
            victim.send(b"STARTTLS\r\n" + b"NOOP\r\n" * 200_000)
        assert victim.answer().code in (220, 0)  # the reset may overtake it
        assert not re.search(rb"\d{3}[ -]", until_closed(victim.socket))
    others_are_served(house, hop)


def test_a_handshake_that_does_not_wait_for_the_220_is_given_up(
    house: Inside, hop: Hop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A ClientHello in the segment of STARTTLS may be anybody's: thrown away like the rest."""
    monkeypatch.setattr(session, "HANDSHAKE", SHORT)
    into, out = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = ssl.create_default_context().wrap_bio(into, out, server_hostname=HOST)
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    with Customer(house.harness.submission) as hasty:
        hasty.hello()
        hasty.send(b"STARTTLS\r\n" + out.read())
        assert hasty.answer().code == 220
        others_are_served(house, hop)
        assert until_closed(hasty.socket) == b""


def test_what_was_said_before_tls_counts_for_nothing(
    house: Inside, certificates: Certificates
) -> None:
    """EHLO is needed again, and AUTH; the name that was given in the clear is forgotten."""
    with Customer(house.harness.submission) as victim:
        assert victim.ask("EHLO evil.test").code == 250
        assert victim.ask("STARTTLS").code == 220
        victim.handshake(certificates)
        assert victim.sign_in("acme", PASSWORD).tag == "SEQUENCE"
        assert victim.ask("MAIL FROM:<news@acme.test>").tag == "AUTH-REQUIRED"
        assert the_connection(house).engine.hello == ""
        assert_new(victim, certificates=None)


def test_a_command_right_behind_the_handshake_is_answered(
    house: Inside, certificates: Certificates
) -> None:
    """EHLO in the same segment as the end of the handshake is inside TLS, and is kept."""
    with Customer(house.harness.submission) as quick:
        quick.hello()
        assert quick.ask("STARTTLS").code == 220
        into, out = ssl.MemoryBIO(), ssl.MemoryBIO()
        context = ssl.create_default_context(cafile=certificates.authority)
        tls = context.wrap_bio(into, out, server_hostname=HOST)
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                if out.pending:
                    quick.send(out.read())
                into.write(quick.socket.recv(65_536))
        tls.write(b"EHLO client.test\r\n")
        quick.send(out.read())
        reply = b""
        while b"250 HELP" not in reply:
            octets = quick.socket.recv(65_536)
            assert octets, reply
            into.write(octets)
            try:
                reply += tls.read()
            except ssl.SSLWantReadError:
                continue


# ---- the parts ----------------------------------------------------------------------------------


def assert_new(customer: Customer, certificates: Certificates | None) -> None:
    """Inside TLS every command gets its own answer, and nobody is signed in before AUTH."""
    hello = customer.start_tls(certificates) if certificates else customer.hello()
    assert (hello.code, "STARTTLS" in hello.text, "AUTH PLAIN" in hello.text) == (250, False, True)
    assert customer.ask("MAIL FROM:<news@acme.test>").tag == "AUTH-REQUIRED"
    assert customer.sign_in("acme", PASSWORD).code == 235
    assert customer.ask("RCPT TO:<anna@inbox.test>").tag == "SEQUENCE"
    assert customer.ask("RSET").code == 250
    assert customer.ask("QUIT").code == 221
    assert customer.is_closed()


def kinds(house: Inside, kind: str) -> int:
    """How many events of that kind there were."""
    return sum(event.kind == kind for event in house.events)


def until_closed(one: socket.socket) -> bytes:
    """All that comes until the other side closes."""
    octets = b""
    with suppress(ConnectionResetError):
        while more := one.recv(1000):
            octets += more
    return octets

"""Customers that are slow on purpose: each is given up in bounded time, and the others do not
notice."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import closing, suppress

import pytest

from tests.e2e.certificates import HOST, Certificates
from tests.e2e.ports import LOOPBACK
from tests.faults.customer import ANNA, Customer
from tests.faults.hop import Hop
from tests.faults.hostile import (
    SHORT,
    hostile_house,
    nobody_is_sent_away,
    others_are_served,
    the_connection,
)
from tests.faults.houses import Inside
from tests.faults.waiting import eventually


@pytest.fixture(scope="module")
def house(
    shared_hop: Hop, certificates: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Inside]:
    """A gateway of short patience."""
    folder = tmp_path_factory.mktemp("house")
    with hostile_house(shared_hop, certificates, folder, patience=SHORT) as running:
        yield running


def trickle(customer: Customer, octets: bytes, pause: float = 0.2) -> None:
    """Send one octet at a time until the other side speaks; fails when each buys more time."""
    patience = customer.socket.gettimeout()
    customer.socket.settimeout(pause)
    for _ in range(100):
        customer.send(octets)
        with suppress(TimeoutError):
            if customer.socket.recv(1, socket.MSG_PEEK):
                break
    else:
        pytest.fail("nobody is timed out")
    customer.socket.settimeout(patience)


def test_a_command_that_comes_octet_by_octet_is_timed_out(house: Inside, hop: Hop) -> None:
    """The limit is for the whole command: an octet now and then buys no more time."""
    with Customer(house.port) as slow:
        trickle(slow, b"N")
        assert slow.answer()[0:1] == (421,)
        assert slow.is_closed()
    others_are_served(house, hop)


def test_a_message_that_comes_octet_by_octet_is_timed_out(house: Inside, hop: Hop) -> None:
    """Message data has a least speed; the others are served meanwhile."""
    with Customer(house.port) as slow:
        with nobody_is_sent_away(house):
            slow.hello()
            assert slow.envelope(ANNA).code == 354
            others_are_served(house, hop)
        trickle(slow, b"x")
        answer = slow.answer()
        assert (answer.code, answer.tag) == (421, "TIMEOUT")
        assert "4.4.2" in answer.text
    eventually(lambda: house.gateway.budget.used == 0)


@pytest.mark.parametrize("way", ["implicit", "starttls"])
def test_half_a_handshake_is_dropped(way: str, house: Inside, hop: Hop) -> None:
    """A TLS handshake that does not go on is given up; the others are served meanwhile."""
    hello = half_a_hello()
    port = house.harness.submissions if way == "implicit" else house.harness.submission
    half = Customer(port, seconds=20)
    with closing(half.socket):
        if way == "starttls":
            with nobody_is_sent_away(house):
                assert half.answer().code == 220
                half.hello()
                assert half.ask("STARTTLS").code == 220
        half.send(hello)
        others_are_served(house, hop)
        assert until_closed(half.socket) == b""


def test_a_reader_that_never_reads_is_dropped(house: Inside, hop: Hop) -> None:
    """Replies that nobody reads stop the session's work, and end it; nothing piles up."""
    (at,) = [one for one in house.gateway.listeners if one.port == house.port]
    at._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    probing = b"RCPT TO:<no one@inbox.test>\r\n" * 99
    eventually(lambda: len(house.gateway.watch) == 0)
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect((LOOPBACK, house.port))

        def talk() -> None:
            with suppress(OSError):
                while True:
                    deaf.sendall(b"EHLO a.test\r\nMAIL FROM:<news@acme.test>\r\n" + probing)

        talker = threading.Thread(target=talk)
        with nobody_is_sent_away(house):
            talker.start()
            session_of_deaf = the_connection(house)
            eventually(lambda: session_of_deaf._stalled_since)
            others_are_served(house, hop)
            waiting = house.call(lambda: session_of_deaf.transport.get_write_buffer_size())
            assert waiting + session_of_deaf.engine.buffered < 2_000_000
        talker.join(60)
        assert not talker.is_alive()
    eventually(lambda: len(house.gateway.watch) == 0)


def half_a_hello() -> bytes:
    """The first half of a TLS ClientHello."""
    into, out = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = ssl.create_default_context().wrap_bio(into, out, server_hostname=HOST)
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    hello = out.read()
    return hello[: len(hello) // 2]


def until_closed(one: socket.socket) -> bytes:
    """What comes until the other side closes."""
    try:
        return one.recv(1000)
    except ConnectionResetError:
        return b""

"""Customers that are slow, that probe, that guess or that send too much at once: each is stopped in
bounded time and memory, and the others do not notice.
"""

from __future__ import annotations

import re
import select
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.e2e.certificates import HOST, Certificates
from tests.e2e.gateway import PASSWORD
from tests.e2e.ports import LOOPBACK
from tests.faults.customer import ANNA, Answer, Customer, message, new_id
from tests.faults.hop import Action, Hop
from tests.faults.hostile import MEMORY, SHORT, impatient_house, others_are_served
from tests.faults.houses import Inside
from tests.faults.waiting import eventually


@pytest.fixture(scope="module")
def house(
    shared_hop: Hop, certificates: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Inside]:
    """A gateway of short patience and small memory."""
    with impatient_house(shared_hop, certificates, tmp_path_factory.mktemp("house")) as running:
        yield running


# ---- slow ---------------------------------------------------------------------------------------


def trickle(customer: Customer, octets: bytes, pause: float = 0.2, seconds: float = 8.0) -> float:
    """Send one octet at a time until the other side speaks; the seconds it took."""
    started = time.monotonic()
    customer.socket.settimeout(pause)
    while time.monotonic() - started < seconds:
        customer.send(octets)
        try:
            if customer.socket.recv(1, socket.MSG_PEEK):
                break
        except TimeoutError:
            continue
    customer.socket.settimeout(5)
    return time.monotonic() - started


def test_a_command_that_comes_octet_by_octet_is_timed_out(house: Inside, hop: Hop) -> None:
    """The limit is for the whole command: an octet now and then buys no more time."""
    with Customer(house.port) as slow:
        slow.hello()
        taken = trickle(slow, b"N")
        assert slow.answer()[0:1] == (421,)
        assert taken < 3 * SHORT
        assert slow.is_closed()
    others_are_served(house, hop)


def test_a_message_that_comes_octet_by_octet_is_timed_out(house: Inside, hop: Hop) -> None:
    """Message data has a least speed; the others are served meanwhile."""
    with Customer(house.port) as slow:
        slow.hello()
        assert slow.envelope(ANNA).code == 354
        others_are_served(house, hop)
        trickle(slow, b"x")
        answer = slow.answer()
        assert (answer.code, answer.tag) == (421, "TIMEOUT")
        assert "4.4.2" in answer.text
    assert house.call(lambda: house.gateway.budget.used) == 0


@pytest.mark.parametrize("way", ["implicit", "starttls"])
def test_half_a_handshake_is_dropped(way: str, house: Inside, hop: Hop) -> None:
    """A TLS handshake that does not go on is given up; the others are served meanwhile."""
    hello = half_a_hello()
    port = house.harness.submissions if way == "implicit" else house.harness.submission
    started = time.monotonic()
    with socket.create_connection((LOOPBACK, port), timeout=10) as half:
        if way == "starttls":
            half.recv(1000)
            half.sendall(b"STARTTLS\r\n")
            half.recv(1000)
            half.sendall(b"EHLO a.test\r\nSTARTTLS\r\n")
            while b"220 " not in half.recv(1000):
                pass
        half.sendall(hello)
        others_are_served(house, hop)
        assert until_closed(half) == b""
    assert time.monotonic() - started < 3 * SHORT


def test_half_handshakes_count_as_connections(house: Inside, hop: Hop) -> None:
    """A client's connections are limited before their handshakes too: at twice the limit, so that
    those above it can be told so inside TLS."""
    limit = house.gateway.watch.max_per_client
    house.gateway.watch.max_per_client = 3
    held = [
        socket.create_connection((LOOPBACK, house.harness.submissions), timeout=10)
        for _ in range(12)
    ]
    try:
        eventually(lambda: len(select.select(held, (), (), 0)[0]) >= 6, SHORT / 2)
        assert house.call(lambda: len(house.gateway.watch)) == 2 * 3
    finally:
        house.gateway.watch.max_per_client = limit
        for one in held:
            one.close()
    eventually(lambda: len(house.gateway.watch) == 0)
    others_are_served(house, hop)


def test_a_reader_that_never_reads_is_dropped(house: Inside, hop: Hop) -> None:
    """Replies that nobody reads stop the session's work, and end it; nothing piles up."""
    (at,) = [one for one in house.gateway.listeners if one.port == house.port]
    at._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    probing = b"RCPT TO:<no one@inbox.test>\r\n" * 99
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect((LOOPBACK, house.port))

        def talk() -> None:
            with suppress(OSError):
                while True:
                    deaf.sendall(b"EHLO a.test\r\nMAIL FROM:<news@acme.test>\r\n" + probing)

        talker = threading.Thread(target=talk)
        talker.start()
        (session_of_deaf,) = eventually(lambda: house.call(lambda: list(house.gateway.watch)))
        eventually(lambda: session_of_deaf._stalled_since)
        others_are_served(house, hop)
        waiting = house.call(lambda: session_of_deaf.transport.get_write_buffer_size())
        assert waiting + session_of_deaf.engine.buffered < 2_000_000
        talker.join(4 * SHORT)
        assert not talker.is_alive()
    assert house.call(lambda: len(house.gateway.watch)) == 0


# ---- probing and guessing -----------------------------------------------------------------------


@pytest.mark.parametrize("by", ["gateway", "hop"])
def test_probing_ends_at_a_hundred_refusals(by: str, house: Inside, hop: Hop) -> None:
    """The hundredth refused recipient of a transaction closes the session."""
    address = "no one@inbox.test" if by == "gateway" else "nobody{}@inbox.test"
    if by == "hop":
        hop.on("RCPT", *["550 5.1.1 No such user"] * 300)
    with Customer(house.port) as prober:
        prober.hello()
        prober.ask("MAIL FROM:<news@acme.test>")
        lines = "".join(f"RCPT TO:<{address.format(n)}>\r\n" for n in range(150))
        prober.send(lines.encode())
        codes = [prober.answer() for _ in range(101)]
        assert {one.code for one in codes[:100]} <= {550, 553}
        assert (codes[100].code, codes[100].tag) == (421, "RCPT-REFUSALS")
        assert prober.is_closed()
    hop.forget()


def test_guessing_is_slow_and_blind(house: Inside, certificates: Certificates) -> None:
    """An unknown name and a wrong password get the same words in the same time; five failures
    close the session, and more of them in the window (20; here 5) lock name and address out."""
    port, words = house.harness.submissions, set()
    took: dict[str, list[float]] = {"acme": [], "nobody": []}
    with Customer(port, tls=certificates) as guesser:
        guesser.hello()
        for name in ("acme", "nobody", "acme", "nobody", "acme"):
            started = time.perf_counter()
            answer = guesser.sign_in(name, "guess")
            took[name].append(time.perf_counter() - started)
            words.add(re.sub(r"ref=\S+", "", answer.text))
            assert answer.code == 535
        assert guesser.is_closed()
    assert len(words) == 1
    slow, fast = sorted(min(times) for times in took.values())[::-1]
    assert slow < 3 * fast
    with Customer(port, tls=certificates) as locked:
        locked.hello()
        answer = locked.sign_in("acme", PASSWORD)
        assert (answer.code, answer.tag) == (421, "AUTH-LOCK")
        assert locked.is_closed()


# ---- memory -------------------------------------------------------------------------------------


def test_a_hundred_big_messages_share_the_memory_there_is(house: Inside, hop: Hop) -> None:
    """Those that find room are relayed, the rest gets 452 [MEMORY]; none is lost or doubled."""
    hop.on("DOT", *[Action.HOLD] * 100)
    answers: dict[str, Answer] = {}

    def deliver(unique: str, is_announced: bool) -> None:
        with Customer(house.port) as big:
            big.hello()
            size = " SIZE=400000" if is_announced else ""
            big.ask(f"MAIL FROM:<news@acme.test>{size}", f"RCPT TO:<{ANNA}>")
            answer = big.ask("DATA")
            if answer.code == 354:
                big.send(message(unique, size=390_000) + b".\r\n")
                answer = big.answer()
            answers[unique] = answer

    names = [new_id() for _ in range(100)]
    senders = [
        threading.Thread(target=deliver, args=(name, number % 2 == 0))
        for number, name in enumerate(names)
    ]
    for sender in senders:
        sender.start()
    most = 0
    while len(answers) < 95:
        most = max(most, house.gateway.budget.used)
        time.sleep(0.02)
    with Customer(house.port) as other:
        assert other.hello().code == 250
    hop.release()
    for sender in senders:
        sender.join(20)
    assert 0 < most <= MEMORY
    assert {(a.code, a.tag) for a in answers.values()} <= {(250, ""), (452, "MEMORY")}
    taken = [name for name in names if answers[name].code == 250]
    assert 3 <= len(taken) <= 5
    assert [hop.copies_of(name) for name in names] == [int(name in taken) for name in names]
    assert house.call(lambda: house.gateway.budget.used) == 0


# ---- the parts ----------------------------------------------------------------------------------


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

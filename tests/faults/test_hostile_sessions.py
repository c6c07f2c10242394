"""Customers that probe, that guess or that send too much at once: each is stopped in bounded
memory, and the others do not notice.
"""

from __future__ import annotations

import re
import select
import socket
import threading
from collections.abc import Iterator
from unittest.mock import patch

import pytest
from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError

from tests.e2e.certificates import Certificates
from tests.e2e.gateway import PASSWORD
from tests.e2e.ports import LOOPBACK
from tests.faults.customer import ANNA, Answer, Customer, message, new_id
from tests.faults.hop import Action, Hop
from tests.faults.hostile import MEMORY, hostile_house, others_are_served
from tests.faults.houses import Inside
from tests.faults.waiting import eventually


@pytest.fixture(scope="module")
def house(
    shared_hop: Hop, certificates: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Inside]:
    """A gateway of small memory."""
    with hostile_house(shared_hop, certificates, tmp_path_factory.mktemp("house")) as running:
        yield running


# ---- probing and guessing -----------------------------------------------------------------------


def test_half_handshakes_count_as_connections(house: Inside, hop: Hop) -> None:
    """A client's connections are limited before their handshakes too: at twice the limit, so that
    those above it can be told so inside TLS."""
    eventually(lambda: len(house.gateway.watch) == 0)
    limit = house.gateway.watch.max_per_client
    house.gateway.watch.max_per_client = 3
    held = [
        socket.create_connection((LOOPBACK, house.harness.submissions), timeout=60)
        for _ in range(12)
    ]
    try:
        eventually(lambda: len(select.select(held, (), (), 0)[0]) >= 6)
        eventually(lambda: len(house.gateway.watch) == 2 * 3)
    finally:
        house.gateway.watch.max_per_client = limit
        for one in held:
            one.close()
    eventually(lambda: len(house.gateway.watch) == 0)
    others_are_served(house, hop)


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
    """An unknown name and a wrong password get the same words after a hash each (of the same cost:
    tests/unit/smtp/test_sign_in.py); five failures close the session, and more of them in the
    window (20; here 5) lock name and address out."""
    port, words = house.harness.submissions, set()
    hashed = []

    def verify(_hasher: PasswordHasher, stored: str, _password: str) -> bool:
        hashed.append(stored)
        raise VerifyMismatchError

    with (
        patch.object(PasswordHasher, "verify", verify),
        Customer(port, tls=certificates) as guesser,
    ):
        guesser.hello()
        for name in ("acme", "nobody", "acme", "nobody", "acme"):
            answer = guesser.sign_in(name, "guess")
            words.add(re.sub(r"ref=\S+", "", answer.text))
            assert answer.code == 535
        assert guesser.is_closed()
    assert len(words) == 1
    known, unknown = hashed[0], hashed[1]
    assert hashed == [known, unknown, known, unknown, known]
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

    def all_are_answered_but_those_held() -> bool:
        nonlocal most
        most = max(most, house.gateway.budget.used)
        return len(answers) >= 95

    eventually(all_are_answered_but_those_held)
    with Customer(house.port) as other:
        assert other.hello().code == 250
    hop.release()
    for sender in senders:
        sender.join(60)
    assert 0 < most <= MEMORY
    assert {(a.code, a.tag) for a in answers.values()} <= {(250, ""), (452, "MEMORY")}
    taken = [name for name in names if answers[name].code == 250]
    assert 3 <= len(taken) <= 5
    assert [hop.copies_of(name) for name in names] == [int(name in taken) for name in names]
    eventually(lambda: house.gateway.budget.used == 0)

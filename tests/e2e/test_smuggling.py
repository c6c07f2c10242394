"""A Postfix that accepts bare newlines stands behind the gateway: no end of data that is none ever
gives it a second message, whatever the segments it comes in.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.certificates import Certificates
from tests.e2e.conftest import READERS
from tests.e2e.gateway import Gateway, Settings
from tests.e2e.postfix import Postfix
from tests.faults.customer import ANNA, Customer, message, new_id
from tests.faults.smuggling import ENDS, LIMIT, MARK, hidden, smuggle, splits
from tests.faults.waiting import eventually

BERT = "bert@inbox.test"
LENIENT = "smtpd_forbid_bare_newline = no\nin_flow_delay = 0"
"""LF is as good as CRLF, and a hundred transactions that come to nothing slow nobody down."""

TAGS = ("BAD-MESSAGE", "TOO-BIG")
"""Which flaw of a message that is too big as well is found first depends on how it is read."""


@pytest.fixture(scope="module")
def lenient() -> Iterator[Postfix]:
    """A Postfix that takes LF for CRLF."""
    with Postfix(READERS, settings=LENIENT) as running:
        yield running


@pytest.fixture(scope="module")
def house(
    lenient: Postfix, certificates: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """A gateway in front of it that forgives any number of refused commands."""
    settings = Settings(
        lenient.port,
        gateway={"session": {"errors": 100_000}, "limits": {"message_bytes": LIMIT}},
    )
    with Gateway(tmp_path_factory.mktemp("house"), settings, certificates) as running:
        yield running


def nothing_but_a_last_message(house: Gateway, postfix: Postfix) -> None:
    """One more message passes; once the queue is empty it is all that has arrived."""
    unique = new_id()
    with Customer(house.open) as last:
        last.hello()
        assert last.deliver(message(unique)).code == 250
    eventually(lambda: not postfix.queued)
    (arrived,) = postfix.take(ANNA)
    assert unique.encode() in arrived
    assert not list((postfix.folder / "mail").glob("*/new/*"))


def test_this_postfix_takes_the_bait(lenient: Postfix) -> None:
    """Told so directly, it makes two messages of one: what the tests below look for can happen."""
    with Customer(lenient.port) as customer:
        customer.hello()
        customer.envelope(ANNA)
        customer.send(message(new_id()) + b"end?\n.\n" + hidden(BERT) + b".\r\n")
        assert [customer.answer().code for _ in range(5)] == [250, 250, 250, 354, 250]
    (evil,) = lenient.take(BERT)
    assert MARK in evil
    lenient.take(ANNA)


@pytest.mark.parametrize("is_big", [False, True], ids=["within the limit", "over it"])
def test_no_look_alike_gives_a_second_message(
    is_big: bool, house: Gateway, lenient: Postfix
) -> None:
    """All mixtures of CR, LF, NUL and a dot, in whatever segments: refused, and nothing arrives."""
    with Customer(house.open) as smuggler:
        smuggler.hello()
        for end in ENDS:
            for segments in splits(end, is_big=is_big):
                answer = smuggle(smuggler, segments)
                assert answer.tag in (TAGS if is_big else TAGS[:1]), (end, answer)
        assert smuggler.ask("NOOP").code == 250
    nothing_but_a_last_message(house, lenient)


@pytest.mark.parametrize("size", ["{}", "{} LAST"])
def test_no_chunk_gives_a_message(size: str, house: Gateway, lenient: Postfix) -> None:
    """BDAT is not offered; what hides in its chunk is no command."""
    chunk = b"x\n.\r\n" + hidden() + b".\r\n"
    with Customer(house.open) as smuggler:
        smuggler.hello()
        smuggler.ask("MAIL FROM:<news@acme.test>", f"RCPT TO:<{ANNA}>")
        command = f"BDAT {size.format(len(chunk))}\r\n".encode()
        smuggler.send(command + chunk + b"NOOP\r\nQUIT\r\n")
        assert [smuggler.answer().code for _ in range(3)] == [502, 250, 221]
    nothing_but_a_last_message(house, lenient)

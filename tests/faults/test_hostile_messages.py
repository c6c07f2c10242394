"""Messages and commands that are too long, too many or too deep, and addresses with two readings:
a clear answer in bounded memory, and no other session notices.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.certificates import Certificates
from tests.faults.customer import ANNA, Customer, new_id
from tests.faults.hop import Hop
from tests.faults.hostile import hostile_house, others_are_served, the_connection
from tests.faults.houses import Inside
from tests.faults.waiting import eventually

HEAD = b"From: <news@acme.test>\r\n"
BODY = b"\r\nGood morning\r\n"
DEEP = b"".join(
    b'Content-Type: multipart/mixed; boundary="b%d"\r\n\r\n--b%d\r\n' % (n, n) for n in range(1000)
)
MESSAGES: dict[str, tuple[bytes, str]] = {
    "10 MB without a newline": (HEAD + b"\r\n" + b"x" * 10_000_000 + b"\r\n", "BAD-MESSAGE"),
    "10 MB without a newline in a field": (
        HEAD + b"X: " + b"x" * 10_000_000 + b"\r\n", "BAD-MESSAGE",
    ),
    "a line of 999": (HEAD + b"\r\n" + b"x" * 999 + b"\r\n", "BAD-MESSAGE"),
    "1,001 fields": (HEAD + b"X: y\r\n" * 999 + BODY, "BAD-MESSAGE"),
    "1,000 fields": (HEAD + b"X: y\r\n" * 998 + BODY, ""),
    "300 KB of one field": (HEAD + b"X: y\r\n" + b" z\r\n" * 75_000 + BODY, "BAD-MESSAGE"),
    "16,000 encoded words in From": (
        b"From: " + b"=?u?q?b?=\r\n " * 16_000 + b"<news@acme.test>\r\n" + BODY, "FROM-ALIGN",
    ),
    "16,000 encoded words in Subject": (
        HEAD + b"Subject: " + b"=?u?q?b?=\r\n " * 16_000 + b"x\r\n" + BODY, "",
    ),
    "comments 1,000 deep": (
        b"From: " + b"(\r\n " * 1000 + b")\r\n " * 1000 + b"<news@acme.test>\r\n" + BODY,
        "FROM-ALIGN",
    ),
    "parts 1,000 deep": (HEAD + DEEP + BODY, ""),
    "200 KB of empty lines": (HEAD + b"\r\n" * 100_000, ""),
    "50,000 blanks a line": (HEAD + b"\r\n" + (b" \t" * 490 + b"\r\n") * 50, ""),
    "two From fields": (HEAD + HEAD + BODY, "FROM-ALIGN"),
    "an address in the name": (b"From: news@acme.test <boss@other.test>\r\n" + BODY, "FROM-ALIGN"),
    "another's address in the name": (
        b"From: boss@other.test <news@acme.test>\r\n" + BODY, "FROM-ALIGN",
    ),
    "a group": (b"From: us: <news@acme.test>;\r\n" + BODY, "FROM-ALIGN"),
    "a source route": (b"From: <@other.test:news@acme.test>\r\n" + BODY, "FROM-ALIGN"),
    "a percent sign": (b"From: <boss%other.test@acme.test>\r\n" + BODY, "FROM-ALIGN"),
    "another's domain": (b"From: <boss@other.test>\r\n" + BODY, "FROM-ALIGN"),
    "another's domain in wide letters": (
        "From: <boss@\uff41cme.test>\r\n".encode() + BODY, "FROM-ALIGN",
    ),
    "a space before the colon": (b"From : <boss@other.test>\r\n" + HEAD + BODY, "BAD-MESSAGE"),
    "a vertical tab": (b"From: <news@acme.test>\x0b<boss@other.test>\r\n" + BODY, "BAD-MESSAGE"),
}  # fmt: skip
"""What is sent, and the tag it is refused with; "" when it is harmless and passes."""
ADDRESSES = {
    "Anna.B+tag@INBOX.test": "250",
    "o'neil=x/y@inbox.test": "250",
    '"anna b"@inbox.test': "250",
    "anna@xn--mnchen-3ya.test": "250",
    "anna@münchen.test": "250",
    "żółć@Inbox.test": "250",
    "@relay.test:anna@inbox.test": "RCPT-SYNTAX",
    "anna%inbox.test@relay.test": "RCPT-SYNTAX",
    "relay.test!anna@inbox.test": "RCPT-SYNTAX",
    "anna@bert@inbox.test": "RCPT-SYNTAX",
    "anna@inbox\u3002test": "RCPT-SYNTAX",
    "anna@\uff49nbox.test": "RCPT-SYNTAX",
    "anna@inbox.test\u202e": "RCPT-SYNTAX",
    "anna@inbox.test\x7f": "RCPT-SYNTAX",
}
"""Recipients: taken or refused."""


@pytest.fixture(scope="module")
def house(
    shared_hop: Hop, certificates: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Inside]:
    """A gateway of small memory."""
    with hostile_house(shared_hop, certificates, tmp_path_factory.mktemp("house")) as running:
        yield running


@pytest.mark.parametrize("what", MESSAGES)
def test_a_monstrous_message_has_a_clear_answer(what: str, house: Inside, hop: Hop) -> None:
    """It is refused for good or harmless; memory is given back, and others are served at once."""
    octets, tag = MESSAGES[what]
    unique = new_id()
    with Customer(house.port) as customer:
        customer.hello()
        customer.envelope(ANNA)
        customer.send(b"X-Id: " + unique.encode() + b"\r\n" + octets)
        others_are_served(house, hop)
        customer.send(b".\r\n")
        answer = customer.answer()
        assert (answer.code, answer.tag) == ((550, tag) if tag else (250, ""))
        assert customer.ask("NOOP").code == 250
    assert hop.copies_of(unique) == (not tag)
    eventually(lambda: house.gateway.budget.used == 0)


def test_ten_thousand_recipients_are_counted_off(house: Inside, hop: Hop) -> None:
    """A hundred are taken, the rest is told to come again, and others are served meanwhile."""
    with Customer(house.port) as customer:
        customer.hello()
        customer.ask("MAIL FROM:<news@acme.test>")
        lines = "".join(f"RCPT TO:<r{number}@inbox.test>\r\n" for number in range(10_000))
        customer.send(lines.encode())
        others_are_served(house, hop)
        codes = [customer.answer().code for _ in range(10_000)]
    assert codes == [250] * 100 + [452] * 9900


@pytest.mark.parametrize(
    "line",
    [b"NOOP " + b"x" * 2044, b"x" * 3_000_000, b"MAIL FROM:<" + b"a" * 3000 + b"@acme.test>"],
)
def test_a_long_command_costs_one_refusal(line: bytes, house: Inside, hop: Hop) -> None:
    """Over the limit a line is thrown away as it comes; the next command is answered."""
    with Customer(house.port) as customer:
        customer.hello()
        customer.send(line)
        others_are_served(house, hop)
        connection = the_connection(house)
        eventually(lambda: house.call(lambda: connection.engine.buffered) <= 2050)
        customer.send(b"\r\nNOOP\r\n")
        assert (answer := customer.answer()).code == 500, answer
        assert customer.answer().code == 250


@pytest.mark.parametrize("address", ADDRESSES)
def test_the_address_that_is_checked_is_the_address_that_is_sent(
    address: str, house: Inside, hop: Hop
) -> None:
    """Taken as written, to the octet, or refused where two servers could read it differently."""
    seen = {number: len(octets) for number, octets in hop.octets.items()}
    with Customer(house.port) as customer:
        customer.hello()
        customer.ask("MAIL FROM:<news@acme.test> SMTPUTF8")
        answer = customer.ask(f"RCPT TO:<{address}>")
    new = b"".join(bytes(o[seen.get(n, 0) :]) for n, o in list(hop.octets.items()))
    if ADDRESSES[address] == "250":
        assert answer.code == 250
        assert new.count(f"RCPT TO:<{address}>\r\n".encode()) == 1
    else:
        assert answer.tag == ADDRESSES[address]
        assert b"RCPT" not in new

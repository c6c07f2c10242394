"""A retry sends only what is missing, and what was refused beside taken copies is told by a DSN."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.e2e.certificates import Certificates
from tests.e2e.conftest import SHAPES
from tests.e2e.deciding_hop import BREAK_OFF, DecidingHop
from tests.e2e.gateway import Settings, acme
from tests.e2e.inside import InsideGateway
from tests.e2e.session import Session, letter, wait_until

SENDER = "news@acme.test"
ANNA, BERT, CLEO = READERS = ["anna@inbox.test", "bert@inbox.test", "cleo@inbox.test"]
NOBODY = "<>"
LATER = "450 4.2.1 Later"
NEVER = "550 5.2.2 Mailbox is full"
pytestmark = pytest.mark.parametrize("shape", SHAPES, indirect=True, scope="module")


@pytest.fixture(scope="module")
def hop(shape: dict[str, Any]) -> Iterator[DecidingHop]:
    """The next hop, one for each shape."""
    with DecidingHop() as running:
        yield running


@pytest.fixture(scope="module")
def house(
    hop: DecidingHop,
    certificates: Certificates,
    shape: dict[str, Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[InsideGateway]:
    """The gateway."""
    tenants = {"acme": acme(limits={"batches": 2})}
    settings = Settings(hop.port, trusted=None, gateway=shape, tenants=tenants)
    with InsideGateway(tmp_path_factory.mktemp("house"), settings, certificates) as running:
        yield running


@pytest.fixture(autouse=True)
def _empty(hop: DecidingHop) -> None:
    """Every test begins with an empty next hop."""
    hop.messages.clear()


def only(answer: str, *recipients: str) -> Callable[[str], str | None]:
    """A judge that gives that answer to those recipients."""
    return lambda recipient: answer if recipient in recipients else None


def copies(hop: DecidingHop) -> list[str]:
    """Whose copies the next hop has kept so far, in order."""
    return [recipient for message in hop.taken(SENDER) for recipient in message.recipients]


def test_retry_sends_only_what_is_missing(house: InsideGateway, hop: DecidingHop) -> None:
    """With two of three copies taken the customer gets [PARTIAL]; the same bytes again bring the
    third only and a 250; once that is seen, the same bytes are a new mail."""
    raw = letter(SENDER)
    with Session(house.open, "acme/weekly") as session:
        with hop.judging(at_dot=only(LATER, BERT)):
            said = session.send(SENDER, READERS, raw)
            assert said.short == "451 4.4.0 [PARTIAL]"
            assert "2 of 3 taken" in said.text
            assert copies(hop) == [ANNA, CLEO]
            assert session.send(SENDER, READERS, raw).tag == "PARTIAL"
            assert copies(hop) == [ANNA, CLEO]
        assert session.send(SENDER, READERS, raw).code == 250
        assert copies(hop) == [ANNA, CLEO, BERT]
        assert session.send(SENDER, READERS, raw).code == 250
        assert copies(hop) == [ANNA, CLEO, BERT, *READERS]


def test_retry_after_restart(house: InsideGateway, hop: DecidingHop) -> None:
    """What was taken before a restart is not sent again after it, unless its 250 was seen."""
    raw = letter(SENDER)
    with Session(house.open, "acme/weekly") as session, hop.judging(at_dot=only(LATER, BERT)):
        assert session.send(SENDER, READERS, raw).tag == "PARTIAL"
    house.stop()
    house.start()
    with Session(house.open, "acme/weekly") as session:
        assert session.send(SENDER, READERS, raw).code == 250
        assert copies(hop) == [ANNA, CLEO, BERT]
        session.command("NOOP")
    house.stop()
    house.start()
    with Session(house.open, "acme/weekly") as session:
        assert session.send(SENDER, READERS, raw).code == 250
    assert copies(hop) == [ANNA, CLEO, BERT, *READERS]


def test_retry_with_fewer_or_more_recipients(house: InsideGateway, hop: DecidingHop) -> None:
    """Each recipient is remembered by itself: a retry may name others beside those missing."""
    raw = letter(SENDER)
    with Session(house.open, "acme/weekly") as session:
        with hop.judging(at_dot=only(LATER, BERT)):
            assert session.send(SENDER, [ANNA, BERT], raw).tag == "PARTIAL"
        assert session.send(SENDER, [BERT, CLEO, ANNA], raw).code == 250
    assert copies(hop) == [ANNA, BERT, CLEO]


@pytest.mark.parametrize("other", ["stream", "sender", "octet"])
def test_other_mail_is_no_retry(house: InsideGateway, hop: DecidingHop, other: str) -> None:
    """Another stream, another sender or another octet makes it another mail."""
    raw = letter(SENDER)
    with Session(house.open, "acme/weekly") as session, hop.judging(at_dot=only(LATER, BERT)):
        assert session.send(SENDER, [ANNA, BERT], raw).tag == "PARTIAL"
    with Session(house.open, "acme/orders" if other == "stream" else "acme/weekly") as session:
        sender = "else@acme.test" if other == "sender" else SENDER
        if other == "octet":
            raw += b"\r\n"
        assert session.send(sender, [ANNA, BERT], raw).code == 250
    assert len([one for one in hop.messages if ANNA in one.recipients]) == 2


def test_unseen_250_is_not_doubled(house: InsideGateway, hop: DecidingHop) -> None:
    """A customer that is gone before it can have seen its 250 may retry without a double; a
    command after the 250 shows that it was seen."""
    raw = letter(SENDER)
    for _ in range(2):
        with Session(house.open, "acme/weekly") as session:
            assert session.send(SENDER, READERS, raw).code == 250
        assert copies(hop) == READERS
    with Session(house.open, "acme/weekly") as session:
        assert session.send(SENDER, READERS, raw).code == 250
        assert copies(hop) == READERS
        session.command("NOOP")
        assert session.send(SENDER, READERS, raw).code == 250
    assert copies(hop) == READERS * 2


def test_retry_waits_for_copies_in_flight(house: InsideGateway, hop: DecidingHop) -> None:
    """A retry that overtakes the next hop's answer waits for it and sends nothing twice."""
    raw = letter(SENDER)
    with hop.silent():
        with Session(house.open, "acme/weekly") as session:
            session.mail(SENDER)
            session.rcpt(ANNA)
            assert session.command("DATA").code == 354
            session.say_octets(raw + b".\r\n")
            wait_until(lambda: copies(hop) == [ANNA])
        retry = Session(house.open, "acme/weekly")
        assert retry.mail(SENDER).code == 250
        retry.rcpt(ANNA)
        assert retry.command("DATA").code == 354
        retry.say_octets(raw + b".\r\n")
        assert retry.is_waiting(0.3)
    with retry:
        assert retry.answer().code == 250
    assert copies(hop) == [ANNA]


def test_unknown_is_sent_again_and_flagged(house: InsideGateway, hop: DecidingHop) -> None:
    """A copy whose dot was never answered is sent again at a retry, noted as a possible double
    before it goes and with what became of it."""
    raw = letter(SENDER)
    with Session(house.open, "acme/weekly") as session:
        with hop.judging(at_dot=only(BREAK_OFF, ANNA)):
            assert session.send(SENDER, [ANNA, BERT], raw).tag == "PARTIAL"
        assert session.send(SENDER, [ANNA, BERT], raw).code == 250
    assert sorted(copies(hop)) == [ANNA, ANNA, BERT]

    def flags() -> list[tuple[str, list[int]]]:
        noted = [e for e in house.events() if "possible_doubles" in e.get("detail", {})]
        return [(event["kind"], event["detail"]["possible_doubles"]) for event in noted]

    wait_until(lambda: len(flags()) >= 2)
    assert flags() == [("message.sent_again", [1]), ("message.relayed", [1])]


def test_refused_beside_taken_is_told_by_dsn(house: InsideGateway, hop: DecidingHop) -> None:
    """With some copies taken and others refused for good the sender gets a DSN with the refused
    ones and their replies, by way of the next hop, and the customer a 250."""
    with (
        Session(house.open, "acme/weekly") as session,
        hop.judging(at_dot=only(NEVER, BERT)),
    ):
        assert session.send(SENDER, READERS, letter(SENDER)).code == 250
    assert copies(hop) == [ANNA, CLEO]
    (notice,) = hop.taken(NOBODY)
    assert notice.recipients == (SENDER,)
    assert b"Final-Recipient: rfc822; bert@inbox.test\r\n" in notice.raw
    assert b"Mailbox is full" in notice.raw
    assert b"anna@inbox.test" not in notice.raw


def test_dsn_is_tried_again(house: InsideGateway, hop: DecidingHop) -> None:
    """While the next hop does not take the DSN the customer is deferred; its retry sends the DSN
    once and no copy again."""
    raw = letter(SENDER)

    def judge(recipient: str) -> str | None:
        return {BERT: NEVER, SENDER: LATER}.get(recipient)

    with Session(house.open, "acme/weekly") as session:
        with hop.judging(at_dot=judge):
            assert session.send(SENDER, READERS, raw).tag == "PARTIAL"
        assert hop.taken(NOBODY) == []
        assert session.send(SENDER, READERS, raw).code == 250
    assert copies(hop) == [ANNA, CLEO]
    assert len(hop.taken(NOBODY)) == 1


def test_all_refused_is_refused(house: InsideGateway, hop: DecidingHop) -> None:
    """With every copy refused the customer gets the next hop's own refusal, and no DSN."""
    with Session(house.open, "acme/weekly") as session, hop.judging(at_dot=lambda _: NEVER):
        said = session.send(SENDER, READERS, letter(SENDER))
    assert said.short == "550 5.2.2 [RELAY-REFUSED]"
    assert "Mailbox is full" in said.text
    assert hop.messages == []

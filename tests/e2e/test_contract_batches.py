"""One batch at a time: parallel connections of a tenant are serialised and lose nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.certificates import Certificates
from tests.e2e.conftest import SHAPES
from tests.e2e.deciding_hop import DecidingHop
from tests.e2e.gateway import Settings, acme, customer
from tests.e2e.inside import InsideGateway
from tests.e2e.session import Session, letter, wait_until

READER = "anna@inbox.test"
pytestmark = pytest.mark.parametrize("shape", SHAPES[:2], indirect=True, scope="module")


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
    """Tenants that wait long (acme), briefly (hasty), or close silent holders soon (brisk)."""
    tenants = {
        "acme": acme(),
        "other": customer("other"),
        "double": customer("double", limits={"batches": 2, "batch_wait": "0.3s"}),
        "hasty": customer("hasty", limits={"batch_wait": "0.3s"}),
        "brisk": customer("brisk", limits={"batch_idle": "0.5s"}),
        "lively": customer("lively", limits={"batch_idle": "2.5s", "batch_wait": "4s"}),
    }
    settings = Settings(hop.port, trusted=None, gateway=shape, tenants=tenants)
    with InsideGateway(tmp_path_factory.mktemp("house"), settings, certificates) as running:
        yield running


def sender(tenant: str) -> str:
    """An address of the tenant's."""
    return f"news@{tenant}.test"


def defiances(house: InsideGateway, tenant: str) -> int:
    """Facts of defiance on record."""
    return sum(
        event["kind"] == "fact.recorded" and event["tenant"] == tenant for event in house.events()
    )


def test_second_waits_and_goes_on(house: InsideGateway, hop: DecidingHop) -> None:
    """A second MAIL of the tenant hears nothing until the first message is through, then goes on;
    waiting is no fact."""
    before = len(hop.taken(sender("acme")))
    with Session(house.open, "acme") as first, Session(house.open, "acme") as second:
        assert first.mail(sender("acme")).code == 250
        second.say(f"MAIL FROM:<{sender('acme')}>")
        assert second.is_waiting()
        first.rcpt(READER)
        assert second.is_waiting()
        assert first.data(letter(sender("acme"))).code == 250
        assert second.answer().code == 250
        second.rcpt(READER)
        assert second.data(letter(sender("acme"))).code == 250
    assert len(hop.taken(sender("acme"))) == before + 2
    assert defiances(house, "acme") == 0


def test_batch_is_held_until_relay_ended(house: InsideGateway, hop: DecidingHop) -> None:
    """The next in line waits for the next hop's answer to the message before."""
    with Session(house.open, "acme") as first, Session(house.open, "acme") as second:
        first.mail(sender("acme"))
        first.rcpt(READER)
        assert first.command("DATA").code == 354
        count = len(hop.taken(sender("acme")))
        with hop.silent():
            first.say_octets(letter(sender("acme")) + b".\r\n")
            wait_until(lambda: len(hop.taken(sender("acme"))) > count)
            second.say(f"MAIL FROM:<{sender('acme')}>")
            assert second.is_waiting(0.4)
        assert first.answer().code == 250
        assert second.answer().code == 250


def test_line_is_first_come_first_served(house: InsideGateway) -> None:
    """Those in line come on in their order; who hangs up leaves the line."""
    with (
        Session(house.open, "acme") as holder,
        Session(house.open, "acme") as leaver,
        Session(house.open, "acme") as third,
        Session(house.open, "acme") as fourth,
    ):
        holder.mail(sender("acme"))
        for number, session in enumerate((leaver, third, fourth), 1):
            session.say(f"MAIL FROM:<{sender('acme')}>")
            wait_until(lambda n=number: house.line("acme") == (1, n))
        leaver.drop()
        wait_until(lambda: house.line("acme") == (1, 2))
        holder.command("RSET")
        assert third.answer().code == 250
        assert fourth.is_waiting()
        third.command("RSET")
        assert fourth.answer().code == 250


@pytest.mark.parametrize("end", ["RSET", "EHLO again.test", "QUIT", "drop"])
def test_any_end_frees_the_batch(house: InsideGateway, end: str) -> None:
    """Whatever ends the holder's transaction lets the next in line go on."""
    with Session(house.open, "acme") as first, Session(house.open, "acme") as second:
        first.mail(sender("acme"))
        second.say(f"MAIL FROM:<{sender('acme')}>")
        assert second.is_waiting()
        if end == "drop":
            first.drop()
        else:
            first.say(end)
        assert second.answer().code == 250


def test_pipelined_commands_wait_too(house: InsideGateway, hop: DecidingHop) -> None:
    """What was pipelined behind the waiting MAIL is answered in its turn and order."""
    before = len(hop.taken(sender("acme")))
    with Session(house.open, "acme") as first, Session(house.open, "acme") as second:
        first.mail(sender("acme"))
        second.say(f"MAIL FROM:<{sender('acme')}>", f"RCPT TO:<{READER}>", "DATA")
        assert second.is_waiting()
        first.command("RSET")
        assert [second.answer().code for _ in range(3)] == [250, 250, 354]
        second.say_octets(letter(sender("acme")) + b".\r\n")
        assert second.answer().code == 250
    assert len(hop.taken(sender("acme"))) == before + 1


def test_busy_after_the_wait(house: InsideGateway) -> None:
    """After `batch_wait` the waiting MAIL is deferred; the holder goes on undisturbed."""
    with Session(house.open, "hasty") as first, Session(house.open, "hasty") as second:
        first.mail(sender("hasty"))
        busy = second.mail(sender("hasty"))
        assert busy.short == "451 4.7.1 [BATCH-BUSY]"
        assert "1 of 1 batches are open" in busy.text
        assert "waited 0.3 s" in busy.text
        first.rcpt(READER)
        assert first.data(letter(sender("hasty"))).code == 250
        assert second.mail(sender("hasty")).code == 250


def test_defiance_becomes_a_fact(house: InsideGateway) -> None:
    """A MAIL on a further connection within 60 s after [BATCH-BUSY] is recorded, the MAIL that was
    deferred first is not; the standard contract makes no case of it."""
    with Session(house.open, "hasty") as first, Session(house.open, "hasty") as second:
        first.mail(sender("hasty"))
        wait_until(lambda: second.mail(sender("hasty")).tag == "BATCH-BUSY")
        before = defiances(house, "hasty")
        with Session(house.open, "hasty") as third:
            assert third.mail(sender("hasty")).tag == "BATCH-BUSY"
        wait_until(lambda: defiances(house, "hasty") == before + 1)
    facts = [e for e in house.events() if e["kind"] == "fact.recorded" and e["tenant"] == "hasty"]
    assert {fact["detail"]["fact"] for fact in facts} == {"batch-defiance"}
    assert not [fact for fact in facts if "case" in fact["detail"]]


def test_silent_holder_is_closed(house: InsideGateway) -> None:
    """A holder that is silent for `batch_idle` while another waits gets 421, and the other goes
    on; with nobody waiting it may be silent."""
    with Session(house.open, "brisk") as first, Session(house.open, "brisk") as second:
        first.mail(sender("brisk"))
        assert first.is_waiting(2.2)
        second.say(f"MAIL FROM:<{sender('brisk')}>")
        closed = first.answer()
        assert closed.short == "421 4.7.1 [BATCH-IDLE]"
        assert "nothing for 0.5 s" in closed.text
        with pytest.raises(ConnectionError):
            first.answer()
        assert second.answer().code == 250


def test_silent_holder_in_data_is_closed(house: InsideGateway, hop: DecidingHop) -> None:
    """The same in the middle of a message, which the next hop then never sees."""
    before = len(hop.taken(sender("brisk")))
    with Session(house.open, "brisk") as first, Session(house.open, "brisk") as second:
        first.mail(sender("brisk"))
        first.rcpt(READER)
        assert first.command("DATA").code == 354
        first.say_octets(letter(sender("brisk")))
        second.say(f"MAIL FROM:<{sender('brisk')}>")
        assert first.answer().short == "421 4.7.1 [BATCH-IDLE]"
        assert second.answer().code == 250
    assert len(hop.taken(sender("brisk"))) == before


def test_busy_holder_is_not_closed(house: InsideGateway) -> None:
    """A holder that keeps talking is left alone, however long others wait."""
    with Session(house.open, "lively") as first, Session(house.open, "lively") as second:
        assert first.mail(sender("lively")).code == 250
        second.say(f"MAIL FROM:<{sender('lively')}>")
        while second.is_waiting(0.2):
            assert first.command("NOOP").code == 250
        assert second.answer().tag == "BATCH-BUSY"
        assert first.rcpt(READER)[0].code == 250


def test_limit_and_tenants_are_apart(house: InsideGateway) -> None:
    """A tenant with two batches has two, and nobody waits for another tenant's."""
    with (
        Session(house.open, "double") as first,
        Session(house.open, "double") as second,
        Session(house.open, "double") as third,
        Session(house.open, "other") as other,
    ):
        assert first.mail(sender("double")).code == 250
        assert second.mail(sender("double")).code == 250
        assert third.mail(sender("double")).tag == "BATCH-BUSY"
        assert other.mail(sender("other")).code == 250

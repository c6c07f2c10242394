"""Replies to notices: kept once, an answer where one is waited for, so many a day."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gateway.config.sender_dns import SenderDnsSettings
from gateway.errors import StoreUnavailable
from gateway.feedback.bounce_rules import bounce_table
from gateway.feedback.intake import KEPT, OUR_FAULT, TOO_MANY, UNKNOWN, Intake
from gateway.feedback.mailboxes import Mailbox, Mailboxes
from gateway.feedback.passing import Client
from gateway.feedback.terms import Terms
from gateway.notices.gather import REPLY, House
from gateway.records.bounces import BounceTerms
from gateway.records.case_replies import AUTOMATIC, MAX_A_DAY, RECEIVED
from gateway.records.case_view import find_case
from gateway.records.database import Database
from gateway.records.event_index import EventIndex
from gateway.records.streams import stream_number
from gateway.records.subjects import plain_texts
from gateway.sender_dns.lookups import Lookups
from policies.sanctions.ladder import Then
from policies.sanctions.preset import digest
from policies.sanctions.words import FactKind, Phase
from suppression.keys import Keyring
from suppression.tokens import Purpose

from .conftest import NOW
from .notices_world import OFFICE, World, house_for, rules_for

pytestmark = pytest.mark.sqlite_file
"""What is read is the same wherever the rows lie."""


@pytest.fixture
async def world(database: Database, keyring: Keyring) -> World:
    """One case, which waits for an explanation and whose notice has gone out."""
    world = World(database, keyring, rules_for(keyring, OFFICE))
    world.fact(kind=FactKind.BATCH_DEFIANCE)
    await world.at(NOW)
    return world


def terms(house: House) -> Terms:
    """Replies are all that is taken."""
    boxes = Mailboxes(house.tokens, feedback="", mailto="", notices=house.domain)
    dns = Lookups(SenderDnsSettings())
    return Terms(house, boxes, BounceTerms(), {}, bounce_table(), dns)


def intake(world: World) -> Intake:
    """What the listener asks."""
    known = EventIndex(Path("no-journal"), Path("no-index"))  # nobody looks a reply up
    own = terms(house_for(world.rules))
    return Intake(world.database, known, own, world.events.append, lambda: world.now)


async def found(world: World, case: int = 1) -> Mailbox:
    """The mailbox of a case."""
    mailbox = await intake(world).find(address(world, case))
    assert isinstance(mailbox, Mailbox)
    return mailbox


def address(world: World, case: int = 1, purpose: Purpose = Purpose.REPLY) -> str:
    """Where answers to a case's notices go."""
    with world.database.transaction() as connection:
        number = stream_number(connection, "acme")
        stored = find_case(connection, case)
    tracking = stored.tracking if stored else bytes(16)
    token = house_for(world.rules).tokens.make(purpose, number, tracking)
    return f"{REPLY}+{token}@cases.gateway.test"


def mail(number: int, text: str = "We are sorry.", **fields: str) -> bytes:
    """A reply like no other."""
    more = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
    return f"Message-ID: <{number}@acme.test>\r\nSubject: Re\r\n{more}\r\n{text}\r\n".encode()


async def send(world: World, octets: bytes, sender: str = "office@acme.test") -> str:
    """One mail to the first case."""
    mailbox = await found(world)
    return await intake(world).take((mailbox, mailbox), sender, octets, Client())


async def test_a_reply_is_an_answer_once(world: World) -> None:
    """The explanation is there, the longest clock rests, and a copy changes nothing."""
    assert world.case().due_at is not None
    assert await send(world, mail(1)) == KEPT
    case = world.case()
    assert (case.phase, case.due_at) == (Phase.SUBMITTED, None)
    assert case.requirements[0].met_by == "tenant"
    assert await send(world, mail(1)) == KEPT
    assert world.told(RECEIVED) == 1
    assert await send(world, mail(2)) == KEPT, "answered before, and kept all the same"
    assert world.told(RECEIVED) == 2


async def test_addresses_in_a_reply_are_masked_and_all_of_it_is_sealed(world: World) -> None:
    """A quoted notice names people who complained."""
    await send(world, mail(1, "> anna@inbox.test\nis deleted", From="Ola <ola@acme.test>"))
    (entry,) = [entry for entry in world.timeline() if entry.kind == RECEIVED]
    assert entry.subject is not None
    with world.database.reading() as connection:
        said = plain_texts(connection, world.keyring, [entry.subject])[entry.subject]
    assert said == "From: Ola <ola@acme.test>\nSubject: Re\n\n> a***@inbox.test\nis deleted"
    assert "acme.test" not in str(entry.detail)


async def test_machines_give_no_answer(world: World) -> None:
    """A note that somebody is away, and a bounce, are kept and stop no clock."""
    assert await send(world, mail(1, Auto_Submitted="auto-replied")) == KEPT
    assert await send(world, mail(2), sender="") == KEPT
    assert world.told(AUTOMATIC) == 2
    assert world.case().phase is Phase.OPEN


async def test_a_screenshot_is_not_replaced_by_a_letter(world: World) -> None:
    """Where the contract asks for evidence, a reply is kept and the clock goes on."""
    world.fact("m2", kind=FactKind.PROTECTED_HIT)
    await world.at(NOW)
    to = (await found(world, 2),)
    assert await intake(world).take(to, "office@acme.test", mail(1), Client()) == KEPT
    case = world.case(2)
    assert case.phase is Phase.OPEN
    assert case.due_at is not None


async def test_a_tenant_cannot_close_its_own_complaint_by_writing_again(world: World) -> None:
    """It is the operator who owes the answer there, whatever else a contract asks for."""
    own = world.rules.tenants["acme"]
    ladder = own.preset.ladder_of(FactKind.GRIEVANCE)
    assert ladder is not None
    step = replace(ladder.steps[0], then=Then.SUSPEND)
    others = [one for one in own.preset.ladders if one is not ladder]
    preset = replace(own.preset, ladders=(*others, replace(ladder, steps=(step,))))
    asking = replace(own, preset=preset, digest=digest(preset))
    world.rules = replace(world.rules, tenants={"acme": asking})
    world.now = NOW + 1
    world.__post_init__()
    case = world.fact("", kind=FactKind.GRIEVANCE, actor="ewa")
    await world.at(NOW + 1)
    to = (await found(world, case.id),)
    assert await intake(world).take(to, "office@acme.test", mail(1), Client()) == KEPT
    assert not world.case(case.id).phase.is_over


async def test_silence_that_suspends_is_over(database: Database, keyring: Keyring) -> None:
    """Under the Planisys terms any reply stops the clock (P3)."""
    world = World(database, keyring, rules_for(keyring, OFFICE, preset="planisys"))
    world.fact(kind=FactKind.SPAM, actor="ewa")
    await world.at(NOW)
    assert world.case().due_at is not None
    assert await send(world, mail(1)) == KEPT
    assert world.case().due_at is None


async def test_a_flood_is_put_off(world: World) -> None:
    """One case takes so many mails in 24 hours; later it takes more."""
    for number in range(MAX_A_DAY):
        assert await send(world, mail(number)) == KEPT
    assert await send(world, mail(1000)) == TOO_MANY
    assert world.told(RECEIVED) == MAX_A_DAY
    world.now = NOW + 86_401
    assert await send(world, mail(1000)) == KEPT


async def test_only_a_reply_token_of_a_case_on_record_is_taken(world: World) -> None:
    """A page's token, a case that is none and another domain get the same answer."""
    good = address(world)
    taken = intake(world)
    assert isinstance(await taken.find(good), Mailbox)
    assert isinstance(await taken.find(good.upper()), Mailbox)
    for wrong in (
        address(world, purpose=Purpose.CASE),
        address(world, case=99),
        good.replace("cases.", "other."),
        good.replace("case+", "cases+"),
        good.partition("@")[0],
        "",
        "@",
        "case+@cases.gateway.test",
    ):
        assert await taken.find(wrong) == UNKNOWN, wrong
    nobody = replace(house_for(world.rules), domain="")
    taken.adopt(terms(nobody))
    assert await taken.find(f"{good.partition('@')[0]}@") == UNKNOWN


async def test_a_store_that_is_away_is_our_fault(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """451 at RCPT and at the dot: the sender's server tries again, and nothing is half kept."""
    to = await found(world)

    async def away(*_arguments: object) -> None:
        raise StoreUnavailable("records: away")

    monkeypatch.setattr(world.database, "write", away)
    assert await intake(world).take((to,), "office@acme.test", mail(1), Client()) == OUR_FAULT
    monkeypatch.setattr(world.database, "read", away)
    assert await intake(world).find(to.address) == OUR_FAULT
    monkeypatch.undo()
    assert world.told(RECEIVED) == 0

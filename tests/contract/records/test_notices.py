"""Notices: none lost, none unmarked when it may have gone out twice, clocks from dispatch."""

from __future__ import annotations

import asyncio
import email
import email.policy
from dataclasses import replace
from email.message import EmailMessage
from typing import Any

import pytest
from sqlalchemy import select

from gateway.config.retention import RetentionSettings
from gateway.message.address import parse_mailbox
from gateway.notices import rounds
from gateway.records import audit, notice_facts, notices, subjects
from gateway.records.database import Connection, Database
from gateway.records.notices import PAUSES, Notice, NoticeState
from gateway.records.retention import purge
from gateway.records.tables import audit as audit_table
from policies.sanctions.preset import digest
from policies.sanctions.words import NoticeKind, Phase
from suppression.keys import Keyring
from tests.contract.records.places import octets as lying

from .conftest import NOW
from .notices_world import ABUSE, LATER, OFFICE, REFUSED, UNKNOWN, Killed, World, rules_for

pytestmark = pytest.mark.sqlite_file
"""What is sent is the same wherever the rows lie."""

MONTH = 30 * 86_400


@pytest.fixture
def world(database: Database, keyring: Keyring) -> World:
    return World(database, keyring, rules_for(keyring, OFFICE))


def read(octets: bytes) -> EmailMessage:
    """A mail as a reader's program takes it apart."""
    parsed = email.message_from_bytes(octets, policy=email.policy.default)
    assert isinstance(parsed, EmailMessage)
    return parsed


async def test_a_taken_notice_starts_the_clock(world: World) -> None:
    """The first notice ends folding and its dispatch begins the 30 days, in one transaction."""
    for _ in range(40):
        world.fact()
    assert world.case().notified_at is None
    await world.at(NOW + 5)
    (notice,) = world.notices()
    assert (notice.state, notice.attempts, notice.repeats) == (NoticeState.SENT, 1, 0)
    assert (notice.sent_at, notice.next_at) == (NOW + 5, None)
    case = world.case()
    assert case.notified_at == NOW + 5
    assert case.due_at == NOW + 5 + MONTH
    ((sender, recipient, octets),) = world.sent
    mail = read(octets)
    assert recipient == "office@acme.test"
    assert sender == mail["Reply-To"]
    assert mail["Subject"].startswith("[C-000001] wysyłanie zablokowane")
    assert "poczta do adresów chronionych: 40" in " ".join(mail.get_content().split())
    assert world.fact("m2").id == 2, "the next mailing's fact opens another case"


async def test_the_words_of_the_next_hop_are_kept_without_addresses(world: World) -> None:
    """A reply may name the recipient; records and audit trail have it masked."""
    world.fact()
    await world.at(NOW)
    (notice,) = world.notices()
    assert notice.said == "250 2.0.0 kept for <o***@acme.test>"
    with world.database.reading() as connection:
        details = connection.execute(select(audit_table.c.detail)).scalars().all()
        assert audit.verify(connection) is None
    assert not [detail for detail in details if "office@" in detail]


async def test_the_same_mail_is_sent_again_and_marked_after_a_crash(world: World) -> None:
    """Nobody knows whether it was taken: same Message-ID, same octets, on the timeline."""
    world.fact()
    world.answers = [Killed()]
    with pytest.raises(Killed):
        await world.at(NOW)
    (notice,) = world.notices()
    assert (notice.state, notice.repeats) == (NoticeState.UNDER_WAY, 0)
    assert world.case().notified_at is None
    world.restart()
    await world.at(NOW + 1)
    first, second = world.sent
    assert first == second
    (notice,) = world.notices()
    assert (notice.state, notice.repeats, notice.attempts) == (NoticeState.SENT, 1, 2)
    assert world.told("notice.repeated") == 1
    assert [event.kind for event in world.events if event.kind.startswith("notice.")] == [
        "notice.repeated",
        "notice.sent",
    ]


async def test_silence_after_the_dot_is_repeated_too(world: World) -> None:
    """Without a restart it waits for its pause first, and every repeat is counted."""
    world.fact()
    world.answers = [UNKNOWN, UNKNOWN]
    await world.at(NOW)
    await world.at(NOW + PAUSES[0] - 1)
    assert len(world.sent) == 1
    await world.at(NOW + PAUSES[0])
    await world.at(NOW + PAUSES[0] + PAUSES[1])
    assert len(world.sent) == 3
    assert len({octets for _, _, octets in world.sent}) == 1
    (notice,) = world.notices()
    assert (notice.state, notice.repeats) == (NoticeState.SENT, 2)
    assert world.told("notice.repeated") == 2


async def test_what_was_surely_not_taken_is_no_repeat(world: World) -> None:
    """A deferred mail is tried with growing pauses, as things are then, and never marked."""
    world.fact()
    world.answers = [LATER] * 3
    at = NOW
    for pause in (0, *PAUSES[:3]):
        at += pause
        await world.at(at)
    (notice,) = world.notices()
    assert (notice.state, notice.attempts, notice.repeats) == (NoticeState.SENT, 4, 0)
    assert world.told("notice.repeated") == 0
    ((_, _, octets),) = world.sent
    assert read(octets)["Date"].datetime.timestamp() == at, "the deadline counts from dispatch"


async def test_a_repeat_that_was_put_off_is_counted_once(world: World) -> None:
    """One doubt is one repeat, however often the next hop is away before it leaves."""
    world.fact()
    world.answers = [UNKNOWN, LATER, LATER]
    at = NOW
    for pause in (0, *PAUSES[:3]):
        at += pause
        await world.at(at)
    assert len(world.sent) == 2
    assert world.sent[0] == world.sent[1]
    (notice,) = world.notices()
    assert (notice.state, notice.repeats) == (NoticeState.SENT, 1)
    assert world.told("notice.repeated") == 1


async def test_a_refused_notice_waits_for_a_person(world: World) -> None:
    """It is not tried again by itself, and the desk finds it. The clock runs all the same: whoever
    lets a contact go stale gains no time by it."""
    world.fact()
    world.answers = [REFUSED]
    await world.at(NOW)
    await world.at(NOW + MONTH)
    assert world.sent == []
    assert world.case().notified_at == NOW
    with world.database.reading() as connection:
        (stuck,) = notices.stuck(connection)
    assert (stuck.state, stuck.said) == (NoticeState.REFUSED, "550 5.1.1 nobody here")
    assert world.told("notice.refused") == 1
    with world.database.transaction() as connection:
        again = notices.resend(connection, stuck.number, "ewa", world.now)
    await world.at(world.now)
    first, second = world.notices()
    assert (second.number, second.state) == (again, NoticeState.SENT)
    assert first.message_id != second.message_id
    assert world.case().notified_at == NOW


async def test_the_principal_contact_gets_what_the_abuse_contact_refuses(
    database: Database, keyring: Keyring
) -> None:
    """At once, as a new mail in that contact's language, with the refusal on the timeline."""
    world = World(database, keyring, rules_for(keyring, ABUSE, OFFICE))
    world.fact()
    world.answers = [REFUSED]
    await world.at(NOW)
    ((_, recipient, octets),) = world.sent
    assert recipient == "office@acme.test"
    assert read(octets)["Content-Language"] == "pl"
    (notice,) = world.notices()
    assert (notice.state, notice.repeats) == (NoticeState.SENT, 0)
    assert world.told("notice.refused") == 1


async def test_without_a_contact_it_waits_for_one(database: Database, keyring: Keyring) -> None:
    """The desk sees it, said once; with a contact it goes out, and the sanction stood all along."""
    world = World(database, keyring, rules_for(keyring))
    world.fact()
    for second in range(0, 600, 60):
        await world.at(NOW + second)
    (notice,) = world.notices()
    assert notice.state is NoticeState.UNADDRESSED
    assert world.told("notice.unaddressed") == 1
    assert [event.kind for event in world.events] == ["notice.unaddressed"]
    assert world.case().blocked
    with database.reading() as connection:
        assert [one.number for one in notices.stuck(connection)] == [notice.number]
    world.rules = rules_for(keyring, OFFICE)
    world.restart()
    await world.at(NOW + 700)
    assert world.notices()[0].state is NoticeState.SENT
    assert world.case().notified_at == NOW + 700


async def test_who_complained_is_passed_on_sealed(world: World) -> None:
    """The notice names the address; the database holds it encrypted only."""
    world.fact(complainer="anna.nowak@inbox.test")
    await world.at(NOW)
    ((_, _, octets),) = world.sent
    assert "\r\n  anna.nowak@inbox.test\r\n" in read(octets).get_content()
    (notice,) = world.notices()
    with world.database.reading() as connection:
        mail = notices.mail_of(connection, world.keyring, notice)
    assert mail is not None
    assert mail.octets == octets
    assert b"anna.nowak" not in lying(world.database)


async def test_a_contract_that_does_not_pass_addresses_on_keeps_them(world: World) -> None:
    """What the contract does not say is not told."""
    own = world.rules.tenants["acme"]
    preset = replace(own.preset, passes_complainer_on=False)
    silent = replace(own, preset=preset, digest=digest(preset))
    world.rules = replace(world.rules, tenants={"acme": silent})
    world.now = NOW + 1
    world.__post_init__()
    world.fact(complainer="anna.nowak@inbox.test")
    await world.at(NOW + 1)
    ((_, _, octets),) = world.sent
    assert b"anna" not in octets


async def test_erased_complainers_are_in_no_mail_any_more(world: World) -> None:
    """Erasing one destroys the mails that name them; what may be out is written anew, marked."""
    world.fact(complainer="anna.nowak@inbox.test")
    world.answers = [UNKNOWN]
    await world.at(NOW)
    (notice,) = world.notices()
    key = world.keyring.exact_key(parse_mailbox("anna.nowak@inbox.test"))
    with world.database.transaction() as connection:
        subjects.destroy(connection, [key])
    with world.database.reading() as connection:
        assert notices.mail_of(connection, world.keyring, notice) is None
    await world.at(NOW + PAUSES[0])
    (_, _, first), (_, _, second) = world.sent
    assert b"anna" in first
    assert b"anna" not in second
    assert read(first)["Message-ID"] == read(second)["Message-ID"]
    assert world.notices()[0].repeats == 1


async def test_a_purge_keeps_what_a_case_refers_to(world: World) -> None:
    """The mail and the complaining address are sealed texts that rows still point at."""
    world.fact(complainer="anna.nowak@inbox.test")
    await world.at(NOW)
    removed = await asyncio.to_thread(purge, world.database, RetentionSettings(), NOW, "purge")
    assert (removed["subjects"], removed["notices"]) == (0, 0)
    with world.database.reading() as connection:
        assert notices.mail_of(connection, world.keyring, world.notices()[0]) is not None
        (told,) = notice_facts.particulars(
            connection, world.keyring, 1, with_addresses=True
        ).addresses
    assert told == "anna.nowak@inbox.test"


@pytest.mark.parametrize("kind", NoticeKind)
async def test_every_kind_is_sent(world: World, kind: NoticeKind) -> None:
    """Whatever a case asks for leaves, in a thread with the case's first notice."""
    world.fact()
    await world.at(NOW)
    world.queue(kind, reason="seen by staff", requirement="screenshot", until=NOW + 5, upheld=True)
    await world.at(NOW + 1)
    first, second = world.sent
    assert read(second[2])["References"] == read(first[2])["Message-ID"]
    assert world.notices()[1].state is NoticeState.SENT


async def test_a_notice_queued_in_a_change_that_fails_is_not_there(world: World) -> None:
    """Nothing is told that did not happen."""
    world.fact()
    await world.at(NOW)

    def fails(connection: Connection) -> None:
        notices.queue(connection, world.case(), NoticeKind.REMINDER_HALF, world.rules, NOW)
        raise MemoryError

    with pytest.raises(MemoryError):
        await world.database.write(fails)
    assert len(world.notices()) == 1
    assert world.case().phase is Phase.OPEN


async def test_one_that_cannot_be_written_keeps_no_other_waiting(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fault is told, the next one goes out, and the first is tried again later."""
    world.fact("m1")
    world.fact("m2")
    sound = rounds.draft

    def faulty(connection: Connection, house: object, notice: Notice, *more: Any) -> object:
        if notice.case == 1:
            raise ValueError("no words for it")
        return sound(connection, house, notice, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(rounds, "draft", faulty)
    await world.at(NOW)
    assert [one.state for one in world.notices(1)] == [NoticeState.WAITING]
    assert [one.state for one in world.notices(2)] == [NoticeState.SENT]
    failed = [event for event in world.events if event.kind == "notice.failed"]
    assert [event.detail["why"] for event in failed] == ["no words for it"]
    monkeypatch.undo()
    await world.at(NOW + PAUSES[0])
    assert [one.state for one in world.notices(1)] == [NoticeState.SENT]


def test_resending_what_is_not_there_says_so(world: World) -> None:
    """A wrong number is an error and changes nothing."""
    with pytest.raises(LookupError), world.database.transaction() as connection:
        notices.resend(connection, 7, "ewa", NOW)


async def test_taken_and_noticed_are_one_commit(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the case cannot be moved for want of the store, the notice is not sent either."""
    world.fact()

    def fail(*_arguments: object, **_more: object) -> None:
        raise MemoryError

    monkeypatch.setattr(rounds, "change", fail)
    with pytest.raises(MemoryError):
        await world.at(NOW)
    (notice,) = world.notices()
    assert notice.state is NoticeState.UNDER_WAY
    assert world.told("notice.sent") == 0

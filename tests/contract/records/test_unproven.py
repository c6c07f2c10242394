"""Mail of strangers has so much room a day, and what is proven has room of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import count

import pytest
from sqlalchemy import func, select

from gateway.config.feedback import UnprovenSettings
from gateway.config.retention import RetentionSettings
from gateway.events import Event
from gateway.feedback.bounce_rules import bounce_table
from gateway.feedback.intake import KEPT, NO_ROOM, Intake
from gateway.feedback.mailboxes import Kind, Mailbox, Mailboxes
from gateway.feedback.passing import Client
from gateway.feedback.terms import Terms
from gateway.message.address import parse_mailbox
from gateway.message.dkim import Signer
from gateway.message.dkim_keys import KeyKind, load_key, new_key, zone_line
from gateway.message.message_id import message_id_digest
from gateway.metrics import ProcessMetrics
from gateway.records import unproven
from gateway.records.bounces import BounceTerms
from gateway.records.database import Database
from gateway.records.figures import day_of
from gateway.records.retention import purge
from gateway.records.returned import Returned
from gateway.records.streams import stream_number
from gateway.records.tables import reports, unproven_mails
from policies.returned.words import Form
from policies.sanctions.words import Grade
from suppression.keys import Keyring
from suppression.tokens import Purpose, Tokens
from tests.e2e.returned_mail import DOMAIN, dsn, narrowly_signed, plain, report

from .conftest import NOW
from .notices_world import house_for, rules_for

DAY = 86_400.0
LISTED = "isp.test"
KEY = new_key(KeyKind.ED25519)
SELLER, OTHER, THIRD = (Client(address=f"192.0.2.{number}") for number in (1, 2, 3))
MOST = UnprovenSettings(per_source=2, per_day=3, per_token=4)
ABUSE = Mailbox(Kind.ABUSE, f"abuse@{DOMAIN}")
FROM_ONE, FROM_ALL = NO_ROOM["per_source"], NO_ROOM["per_day"]


class Journal:
    """Knows one message that we relayed."""

    def of_key(self, key: bytes, limit: int = 200) -> list[Event]:
        """Nobody is looked up by address."""
        return []

    def of_message_id(self, message_id: str, limit: int = 200) -> list[Event]:
        """It is acme's `<ours@acme.test>`."""
        event = Event("message.relayed", NOW - 60, ref="r1", tenant="acme", stream="weekly")
        own = message_id_digest(b"ours@acme.test")
        event.detail = {
            "message_id": own,
            "recipients": [{"key": "00" * 16, "domain": "inbox.test", "state": "taken"}],
        }
        return [event] if message_id_digest(message_id.encode()) == own else []


class Zone:
    """A DNS that has the key of the listed source."""

    async def texts(self, name: str) -> list[str]:
        """Whatever name is asked for."""
        return [zone_line(KEY, LISTED, "s1").partition("( ")[2].removesuffix(" )").strip('"')]


class World:
    """An intake with a clock to turn."""

    def __init__(self, database: Database, keyring: Keyring) -> None:
        self.database, self.now = database, NOW
        self.events: list[Event] = []
        self.tokens = Tokens(keyring)
        self.key = keyring.exact_key(parse_mailbox("anna@inbox.test"))
        with database.transaction() as connection:
            self.stream = stream_number(connection, "acme", "weekly")
        rules = replace(rules_for(keyring), feedback_sources=frozenset({LISTED}))
        boxes = Mailboxes(self.tokens, DOMAIN, "", "")
        terms = Terms(house_for(rules), boxes, BounceTerms(), {}, bounce_table(), Zone(), MOST)
        self.intake = Intake(database, Journal(), terms, self.events.append, lambda: self.now)
        self.metrics = ProcessMetrics("web")
        self.intake.watch(self.metrics)
        self._numbers = count()

    def fresh(self) -> bytes:
        """A mail that is about nothing of ours, like no other."""
        return plain(f"m{next(self._numbers)}")

    def trace(self) -> str:
        """A field with a recipient's token."""
        token = self.tokens.make(Purpose.FEEDBACK, self.stream, self.key)
        return f"Consentry-Trace: {token}"

    async def send(self, octets: bytes, client: Client = SELLER) -> str:
        """What the abuse mailbox says to it."""
        return await self.intake.take((ABUSE,), "somebody@inbox.test", octets, client)

    def kept(self) -> int:
        """How many reports are on record."""
        with self.database.reading() as connection:
            return int(connection.scalar(select(func.count()).select_from(reports)) or 0)

    def told(self) -> list[object]:
        """The limits that events have told of."""
        return [one.detail["limit"] for one in self.events if one.kind == "returned.no_room"]

    def deferred(self, limit: str) -> float:
        """The metric."""
        name = "consentry_unproven_mails_deferred_total"
        value = self.metrics.registry.get_sample_value(name, {"limit": limit})
        assert value is not None
        return value


@pytest.fixture
def world(database: Database, keyring: Keyring) -> World:
    """With room for two mails of each source, and three of all."""
    return World(database, keyring)


def ways(world: World) -> Iterator[tuple[str, bytes]]:
    """Mails that are proven, each by its own way, and what is said of them."""
    yield "a token in the report", report("p1", world.trace())
    token = world.tokens.make(Purpose.MAILING, world.stream, b"m1".ljust(16, b"\0"))
    yield "a mailing's token", report("p2", f"Feedback-ID: m1.{token}:weekly:acme:consentry")
    yield "a bounce with our token", dsn("p3", "anna@inbox.test", original=world.trace())
    signer = Signer(LISTED, "s1", load_key(KEY))
    yield "a listed source's signature", narrowly_signed(report("p4", "Subject: x"), signer)


async def test_one_source_has_its_room_and_no_more(world: World) -> None:
    """What is over it is deferred and leaves nothing; the same mail again is known, others still
    have room, and so has it tomorrow."""
    first = world.fresh()
    assert [await world.send(first), await world.send(world.fresh())] == [KEPT, KEPT]
    late = world.fresh()
    assert [await world.send(late), await world.send(late)] == [FROM_ONE, FROM_ONE]
    assert await world.send(first) == KEPT
    assert (world.kept(), world.deferred("per_source")) == (2, 2)
    assert await world.send(world.fresh(), OTHER) == KEPT
    world.now += DAY
    assert await world.send(late) == KEPT
    assert world.kept() == 4


async def test_all_sources_together_have_their_room(world: World) -> None:
    """Whoever comes when it is full is deferred; one event a day tells of it."""
    for client in (SELLER, OTHER, THIRD):
        assert await world.send(world.fresh(), client) == KEPT
    for client in (SELLER, Client(), Client(address="2001:db8::1")):
        assert await world.send(world.fresh(), client) == FROM_ALL
    assert (world.kept(), world.deferred("per_day"), world.deferred("per_source")) == (3, 3, 0)
    assert world.told() == ["per_day"]
    world.now += DAY
    for _ in range(3):
        await world.send(world.fresh())
    assert world.told() == ["per_day", "per_source"]


async def test_strangers_take_no_room_of_what_is_proven(world: World) -> None:
    """Neither before the room is used up nor after: strangers can shut out nobody's report."""
    proven = list(ways(world))
    for name, octets in proven[:2]:
        assert await world.send(octets) == KEPT, name
    for client in (SELLER, SELLER, OTHER):
        assert await world.send(world.fresh(), client) == KEPT
    assert await world.send(world.fresh(), THIRD) == FROM_ALL
    for name, octets in proven[2:]:
        assert await world.send(octets) == KEPT, name


@pytest.mark.parametrize("is_mailings", [False, True])
async def test_each_token_has_its_room(world: World, is_mailings: bool) -> None:
    """Every recipient has one, and the mailing's; whoever sends it on again and again fills neither
    the records nor the desk, and takes nobody else's room. A listed source's mail has it always."""
    token = world.tokens.make(Purpose.MAILING, world.stream, b"m1".ljust(16, b"\0"))
    trace = f"Feedback-ID: m1.{token}:weekly:acme:consentry" if is_mailings else world.trace()
    for number, client in enumerate((SELLER, OTHER, THIRD, SELLER)):
        assert await world.send(report(f"t{number}", trace), client) == KEPT
    assert await world.send(report("t4", trace), OTHER) == NO_ROOM["per_token"]
    signer = Signer(LISTED, "s1", load_key(KEY))
    assert await world.send(narrowly_signed(report("t5", trace), signer)) == KEPT
    world.key = world.key[::-1]
    assert await world.send(report("t6", world.trace())) == KEPT
    assert [await world.send(world.fresh()) for _ in range(2)] == [KEPT, KEPT]
    world.now += DAY
    assert await world.send(report("t4", trace), OTHER) == KEPT


async def test_nobody_learns_from_it_what_we_have_sent(world: World) -> None:
    """Once there is no room, what a Message-ID matches gets the same answer as what nothing does:
    or else one could ask whom and what we mail. A token that is none is no proof either."""
    matched = report("c1", "Message-ID: <ours@acme.test>")
    forged = report("c2", f"Consentry-Trace: {'a' * 40 + 'b' * 12}")
    assert [await world.send(matched), await world.send(forged)] == [KEPT, KEPT]
    with world.database.reading() as connection:
        grades = connection.execute(select(reports.c.grade).order_by(reports.c.id)).scalars()
        assert list(grades) == ["C", "D"]
    again = report("c3", "Message-ID: <ours@acme.test>")
    assert {await world.send(again), await world.send(world.fresh())} == {FROM_ONE}


async def test_files_and_the_api_have_room(world: World) -> None:
    """What staff and programs of the operator hand in is no stranger's."""
    for _ in range(4):
        assert (await world.intake.ingest(world.fresh(), "api")).is_new
    assert await world.send(world.fresh()) == KEPT


def test_sources_are_kept_hashed_and_for_a_day(database: Database, keyring: Keyring) -> None:
    """The network cannot be read, nor be followed from one day to the next."""
    mail = Returned(Form.OTHER, "m1", "abuse", Grade.D, "smtp", NOW)
    with database.transaction() as connection:
        for now in (NOW, NOW + DAY, NOW + DAY):
            unproven.count(connection, keyring, mail, "192.0.2.1", MOST, now)
        with pytest.raises(unproven.NoRoom, match="per_source"):
            unproven.count(connection, keyring, mail, "192.0.2.1", MOST, NOW + DAY)
        rows = connection.execute(select(unproven_mails).order_by(unproven_mails.c.amount)).all()
    sources = {row.source for row in rows} - {unproven.EVERYBODY}
    assert sorted((row.day, row.amount) for row in rows) == sorted(
        2 * [(day_of(NOW), 1), (day_of(NOW + DAY), 2)]
    )
    assert [len(source) for source in sources] == [16, 16]
    removed = purge(database, RetentionSettings(), NOW + DAY, "consentry")
    assert removed["unproven_mails"] == 2

"""The next hop's answers become bounces, sums and alarms, each once, on both kinds of records."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import func, select

from gateway.config.feedback import StormSettings
from gateway.events import Event
from gateway.feedback import outcomes
from gateway.feedback.outcomes import Outcomes
from gateway.feedback.settling import Settling
from gateway.journal import Journal
from gateway.metrics import ProcessMetrics
from gateway.privacy.journal import mask_addresses
from gateway.records.bounces import BounceTerms
from gateway.records.case_rules import Rules
from gateway.records.database import Database
from gateway.records.figures import Sent, rates_of
from gateway.records.streams import numbering
from gateway.records.tables import bounces
from gateway.words import Address
from policies.terms import StreamTerms
from suppression.keys import Keyring
from suppression.standing import Reason
from tests.contract.records.cases_world import rules_of
from tests.contract.records.places import LookUp

NOW = 1_800_000_000.0
UNKNOWN = "550 5.1.1 no such user"
DENIED = "554 5.7.1 relaying denied"
KEY = bytes(range(16))


class Killed(Exception):
    """The process ends here."""


class World:
    """A node's journal, and who follows it."""

    def __init__(self, folder: Path, database: Database, rules: Rules) -> None:
        self.folder, self.database, self.rules, self.now = folder, database, rules, NOW
        self.events: list[Event] = []
        self.metrics = ProcessMetrics("jobs")
        self.terms = BounceTerms(storm=StormSettings(within=60))
        self.smtp = Journal(folder / "journal", "smtp", 2_000, 1_000)
        numbering(database)("acme", "weekly")
        self.refs = 0

    async def follow(self) -> None:
        """As a process that has just been started does it."""
        self.smtp.flush()
        self.metrics = ProcessMetrics("jobs")
        by = Outcomes(
            self.database,
            self.folder / "journal",
            "one",
            lambda: (self.rules, self.terms),
            self.events.append,
            lambda: self.now,
        )
        by.watch(self.metrics)
        await by.follow()

    async def settle(self) -> None:
        """Let the span of a storm pass."""
        self.now += 61
        await self.settling().settle()

    def settling(self) -> Settling:
        """The leader's jobs."""
        return Settling(
            self.database,
            lambda: (self.rules, self.terms),
            self.events.append,
            lambda: self.now,
        )

    def refuse(self, said: str, key: bytes = KEY) -> None:
        """The next hop refuses a recipient at RCPT."""
        self.refs += 1
        detail: dict[str, object] = {"n": 1, "key": key.hex(), "from": "shop.example"}
        detail |= {"next_hop": said, "address": "jan.nowak@inbox.example"}
        event = Event("rcpt.refused", self.now, ref=f"R{self.refs}.1", tenant="acme")
        event.stream, event.mailing, event.domain = "weekly", "m1", "inbox.example"
        event.detail = detail
        self.smtp.emit(event)

    def relay(self, copies: int) -> None:
        """The next hop takes a message."""
        self.refs += 1
        told = {"domain": "inbox.example", "state": "taken", "code": 250, "text": "ok"}
        listed: list[object] = [{"key": f"{number:032x}", **told} for number in range(copies)]
        detail: dict[str, object] = {"recipients": listed, "copies": copies}
        event = Event("message.relayed", self.now, ref=f"R{self.refs}", tenant="acme")
        event.stream, event.mailing, event.domain = "weekly", "m1", "shop.example"
        event.detail = detail
        self.smtp.emit(event)

    async def erase(self) -> None:
        """Rewrite the journal."""
        self.smtp.close()
        await asyncio.to_thread(mask_addresses, self.folder, lambda _address: True)
        self.smtp = Journal(self.folder / "journal", "smtp", 2_000, 1_000)

    def sums(self) -> tuple[int, int, int, int]:
        """Offered, delivered, hard bounces, and bounces on record."""
        with self.database.reading() as connection:
            rates = rates_of(connection, "acme")
            stored = connection.execute(select(func.count()).select_from(bounces)).scalar()
        (rate,) = rates or [None]
        assert rate is not None
        return rate.offered, rate.delivered, rate.hard_bounces, int(stored or 0)


@pytest.fixture
def world(tmp_path: Path, database: Database, keyring: Keyring) -> World:
    """A fresh one."""
    return World(tmp_path, database, rules_of(keyring, "standard"))


async def test_each_outcome_has_one_effect_whatever_happens_to_its_follower(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed with the effects made and not committed, started anew after files were rotated and
    rewritten for an erasure: sums and bounces are those of the journal."""
    for number in range(40):
        world.relay(2)
        if number % 10 == 0:
            world.refuse(UNKNOWN, bytes([number]) * 16)
    with monkeypatch.context() as broken:
        taken: list[object] = []

        def killed(*told: object) -> tuple[Event, ...]:
            taken.append(told)
            raise Killed

        broken.setattr(outcomes, "take_bounce", killed)
        with pytest.raises(Killed):
            await world.follow()
        assert taken
    await world.follow()
    await world.erase()
    world.relay(1)
    world.refuse(UNKNOWN, KEY)
    await world.follow()
    await world.follow()
    assert world.sums() == (86, 81, 0, 5)
    with world.database.reading() as connection:
        sent = Sent(connection, "inbox.example", NOW, NOW)
        assert sent.between(NOW, NOW) == 86
    await world.settle()
    assert world.sums() == (86, 81, 5, 5)


async def test_an_unknown_mailbox_is_suppressed_when_no_storm_came(
    world: World, stream: StreamTerms, standings: LookUp, keyring: Keyring
) -> None:
    """It waits for the span of a storm, then the next RCPT meets it."""
    address = Address("jan@inbox.example", "jan", "inbox.example")
    world.relay(3)
    world.refuse(UNKNOWN, keyring.exact_key(address))
    await world.follow()
    await world.settling().settle()
    assert [match.reason for match in (await standings.look_up(stream, [address]))[0].matches] == []
    await world.settle()
    (match,) = (await standings.look_up(stream, [address]))[0].matches
    assert match.reason is Reason.HARD_BOUNCE
    kinds = [event.kind for event in world.events if event.kind.startswith("bounce.")]
    assert kinds == ["bounce.received", "bounce.believed"]


async def test_a_storm_holds_bounces_and_shows_in_the_metrics(world: World) -> None:
    """Thirty unknown mailboxes of seventy at one provider are held; the leader tells of it."""
    world.relay(40)
    for number in range(30):
        world.refuse(UNKNOWN, bytes([number]) * 16)
    await world.follow()
    await world.settle()
    assert world.sums() == (70, 40, 0, 30)
    settling = world.settling()
    leads = [True]
    settling.watch(world.metrics, lambda: leads[0])
    await settling.count()
    text = world.metrics.text()
    assert "consentry_storms_held 1.0" in text
    assert "consentry_bounces_held 30.0" in text
    assert 'consentry_reports_waiting{state="unmatched"} 0.0' in text
    leads[0] = False
    assert "consentry_storms_held 1.0" not in world.metrics.text()


async def test_who_refuses_us_raises_an_alarm_and_bounces_nobody(world: World) -> None:
    """However many recipients it is said to, it is one event for each wording, and no figure."""
    for number in range(3):
        world.refuse(DENIED, bytes([number]) * 16)
    world.relay(1)
    await world.follow()
    (alarm,) = world.events
    assert alarm.kind == "next_hop.refused_us"
    assert alarm.detail == {"words": DENIED, "recipients": 3}
    assert world.sums() == (1, 1, 0, 0)
    text = world.metrics.text()
    assert 'consentry_outcomes_total{outcome="refuses-us"} 3.0' in text
    assert f"consentry_outcomes_followed_timestamp_seconds {NOW:.8}" in text

"""Passing a bounce on: once, also when it is brought again while the first is under way."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from gateway.config.sender_dns import SenderDnsSettings
from gateway.courier import Fate, Said
from gateway.events import Event
from gateway.feedback import passing
from gateway.feedback.bounce_rules import bounce_table
from gateway.feedback.mailboxes import Mailboxes
from gateway.feedback.passing import MOST, Client, Passing
from gateway.feedback.terms import Terms
from gateway.records.bounces import BounceTerms
from gateway.records.database import Database
from gateway.sender_dns.lookups import Lookups
from suppression.keys import Keyring

from .conftest import NOW
from .notices_world import OFFICE, house_for, rules_for

STREAM = ("acme", "weekly")


class House:
    """Passes bounces on to a next hop that answers when it is told to."""

    def __init__(
        self, database: Database, keyring: Keyring, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.begun, self.answered = asyncio.Event(), asyncio.Event()
        self.passed: list[bytes] = []
        self.events: list[Event] = []
        monkeypatch.setattr(passing, "hand_over", self._next_hop)
        house = replace(house_for(rules_for(keyring, OFFICE)), hostname="gateway.test")
        boxes = Mailboxes(house.tokens, feedback="back.test", mailto="", notices="")
        to = {STREAM: "returns@acme.test"}
        dns = Lookups(SenderDnsSettings())
        self._terms = Terms(house, boxes, BounceTerms(), to, bounce_table(), dns)
        self._passing = Passing(database, self.events.append, lambda: NOW)

    async def _next_hop(self, hops: object, sender: str, to: str, octets: bytes) -> Said:
        self.passed.append(octets)
        self.begun.set()
        await self.answered.wait()
        return Said(Fate.TAKEN, "hop", "250 OK")

    async def bring(self, name: str = "m1", said: bytes = b"Gone.") -> bool:
        """A bounce comes."""
        octets = b"From: mailer-daemon@inbox.test\r\n\r\n" + said + b"\r\n"
        mailbox = "bounce+t@back.test"
        return await self._passing.pass_on(STREAM, mailbox, name, octets, Client(), self._terms)


@pytest.fixture
def house(database: Database, keyring: Keyring, monkeypatch: pytest.MonkeyPatch) -> House:
    """Of one test."""
    return House(database, keyring, monkeypatch)


@pytest.mark.sqlite_file
async def test_a_bounce_that_is_brought_again_meanwhile_waits(house: House) -> None:
    """Its sender gave up waiting for us: the second try is deferred, the third finds it taken."""
    first = asyncio.create_task(house.bring())
    await house.begun.wait()
    second = asyncio.create_task(house.bring())
    await asyncio.sleep(0)  # it has begun
    house.answered.set()
    assert await first
    assert not await second
    assert await house.bring()
    assert len(house.passed) == 1
    assert [event.kind for event in house.events] == ["bounce.passed_on"]


@pytest.mark.sqlite_file
async def test_a_silent_next_hop_fills_no_memory(house: House) -> None:
    """So many mails wait for it, whoever has hung up meanwhile; the next one is to come again."""
    waiting = [asyncio.create_task(house.bring(f"m{number}")) for number in range(MOST)]
    await house.begun.wait()
    late = asyncio.create_task(house.bring("late"))
    await asyncio.wait([late], timeout=20)
    house.answered.set()
    assert not await late
    assert all(await asyncio.gather(*waiting))
    assert await house.bring("late")


@pytest.mark.sqlite_file
async def test_no_nul_reaches_the_next_hop(house: House) -> None:
    """Which may take it for an end, or refuse the mail for ever."""
    house.answered.set()
    assert await house.bring(said=b"Go\0ne.")
    (passed,) = house.passed
    assert passed.endswith(b"\r\n\r\nGone.\r\n")

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
from gateway.feedback.passing import Client, Passing
from gateway.feedback.terms import Terms
from gateway.records.bounces import BounceTerms
from gateway.records.database import Database
from gateway.sender_dns.lookups import Lookups
from suppression.keys import Keyring

from .conftest import NOW
from .notices_world import OFFICE, house_for, rules_for

STREAM = ("acme", "weekly")


@pytest.mark.sqlite_file
async def test_a_bounce_that_is_brought_again_meanwhile_waits(
    database: Database, keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its sender gave up waiting for us: the second try is deferred, the third finds it taken."""
    begun, answered = asyncio.Event(), asyncio.Event()
    passed: list[bytes] = []

    async def next_hop(hops: object, sender: str, to: str, octets: bytes) -> Said:
        passed.append(octets)
        begun.set()
        await answered.wait()
        return Said(Fate.TAKEN, "hop", "250 OK")

    monkeypatch.setattr(passing, "hand_over", next_hop)
    house = replace(house_for(rules_for(keyring, OFFICE)), hostname="gateway.test")
    boxes = Mailboxes(house.tokens, feedback="back.test", mailto="", notices="")
    to = {STREAM: "returns@acme.test"}
    dns = Lookups(SenderDnsSettings())
    terms = Terms(house, boxes, BounceTerms(), to, bounce_table(), dns)
    events: list[Event] = []
    one = Passing(database, events.append, lambda: NOW)

    async def bring() -> bool:
        octets = b"From: mailer-daemon@inbox.test\r\n\r\nGone.\r\n"
        return await one.pass_on(STREAM, "bounce+t@back.test", "m1", octets, Client(), terms)

    first = asyncio.create_task(bring())
    await begun.wait()
    second = asyncio.create_task(bring())
    await asyncio.sleep(0)  # it has begun
    answered.set()
    assert await first
    assert not await second
    assert await bring()
    assert len(passed) == 1
    assert [event.kind for event in events] == ["bounce.passed_on"]

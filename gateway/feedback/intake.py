"""Takes tenants' replies to notices: decides on each recipient and mail, and gives the SMTP answer.

A recipient is `case+<token>@` the notices' domain, with a token of ours that names a case on
record; every other gets one and the same 550. A mail is read in a thread, a few at a time, and kept
with its cases before it is answered 250. Our own faults are 451, and a retry finds the same mail.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial

from gateway.errors import StoreUnavailable
from gateway.events import Emit, Event
from gateway.feedback.reading import read_mail
from gateway.notices.gather import REPLY, House
from gateway.records.case_replies import Reply, TooManyReplies, attach
from gateway.records.case_view import by_tracking
from gateway.records.database import Connection, Database
from policies.ports import Clock
from suppression.tokens import Purpose

AT_ONCE = 2
"""Mails read at the same time."""
OK = "250 2.1.5 OK"
KEPT = "250 2.0.0 kept with the case"
UNKNOWN = "550 5.1.1 no such recipient here"
TOO_MANY = "452 4.2.2 too many mails to this case today"
OUR_FAULT = "451 4.3.0 cannot be kept now, please try again"


@dataclass(frozen=True, slots=True)
class Addressed:
    """The case that a recipient names."""

    tenant_number: int
    tracking: bytes


class Intake:
    """One web process's. `adopt` puts a new configuration in force."""

    def __init__(self, database: Database, house: House, emit: Emit, clock: Clock) -> None:
        self._database = database
        self._house = house
        self._emit = emit
        self._clock = clock
        self._reading = asyncio.Semaphore(AT_ONCE)

    def adopt(self, house: House) -> None:
        """Work by a new configuration from now on."""
        self._house = house

    def addressed(self, recipient: str) -> Addressed | str:
        """The case behind a recipient, or the reply that refuses it."""
        local, _, domain = recipient.rpartition("@")
        prefix, _, text = local.partition("+")
        token = self._house.tokens.read(Purpose.REPLY, text)
        if (
            token is None
            or prefix.lower() != REPLY
            or not self._house.domain
            or domain.lower().rstrip(".") != self._house.domain
        ):
            return UNKNOWN
        try:
            with self._database.reading() as connection:
                is_there = by_tracking(connection, token.key) is not None
        except StoreUnavailable:
            return OUR_FAULT
        return Addressed(token.stream_number, token.key) if is_there else UNKNOWN

    async def take(self, cases: tuple[Addressed, ...], mail_from: str, octets: bytes) -> str:
        """Keep a mail with the cases it is for; the reply to its final dot."""
        async with self._reading:
            read = await asyncio.to_thread(read_mail, octets)
        # Nobody wrote what comes from nobody: a bounce, a note that somebody is away.
        is_automatic = read.is_automatic or not mail_from
        reply = Reply(read.mail, read.sender, read.subject, read.text, is_automatic)
        try:
            events = await self._database.write(partial(self._attach, cases, reply))
        except TooManyReplies:
            return TOO_MANY
        except StoreUnavailable as error:
            self._emit(Event("reply.failed", self._clock(), detail={"error": str(error)}))
            return OUR_FAULT
        for event in events:
            self._emit(event)
        return KEPT

    def _attach(
        self, cases: tuple[Addressed, ...], reply: Reply, connection: Connection
    ) -> tuple[Event, ...]:
        events: list[Event] = []
        for one in dict.fromkeys(cases):
            stored = by_tracking(connection, one.tracking)
            if stored is not None:
                events += attach(connection, stored, reply, self._clock(), self._house.rules)
        return tuple(events)

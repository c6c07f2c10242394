"""Rounds of notices with a clock to turn, and a next hop that is a function."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from zoneinfo import ZoneInfo

from gateway.courier import Fate, Said
from gateway.events import Event
from gateway.message.address import parse_mailbox
from gateway.notices.gather import House
from gateway.notices.rounds import NoticeRounds
from gateway.presets import read_preset
from gateway.records import notices
from gateway.records.case_rules import Contact, Rules, TenantRules
from gateway.records.case_view import Entry, timeline
from gateway.records.cases import load_case, take_fact
from gateway.records.database import Database
from gateway.records.notices import Notice
from gateway.records.policy_versions import remember
from gateway.records.streams import stream_number
from gateway.records.subjects import add_subject
from policies.sanctions.calendar import Calendar
from policies.sanctions.case import Case, Counts, Fact
from policies.sanctions.preset import digest
from policies.sanctions.words import FactKind, Grade, NoticeKind
from suppression.keys import Keyring
from suppression.tokens import Tokens

from .conftest import NOW

OFFICE, ABUSE = Contact("office@acme.test", "pl"), Contact("abuse@acme.test", "en")
TAKEN = Said(Fate.TAKEN, "main", "250 2.0.0 kept for <office@acme.test>")
LATER = Said(Fate.LATER, "main", "451 4.3.0 not now")
REFUSED = Said(Fate.REFUSED, "main", "550 5.1.1 nobody here")
UNKNOWN = Said(Fate.UNKNOWN, "main", "silence")


class Killed(BaseException):
    """The process ends between the next hop's answer and our record of it."""


def rules_for(keyring: Keyring, *contacts: Contact, preset: str = "niebieski") -> Rules:
    """Rules of one tenant, `acme`."""
    wording = read_preset(preset)
    own = TenantRules(wording, digest(wording), ("acme.test",), contacts, "Acme")
    house = TenantRules(wording, digest(wording))
    calendar = Calendar(ZoneInfo("Europe/Warsaw"), (), frozenset())
    link = "https://gateway.test"
    return Rules(keyring, calendar, ZoneInfo("Europe/Warsaw"), {"acme": own}, house, link)


def house_for(rules: Rules) -> House:
    """A house whose replies arrive at cases.gateway.test."""
    return House(
        hostname="gateway.test",
        sender="abuse@gateway.test",
        sender_name="Abuse desk",
        domain="cases.gateway.test",
        signers=(),
        hops=(),
        rules=rules,
        tokens=Tokens(rules.keyring),
    )


@dataclass
class World:
    """A gateway's notices with a clock to turn and a next hop that says what it is told to."""

    database: Database
    keyring: Keyring
    rules: Rules
    now: float = NOW
    answers: list[Said | BaseException] = field(default_factory=list)
    sent: list[tuple[str, str, bytes]] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        with self.database.transaction() as connection:
            stream_number(connection, "acme")
            remember(connection, self.rules, self.now)
        self.restart()

    def restart(self) -> None:
        """A new process over the same records."""
        # A round waits for what it began, however slow the machine is.
        self.rounds = NoticeRounds(
            self.database,
            house_for(self.rules),
            self.events.append,
            lambda: self.now,
            self.send,
            pause=60.0,
        )

    async def send(self, _hops: Sequence[object], sender: str, to: str, octets: bytes) -> Said:
        answer = self.answers.pop(0) if self.answers else TAKEN
        if isinstance(answer, Said) and answer.fate is not Fate.TAKEN and answer is not UNKNOWN:
            return answer
        self.sent.append((sender, to, octets))
        if isinstance(answer, BaseException):
            raise answer
        return answer

    async def at(self, now: float) -> None:
        """Turn the clock and go the rounds until nothing more is done."""
        self.now = now
        while await self.rounds.run():
            pass

    def fact(self, mailing: str = "m1", complainer: str = "", **changes: Any) -> Case:
        """A recipient that was refused because it is protected, or complained."""
        kind = FactKind.COMPLAINT if complainer else FactKind.PROTECTED_HIT
        grade = Grade.A if complainer else None
        fact = Fact(
            kind, "acme", "weekly", mailing, "acme.test", b"", "r1", self.now, grade,
            domains=("acme.test",),
        )  # fmt: skip
        fact = replace(fact, **changes)
        with self.database.transaction() as connection:
            subject = None
            if complainer:
                subject = add_subject(connection, self.keyring.seal(complainer))
                key = self.keyring.exact_key(parse_mailbox(complainer))
                fact = replace(fact, key=key)
            taken = take_fact(connection, fact, Counts(), self.rules, self.now, subject=subject)
        assert taken.case is not None
        return taken.case

    def case(self, number: int = 1) -> Case:
        with self.database.reading() as connection:
            return load_case(connection, number)

    def notices(self, number: int = 1) -> list[Notice]:
        with self.database.reading() as connection:
            return notices.list_of(connection, number)

    def queue(self, kind: NoticeKind, **extra: object) -> None:
        with self.database.transaction() as connection:
            notices.queue(connection, load_case(connection, 1), kind, self.rules, self.now, extra)

    def timeline(self, number: int = 1) -> list[Entry]:
        with self.database.reading() as connection:
            return timeline(connection, number)[::-1]

    def told(self, kind: str) -> int:
        """How often the timeline says so."""
        return sum(entry.kind == kind for entry in self.timeline())

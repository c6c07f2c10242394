"""Rounds of confirmation mails with a clock to turn, and a next hop that is a function."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from gateway.courier import Fate, Said
from gateway.events import Event
from gateway.message.address import parse_mailbox
from gateway.message.dkim_keys import KeyKind, new_key
from gateway.opt_in.rounds import House, Rounds
from gateway.records import proofs, suppressions
from gateway.records.database import Database
from gateway.records.proofs import Asking, Proof, StepRecord, Visit
from gateway.records.suppressions import Draft
from suppression.consent import Step
from suppression.keys import Keyring
from suppression.standing import Reason

NOW = float(int(time.time()))
"""A verifier of signatures knows no other clock."""
JAN = parse_mailbox("Jan.Kowalski@example.org")
TAKEN = Said(Fate.TAKEN, "main", "250 2.0.0 kept for <Jan.Kowalski@example.org>")
LATER = Said(Fate.LATER, "main", "451 4.3.0 not now")
REFUSED = Said(Fate.REFUSED, "main", "550 5.1.1 nobody here")
UNKNOWN = Said(Fate.UNKNOWN, "main", "silence")


class Killed(BaseException):
    """The process ends between the next hop's answer and our record of it."""


@dataclass
class World:
    """A gateway's rounds with a clock to turn and a next hop that says what it is told to."""

    database: Database
    keyring: Keyring
    house: House
    now: float = NOW
    answers: list[Said | BaseException] = field(default_factory=list)
    sent: list[tuple[str, str, bytes]] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """A new process over the same records."""
        self.rounds = Rounds(
            self.database, self.house, self.events.append, lambda: self.now, self.send
        )

    async def send(self, sender: str, recipient: str, octets: bytes) -> Said:
        answer = self.answers.pop(0) if self.answers else TAKEN
        if isinstance(answer, Said) and answer.fate is Fate.LATER:
            return answer
        self.sent.append((sender, recipient, octets))
        if isinstance(answer, BaseException):
            raise answer
        return answer

    async def at(self, now: float) -> None:
        """Turn the clock and go the rounds until nothing more is done."""
        self.now = now
        while await self.rounds.run():
            pass

    def request(self, **changes: Any) -> Proof:
        asking = {
            "tenant": "acme",
            "stream": "weekly",
            "address": JAN,
            "text": "Zgadzam się na cotygodniowy list.\nMogę ją wycofać.",
            "language": "pl",
            "actor": "acme",
        }
        with self.database.transaction() as connection:
            return proofs.request(
                connection, self.keyring, Asking(**{**asking, **changes}), self.now
            )

    def proof(self, proof: Proof) -> Proof:
        with self.database.reading() as connection:
            return proofs.by_tracking(connection, self.keyring, proof.tracking)

    def steps(self, proof: Proof) -> list[StepRecord]:
        with self.database.reading() as connection:
            return proofs.steps(connection, self.keyring, proof.id)

    def names(self, proof: Proof) -> list[Step]:
        return [step.step for step in self.steps(proof)]

    def suppress(self, reason: Reason, scope: str) -> None:
        with self.database.transaction() as connection:
            draft = Draft(reason, scope, "recipient", "test")
            suppressions.add(connection, self.keyring, JAN, draft, self.now)

    def confirm(self, proof: Proof) -> proofs.Answer:
        visit = Visit("203.0.113.9", 40_001, "Browser/1.0", "POST /c/token 200")
        with self.database.transaction() as connection:
            return proofs.confirm(connection, self.keyring, proof.tracking, visit, self.now)


KEY = new_key(KeyKind.ED25519)

"""The records of a confirmation mail: what is tried, noted before it is tried, and what came of it.

`attempt` tells from a proof's steps what to do next; `begin` notes it, after a last look at what
the records say about the address, so that a crash between the next hop's answer and `conclude` is
known afterwards: the same mail is then sent once more, and only once. Functions take a connection
of a transaction and commit nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection, select

from gateway.message.address import parse_mailbox
from gateway.records.proof_chain import StepRecord, advance
from gateway.records.proof_consents import matches
from gateway.records.proof_view import Proof, by_id
from gateway.records.tables import suppressions
from suppression.consent import Status, Step
from suppression.keys import Keyring
from suppression.precedence import highest
from suppression.standing import Match, Reason

ACTOR = "consentry"
MAX_SENT = 2
"""How often one mail may leave us: once, and once more when nobody knows whether it did."""
FIRST_PAUSE, LONGEST_PAUSE = 60.0, 6 * 3600.0
"""Seconds between two tries of a mail that was deferred; doubling."""
TAKEN_UP_AGAIN = 60.0
"""Seconds after which a mail is taken up again that a crash left without an outcome."""


class Letter(StrEnum):
    """Which mail of a proof's."""

    QUESTION = "question"
    REMINDER = "reminder"


@dataclass(frozen=True, slots=True)
class Attempt:
    """What to send: which mail, and, when one may have gone out before, its time and Message-ID.

    `sent` counts the times that it may have left us; `tries` how often it was deferred.
    """

    letter: Letter
    sent: int
    tries: int
    at: int | None = None
    message_id: str = ""

    @property
    def is_spent(self) -> bool:
        """Whether it may not be sent any more, and is taken to have arrived."""
        return self.sent >= MAX_SENT

    @property
    def pause(self) -> float:
        """Seconds until it may be tried again when it is deferred now."""
        return float(min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(self.tries, 20)))


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail as it is about to leave: its Message-ID and the SHA-256 of its octets, in hex."""

    letter: Letter
    message_id: str
    sha256: str


def attempt(proof: Proof, steps: Sequence[StepRecord]) -> Attempt | None:
    """What is to be sent for a pending proof; None when nothing is any more."""
    letter = Letter.QUESTION if proof.status is Status.REQUESTED else Letter.REMINDER
    if any(step.step is Step.REMINDED for step in steps):
        return None
    sent, tries = 0, 0
    first: StepRecord | None = None
    for step in steps:
        if step.facts.get("letter") != letter:
            continue
        match step.step:
            case Step.SENDING:
                sent += 1
                first = first or step
            case Step.DEFERRED:
                tries += 1
                # An answer came, so that mail did not go out; what stood before it may have.
                sent = max(0, sent - 1) if step.facts.get("was_sending") else sent
                first = first if sent else None
            case Step.FAILED:
                return None  # a reminder that was refused
    if first is None:
        return Attempt(letter, sent, tries)
    return Attempt(letter, sent, tries, first.at, str(first.facts["message_id"]))


def stopped(connection: Connection, keyring: Keyring, proof: Proof, now: float) -> Match | None:
    """What in the records forbids to mail the proof's address now."""
    found = matches(connection, keyring, parse_mailbox(proof.address), proof.scope, now)
    # Who unsubscribed after asking has changed their mind; what came before was asked over.
    older = set(
        connection.execute(
            select(suppressions.c.id).where(
                suppressions.c.id.in_([match.entry for match in found]),
                suppressions.c.created_at <= proof.requested_at,
            )
        ).scalars()
    )
    return highest(
        match
        for match in found
        if match.reason is not Reason.UNSUBSCRIBE or match.entry not in older
    )


def begin(
    connection: Connection, keyring: Keyring, number: int, mail: Mail, is_repeat: bool, now: float
) -> bool:
    """Note that `mail` leaves now; False when it must not leave any more."""
    proof = by_id(connection, keyring, number)
    if not proof.status.is_pending:
        return False
    match = stopped(connection, keyring, proof, now)
    if match is not None:
        facts: dict[str, object] = {
            "letter": mail.letter,
            "why": "suppressed",
            "entry": match.entry,
        }
        conclude(connection, keyring, number, Step.FAILED, mail.letter, now, facts=facts)
        return False
    facts = {"letter": mail.letter, "message_id": mail.message_id, "sha256": mail.sha256}
    if is_repeat:
        facts["is_repeat"] = True
    due_at = now + TAKEN_UP_AGAIN
    advance(connection, keyring, number, Step.SENDING, now, ACTOR, due_at=due_at, facts=facts)
    return True


def conclude(
    connection: Connection,
    keyring: Keyring,
    number: int,
    step: Step,
    letter: Letter,
    now: float,
    *,
    due_at: float | None = None,
    facts: Mapping[str, object] | None = None,
    reply: str = "",
) -> None:
    """Note what came of a mail: MAILED, REMINDED, DEFERRED, UNKNOWN or FAILED.

    `reply` holds the next hop's words, which are sealed. `due_at` is when to look again; a proof
    that has ended meanwhile is not looked at any more.
    """
    proof = by_id(connection, keyring, number)
    is_pending = proof.status.is_pending and not (
        step is Step.FAILED and proof.status is Status.REQUESTED
    )
    if is_pending and due_at is None:
        due_at = proof.expires_at
    advance(
        connection,
        keyring,
        number,
        step,
        now,
        ACTOR,
        due_at=due_at if is_pending else None,
        facts={"letter": letter, **(facts or {})},
        personal={"reply": reply} if reply else None,
    )

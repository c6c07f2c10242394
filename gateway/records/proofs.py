"""Proofs of consent: asked for by a confirmation mail (level 4), or supplied (levels 2 and 3).

`request` -> mail by `gateway.opt_in` -> `confirm` on the person's POST; `revoke` ends either.
Each change is one step in the tenant's chain (`proof_chain`), one audit record, and, where consent
begins or ends, in force for the next RCPT. Functions take a connection of `Database.write` or
`.transaction` and commit nothing; tenants see their own proofs only when they are named. Raise
NotAsked, EvidenceError, LookupError for a proof that is not there, StoreUnavailable.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, RowMapping, select, update

from gateway.message.address import parse_mailbox
from gateway.records import proof_consents, webhooks
from gateway.records.proof_chain import Flaw as Flaw
from gateway.records.proof_chain import Head as Head
from gateway.records.proof_chain import StepRecord as StepRecord
from gateway.records.proof_chain import advance
from gateway.records.proof_chain import head as head
from gateway.records.proof_chain import heads as heads
from gateway.records.proof_chain import steps as steps
from gateway.records.proof_chain import verify as verify
from gateway.records.proof_requests import Act as Act
from gateway.records.proof_requests import Asking as Asking
from gateway.records.proof_requests import NotAsked as NotAsked
from gateway.records.proof_requests import insert_proof
from gateway.records.proof_requests import request as request
from gateway.records.proof_view import Proof as Proof
from gateway.records.proof_view import by_id
from gateway.records.proof_view import by_tracking as by_tracking
from gateway.records.proof_view import find as find
from gateway.records.proof_view import latest as latest
from gateway.records.proof_view import of_tenant as of_tenant
from gateway.records.streams import stream_number
from gateway.records.tables import proofs
from gateway.words import Address, WebhookKind
from suppression.consent import (
    LANGUAGES,
    Evidence,
    EvidenceError,
    Status,
    Step,
    check_evidence,
    check_words,
)
from suppression.keys import Keyring
from suppression.masking import mask


@dataclass(frozen=True, slots=True)
class Visit:
    """One request of a visitor's, as it is kept as evidence; `line` is its line in the log."""

    ip: str
    port: int
    user_agent: str
    line: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What a click came to: the proof as it stands now, and whether this click changed it.

    To confirm has worked when `proof.status` is CONFIRMED, now or earlier.
    """

    proof: Proof
    is_new: bool


def supply(
    connection: Connection,
    keyring: Keyring,
    tenant: str,
    stream: str,
    address: Address,
    evidence: Evidence,
    language: str,
    actor: str,
    now: float,
) -> Answer:
    """Record what the tenant holds of a subscription; not new when it is on record already.

    Raises EvidenceError. What the person did later (unsubscribed, objected) stays in force.
    """
    check_evidence(evidence, address, now)
    if language not in LANGUAGES:
        raise EvidenceError("language", f"is one of {', '.join(LANGUAGES)}")
    scope = stream_number(connection, tenant, stream)
    for known in find(connection, keyring, address, tenant):
        is_same = (known.stream, known.level, known.text) == (stream, evidence.level, evidence.text)
        if is_same and known.given_at == int(evidence.given_at):
            return Answer(known, is_new=False)
    asking = Asking(tenant, stream, address, evidence.text, language, actor)
    number = insert_proof(connection, keyring, asking, scope, evidence.level, now)
    facts: dict[str, object] = {"subscribed_at": int(evidence.subscribed_at)}
    if evidence.confirmed_at is not None:
        facts["confirmed_at"] = int(evidence.confirmed_at)
    personal = {
        "source": evidence.source,
        "subscribed_ip": evidence.subscribed_ip,
        "confirmed_ip": evidence.confirmed_ip,
        "user_agent": evidence.user_agent,
        "message_id": evidence.message_id,
    }
    _give(
        connection, keyring, number, Step.SUPPLIED, evidence.given_at, actor, now, facts, personal
    )
    return Answer(by_id(connection, keyring, number), is_new=True)


def confirm(
    connection: Connection, keyring: Keyring, tracking: bytes, visit: Visit, now: float
) -> Answer:
    """The person agreed, by POST. Confirming twice is one effect; what is over stays over.

    Raises LookupError for a tracking number that is not ours.
    """
    proof = by_tracking(connection, keyring, tracking)
    if not proof.status.is_pending or not proof.address:
        return Answer(proof, is_new=False)
    if proof.expires_at is not None and now >= proof.expires_at:
        expire(connection, keyring, proof.id, now)
        return Answer(by_id(connection, keyring, proof.id), is_new=False)
    _give(
        connection,
        keyring,
        proof.id,
        Step.CONFIRMED,
        now,
        "recipient",
        now,
        {},
        _of_visit(visit),
    )
    payload = {"stream": proof.stream, "tracking": proof.number, "level": 4}
    row = _row(connection, proof.id)
    webhooks.queue(
        connection,
        row["tenant"],
        WebhookKind.CONSENT_CONFIRMED,
        proof.key,
        row["subject"],
        payload,
        now,
    )
    return Answer(by_id(connection, keyring, proof.id), is_new=True)


def revoke(
    connection: Connection,
    keyring: Keyring,
    tracking: bytes,
    actor: str,
    why: str,
    now: float,
    visit: Visit | None = None,
) -> Answer:
    """End a consent, or a request for one; its list is closed to the address (unsubscribe).

    `actor` is `recipient` for the person's own click, with its `visit`. Not new when it had ended
    before. Raises LookupError.
    """
    proof = by_tracking(connection, keyring, tracking)
    if not (proof.status.is_pending or proof.status is Status.CONFIRMED):
        return Answer(proof, is_new=False)
    check_words("why", why)
    advance(
        connection,
        keyring,
        proof.id,
        Step.REVOKED,
        now,
        actor,
        facts={"by": actor, "why": mask(why)},
        personal=None if visit is None else _of_visit(visit),
    )
    proof_consents.end(connection, _row(connection, proof.id), actor, now)
    return Answer(by_id(connection, keyring, proof.id), is_new=True)


def expire(connection: Connection, keyring: Keyring, proof: int, now: float) -> None:
    """Note that proof number `proof` was not confirmed in time."""
    advance(connection, keyring, proof, Step.EXPIRED, now, "consentry")


def _give(
    connection: Connection,
    keyring: Keyring,
    number: int,
    step: Step,
    given_at: float,
    actor: str,
    now: float,
    facts: dict[str, object],
    personal: Mapping[str, object],
) -> None:
    """Bring a proof's consent into force and take the step that says so."""
    row = _row(connection, number)
    proof = by_id(connection, keyring, number)
    address = parse_mailbox(proof.address)
    consent, superseded, lifted = proof_consents.give(
        connection, keyring, row, address, given_at, now
    )
    connection.execute(update(proofs).where(proofs.c.id == number).values(consent=consent))
    for older in superseded:
        by = {"by": proof.number}
        advance(connection, keyring, older, Step.SUPERSEDED, now, actor, facts=by)
    facts = {**facts, "consent": consent, "lifted": lifted}
    advance(connection, keyring, number, step, now, actor, facts=facts, personal=personal)


def _row(connection: Connection, number: int) -> RowMapping:
    return connection.execute(select(proofs).where(proofs.c.id == number)).mappings().one()


def _of_visit(visit: Visit) -> dict[str, object]:
    return {
        "ip": visit.ip,
        "port": visit.port,
        "user_agent": visit.user_agent,
        "line": visit.line,
    }

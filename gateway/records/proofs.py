"""Proofs of consent: asked for by a confirmation mail (level 4), or supplied (levels 2 and 3).

`request` -> mail by `gateway.opt_in` -> `confirm` on the person's POST; `revoke` ends either.
Each change is one step in the tenant's chain (`proof_chain`), one audit record, and, where consent
begins or ends, in force for the next RCPT. Functions take a connection of `Database.write` or
`.transaction` and commit nothing; tenants see their own proofs only when they are named. Raise
NotAsked, EvidenceError, LookupError for a proof that is not there, StoreUnavailable.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from sqlalchemy import Connection, RowMapping, insert, select, update

from gateway import replies
from gateway.message.address import parse_mailbox
from gateway.records import proof_consents
from gateway.records.proof_chain import Flaw as Flaw
from gateway.records.proof_chain import Head as Head
from gateway.records.proof_chain import StepRecord as StepRecord
from gateway.records.proof_chain import advance
from gateway.records.proof_chain import head as head
from gateway.records.proof_chain import heads as heads
from gateway.records.proof_chain import steps as steps
from gateway.records.proof_chain import verify as verify
from gateway.records.proof_view import Proof as Proof
from gateway.records.proof_view import by_id
from gateway.records.proof_view import by_tracking as by_tracking
from gateway.records.proof_view import find as find
from gateway.records.proof_view import of_tenant as of_tenant
from gateway.records.streams import stream_number
from gateway.records.subjects import add_subject
from gateway.records.suppressions import Refused
from gateway.records.tables import consent_texts, proofs
from gateway.words import Address
from policies.suppression import REPLIES
from suppression.consent import (
    DECLINED_PAUSE,
    EXPIRES_AFTER,
    LANGUAGES,
    REQUEST_PAUSE,
    Evidence,
    EvidenceError,
    Level,
    Status,
    Step,
    check_act,
    check_evidence,
    check_text,
    check_words,
    stopping_request,
)
from suppression.keys import Keyring

TRACKING_OCTETS = 16


class NotAsked(Refused):
    """No confirmation mail goes to this address now.

    `tag` is the reply's tag that mail on this list would get, or OPTIN-LIMIT; `again_at` (Unix
    seconds) when one may be asked for again, where that is known.
    """

    def __init__(self, text: str, tag: str, again_at: float | None = None) -> None:
        super().__init__(text)
        self.tag = tag
        self.again_at = again_at


@dataclass(frozen=True, slots=True)
class Act:
    """What the person did to be asked: when a form was filled in (Unix seconds), from which IP.

    `source` is the form's URL or the place.
    """

    at: float
    ip: str
    source: str = ""
    user_agent: str = ""


@dataclass(frozen=True, slots=True)
class Asking:
    """A confirmation mail to be sent. `text` is what the person is to agree to, word for word.

    `language` is `en` or `pl`, `actor` who asks, `lasts` the seconds in which it can be confirmed
    once it is mailed.
    """

    tenant: str
    stream: str
    address: Address
    text: str
    language: str
    actor: str
    act: Act | None = None
    lasts: float = EXPIRES_AFTER


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


def request(connection: Connection, keyring: Keyring, asking: Asking, now: float) -> Proof:
    """Have the address asked whether it agrees. Raises NotAsked, EvidenceError.

    One request for each address and list in 7 days; a newer one supersedes a pending older one.
    """
    check_text(asking.text)
    if asking.language not in LANGUAGES:
        raise EvidenceError("language", f"is one of {', '.join(LANGUAGES)}")
    if asking.act is not None:
        check_act(asking.act.at, asking.act.ip, now)
        check_words("form_source", asking.act.source)
        check_words("form_user_agent", asking.act.user_agent)
    scope = stream_number(connection, asking.tenant, asking.stream)
    _check_may_ask(connection, keyring, asking, scope, now)
    number = _insert(connection, keyring, asking, scope, Level.HOSTED, now)
    for older in _pending(connection, keyring, asking.address, scope):
        if older != number:
            advance(connection, keyring, older, Step.SUPERSEDED, now, asking.actor)
    personal = None
    if asking.act is not None:
        act = asking.act
        personal = {"ip": act.ip, "source": act.source, "user_agent": act.user_agent}
    facts: dict[str, object] = {"lasts": int(asking.lasts)}
    if asking.act is not None:
        facts["form_at"] = int(asking.act.at)
    advance(
        connection,
        keyring,
        number,
        Step.REQUESTED,
        now,
        asking.actor,
        due_at=now,
        facts=facts,
        personal=personal,
    )
    return by_id(connection, keyring, number)


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
    check_evidence(evidence, now)
    if language not in LANGUAGES:
        raise EvidenceError("language", f"is one of {', '.join(LANGUAGES)}")
    scope = stream_number(connection, tenant, stream)
    for known in find(connection, keyring, address, tenant):
        is_same = (known.stream, known.level, known.text) == (stream, evidence.level, evidence.text)
        if is_same and known.given_at == int(evidence.given_at):
            return Answer(known, is_new=False)
    asking = Asking(tenant, stream, address, evidence.text, language, actor)
    number = _insert(connection, keyring, asking, scope, evidence.level, now)
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
        facts={"by": actor, "why": why},
        personal=None if visit is None else _of_visit(visit),
    )
    proof_consents.end(connection, _row(connection, proof.id), actor, now)
    return Answer(by_id(connection, keyring, proof.id), is_new=True)


def expire(connection: Connection, keyring: Keyring, proof: int, now: float) -> None:
    """Note that proof number `proof` was not confirmed in time."""
    advance(connection, keyring, proof, Step.EXPIRED, now, "consentry")


def _check_may_ask(
    connection: Connection, keyring: Keyring, asking: Asking, scope: int, now: float
) -> None:
    found = proof_consents.matches(connection, keyring, asking.address, scope, now)
    match = stopping_request(found, asking.act is not None)
    if match is not None:
        reply = REPLIES[match.reason] if match.is_disclosable else replies.POLICY
        hint = ""
        if match.is_disclosable and stopping_request([match], is_own_act=True) is None:
            hint = "; give the time and IP address of the form when the person asks to come back"
        raise NotAsked(f"no mail goes to this address [{reply.tag}]{hint}", reply.tag)
    recent = [
        proof
        for proof in find(connection, keyring, asking.address, asking.tenant)
        if proof.stream == asking.stream and proof.level is Level.HOSTED and not proof.has_ended
    ]
    again_at = max((_again_at(proof) for proof in recent), default=0.0)
    if again_at > now:
        raise NotAsked(
            "this address was asked already; it may be asked again when `again_at` has come",
            "OPTIN-LIMIT",
            again_at,
        )


def _again_at(proof: Proof) -> float:
    if proof.was_declined:
        return proof.requested_at + DECLINED_PAUSE
    return proof.requested_at + REQUEST_PAUSE


def _pending(
    connection: Connection, keyring: Keyring, address: Address, scope: int
) -> Sequence[int]:
    query = select(proofs.c.id).where(
        proofs.c.key.in_(keyring.look_up_keys(address)),
        proofs.c.scope == scope,
        proofs.c.status.in_([status for status in Status if status.is_pending]),
    )
    return connection.execute(query).scalars().all()


def _insert(
    connection: Connection,
    keyring: Keyring,
    asking: Asking,
    scope: int,
    level: Level,
    now: float,
) -> int:
    """A new proof's row; its first step makes it stand."""
    made = connection.execute(
        insert(proofs),
        {
            "tracking": os.urandom(TRACKING_OCTETS),
            "tenant": stream_number(connection, asking.tenant),
            "scope": scope,
            "level": int(level),
            "key": keyring.exact_key(asking.address),
            "subject": add_subject(connection, keyring.seal(asking.address.text)),
            "text": _text_number(connection, asking.text),
            "language": asking.language,
            "status": Status.REQUESTED.value,
            "requested_at": int(now),
        },
    ).inserted_primary_key
    assert made is not None  # noqa: S101 - a single-row insert always has one
    return int(made[0])


def _text_number(connection: Connection, text: str) -> int:
    digest = sha256(text.encode()).digest()
    query = select(consent_texts.c.id).where(consent_texts.c.digest == digest)
    found = connection.execute(query).scalar()
    if found is None:
        made = connection.execute(insert(consent_texts), {"digest": digest, "text": text})
        assert made.inserted_primary_key is not None  # noqa: S101 - as above
        found = made.inserted_primary_key[0]
    return int(found)


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
        advance(connection, keyring, older, Step.SUPERSEDED, now, actor)
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

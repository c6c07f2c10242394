"""Asking whether somebody agrees: who may be asked, how often, and the proof that this begins.

`request` is the first step of a hosted proof; `gateway.opt_in` mails it. Who may be asked is
docs/decisions/asking-again.md. Functions take a connection of a transaction and commit nothing.
Raise NotAsked, EvidenceError, StoreUnavailable.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from sqlalchemy import Connection, insert, select

from gateway import replies
from gateway.records import proof_consents
from gateway.records.proof_chain import advance
from gateway.records.proof_view import Proof, by_id, find
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
    EvidenceError,
    Level,
    Status,
    Step,
    check_act,
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


def request(connection: Connection, keyring: Keyring, asking: Asking, now: float) -> Proof:
    """Have the address asked whether it agrees. Raises NotAsked, EvidenceError.

    One request for each address and list in 7 days; a newer one supersedes a pending older one.
    """
    check_text(asking.text, asking.address)
    if asking.language not in LANGUAGES:
        raise EvidenceError("language", f"is one of {', '.join(LANGUAGES)}")
    if asking.act is not None:
        check_act(asking.act.at, asking.act.ip, now)
        check_words("form_source", asking.act.source)
        check_words("form_user_agent", asking.act.user_agent)
    scope = stream_number(connection, asking.tenant, asking.stream)
    _check_may_ask(connection, keyring, asking, scope, now)
    number = insert_proof(connection, keyring, asking, scope, Level.HOSTED, now)
    for older in _pending(connection, keyring, asking.address, scope):
        if older != number:
            superseded_by = {"by": by_id(connection, keyring, number).number}
            advance(
                connection,
                keyring,
                older,
                Step.SUPERSEDED,
                now,
                asking.actor,
                facts=superseded_by,
            )
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


def insert_proof(
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

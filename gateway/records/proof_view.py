"""Proofs of consent as they stand: by tracking number, by address, or all of a tenant.

Reads only. What is sealed is opened where its secret still stands; an address whose secret was
destroyed is "". With a `tenant`, other tenants' proofs are as if they were not there. Raises
LookupError.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, select

from gateway.records.streams import find_number, scope_texts
from gateway.records.subjects import plain_texts
from gateway.records.tables import consent_texts, consents, proof_steps, proofs
from gateway.words import Address
from suppression.consent import EXPIRES_AFTER, Level, Status, Step
from suppression.keys import Keyring


@dataclass(frozen=True, slots=True)
class Proof:
    """One proof. `tracking` is its 16-octet number; all times are whole Unix seconds.

    `expires_at` is set while it is pending, `given_at` and `has_ended` speak of its consent.
    """

    id: int
    tracking: bytes
    tenant: str
    stream: str
    scope: int
    level: Level
    key: bytes
    address: str
    text: str
    text_digest: bytes
    language: str
    status: Status
    requested_at: int
    mailed_at: int | None
    lasts: int
    """Seconds in which it can be confirmed once it is mailed."""
    expires_at: int | None
    due_at: int | None
    given_at: int | None
    has_ended: bool
    was_declined: bool
    """The person said before confirming that it was not they who asked."""

    @property
    def number(self) -> str:
        """The tracking number as people read it: 32 hexadecimal digits."""
        return self.tracking.hex()


def by_tracking(
    connection: Connection, keyring: Keyring, tracking: bytes, tenant: str = ""
) -> Proof:
    """The proof with this tracking number. Raises LookupError."""
    found = _read(connection, keyring, proofs.c.tracking == tracking)
    if not found or tenant not in ("", found[0].tenant):
        raise LookupError(f"no proof has the tracking number {tracking.hex()}")
    return found[0]


def by_id(connection: Connection, keyring: Keyring, number: int) -> Proof:
    """The proof with this row number."""
    return _read(connection, keyring, proofs.c.id == number)[0]


def find(
    connection: Connection, keyring: Keyring, address: Address, tenant: str = ""
) -> list[Proof]:
    """Every proof about an address, oldest first."""
    found = _read(connection, keyring, proofs.c.key.in_(keyring.look_up_keys(address)))
    return [proof for proof in found if tenant in ("", proof.tenant)]


def of_tenant(
    connection: Connection, keyring: Keyring, tenant: str, after: int = 0, limit: int = 100
) -> list[Proof]:
    """A tenant's proofs with an `id` over `after`, oldest first."""
    number = find_number(connection, tenant)
    if number is None:
        return []
    return _read(connection, keyring, (proofs.c.tenant == number) & (proofs.c.id > after), limit)


def latest(
    connection: Connection,
    keyring: Keyring,
    tenant: str = "",
    stream: str = "",
    before: int | None = None,
    limit: int = 50,
) -> list[Proof]:
    """The latest proofs with an `id` below `before`, newest first: of all tenants, of one, or of
    one of its lists."""
    condition = proofs.c.id > 0 if before is None else proofs.c.id < before
    if tenant:
        number = find_number(connection, tenant, stream)
        column = proofs.c.scope if stream else proofs.c.tenant
        condition &= column == (-1 if number is None else number)
    return _read(connection, keyring, condition, limit, order=proofs.c.id.desc())


def due(connection: Connection, keyring: Keyring, now: float, limit: int = 100) -> list[Proof]:
    """Proofs that something is to be done about by now, the longest waiting first."""
    return _read(connection, keyring, proofs.c.due_at <= now, limit, order=proofs.c.due_at)


def _read(
    connection: Connection,
    keyring: Keyring,
    condition: ColumnElement[bool],
    limit: int | None = None,
    order: ColumnElement[Any] | None = None,
) -> list[Proof]:
    query = (
        select(
            proofs,
            consent_texts.c.text.label("words"),
            consent_texts.c.digest.label("text_digest"),
            consents.c.given_at,
            consents.c.ended_at,
        )
        .join(consent_texts, consent_texts.c.id == proofs.c.text)
        .outerjoin(consents, consents.c.id == proofs.c.consent)
        .where(condition)
        .order_by(proofs.c.id if order is None else order, proofs.c.id)
        .limit(limit)
    )
    rows = connection.execute(query).mappings().all()
    texts = scope_texts(connection)
    plain = plain_texts(connection, keyring, [row["subject"] for row in rows])
    times = _times(connection, [row["id"] for row in rows])
    found = []
    for row in rows:
        tenant, _, stream = texts[row["scope"]].partition("/")
        status = Status(row["status"])
        mailed_at, lasts, by = times.get(row["id"], (None, EXPIRES_AFTER, ""))
        begun = row["requested_at"] if mailed_at is None else mailed_at
        found.append(
            Proof(
                id=row["id"],
                tracking=row["tracking"],
                tenant=tenant,
                stream=stream,
                scope=row["scope"],
                level=Level(row["level"]),
                key=row["key"],
                address=plain.get(row["subject"], ""),
                text=row["words"],
                text_digest=row["text_digest"],
                language=row["language"],
                status=status,
                requested_at=row["requested_at"],
                mailed_at=mailed_at,
                lasts=lasts,
                expires_at=begun + lasts if status.is_pending else None,
                due_at=row["due_at"],
                given_at=row["given_at"],
                has_ended=row["ended_at"] is not None,
                was_declined=by == "recipient" and row["consent"] is None,
            )
        )
    return found


def _times(
    connection: Connection, numbers: Sequence[int]
) -> dict[int, tuple[int | None, int, str]]:
    """When each proof was mailed, how long it lasts from then, and who revoked it."""
    told = (Step.REQUESTED, Step.MAILED, Step.REVOKED)
    query = (
        select(proof_steps.c.proof, proof_steps.c.status, proof_steps.c.at, proof_steps.c.facts)
        .where(proof_steps.c.proof.in_(numbers), proof_steps.c.status.in_(told))
        .order_by(proof_steps.c.number)
    )
    times: dict[int, tuple[int | None, int, str]] = {}
    for proof, step, at, facts in connection.execute(query):
        mailed_at, lasts, by = times.get(proof, (None, EXPIRES_AFTER, ""))
        match Step(step):
            case Step.REQUESTED:
                lasts = json.loads(facts)["lasts"]
            case Step.MAILED if mailed_at is None:
                mailed_at = at
            case Step.REVOKED:
                by = json.loads(facts)["by"]
        times[proof] = (mailed_at, lasts, by)
    return times

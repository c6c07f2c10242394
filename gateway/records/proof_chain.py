"""The chain of proof steps: one for each tenant, append-only, each digest covering the one before.

`advance` takes a proof one step further, in the transaction of whatever the step is about, and
writes the audit record. Digests run over keys, facts and ciphertext, never over plain texts, so
`verify` still holds after secrets are destroyed; a proof's first step covers its own fields too.
A cut-off tail shows only against a `head` noted elsewhere. Raises WrongStep.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, RowMapping, insert, select, update

from gateway.records import audit
from gateway.records.streams import find_number, scope_texts
from gateway.records.subjects import add_subject, plain_texts
from gateway.records.tables import consent_texts, consents, proof_steps, proofs, subjects
from suppression.consent import Status, Step, WrongStep, after
from suppression.keys import Keyring

START = bytes(32)
"""What the first step's digest covers in place of a predecessor."""
FIRST = (Step.REQUESTED, Step.SUPPLIED)
_STEP_SEALED = subjects.alias("step_sealed")
_ADDRESS_SEALED = subjects.alias("address_sealed")


@dataclass(frozen=True, slots=True)
class StepRecord:
    """One step of a proof. `personal` is None when there is nothing, or `is_destroyed`."""

    number: int
    step: Step
    at: int
    facts: dict[str, Any]
    personal: dict[str, Any] | None
    is_destroyed: bool
    digest: bytes


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a tenant's chain: the last step's number (0 for none) and digest."""

    number: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class Flaw:
    """The first step that does not hold, or the one behind the chain's end, and why."""

    number: int
    why: str


def advance(
    connection: Connection,
    keyring: Keyring,
    proof: int,
    step: Step,
    at: float,
    actor: str,
    *,
    due_at: float | None = None,
    facts: Mapping[str, object] | None = None,
    personal: Mapping[str, object] | None = None,
) -> Status:
    """Append `step` to proof number `proof`; its status from now on. Raises WrongStep.

    `due_at` is when something is to be done about it next. `facts` and `personal` are JSON-able;
    `personal` is stored sealed, under a secret of its own.
    """
    row = connection.execute(_whole().where(proofs.c.id == proof)).mappings().one()
    status = after(None if step in FIRST else Status(row["status"]), step)
    last = _head(connection, row["tenant"])
    text = _canonical(dict(facts or {}))
    subject = (
        add_subject(connection, keyring.seal(_canonical(dict(personal)))) if personal else None
    )
    sealed = None
    if subject is not None:
        sealed = connection.execute(
            select(subjects.c.sealed).where(subjects.c.id == subject)
        ).scalar_one()
    number = last.number + 1
    digest = _digest(last.digest, row, number, step, int(at), text, sealed)
    connection.execute(
        insert(proof_steps),
        {
            "tenant": row["tenant"],
            "number": number,
            "proof": proof,
            "status": step.value,
            "at": int(at),
            "facts": text,
            "subject": subject,
            "digest": digest,
        },
    )
    connection.execute(
        update(proofs)
        .where(proofs.c.id == proof)
        .values(status=status.value, due_at=None if due_at is None else int(due_at))
    )
    audit.append(
        connection,
        at=at,
        actor=actor,
        action=f"consent.{step}",
        scope=scope_texts(connection)[row["scope"]],
        key=row["key"],
        detail={"proof": row["tracking"].hex(), "step": number},
    )
    return status


def steps(connection: Connection, keyring: Keyring, proof: int) -> list[StepRecord]:
    """Every step of proof number `proof`, in order."""
    query = select(proof_steps).where(proof_steps.c.proof == proof).order_by(proof_steps.c.number)
    rows = connection.execute(query).all()
    plain = plain_texts(connection, keyring, [row.subject for row in rows if row.subject])
    return [
        StepRecord(
            row.number,
            Step(row.status),
            row.at,
            json.loads(row.facts),
            json.loads(plain[row.subject]) if row.subject in plain else None,
            row.subject is not None and row.subject not in plain,
            row.digest,
        )
        for row in rows
    ]


def head(connection: Connection, tenant: str) -> Head:
    """The end of a tenant's chain."""
    number = find_number(connection, tenant)
    return Head(0, START) if number is None else _head(connection, number)


def verify(connection: Connection, tenant: str) -> Flaw | None:
    """The first flaw in a tenant's chain; None when every step and every proof holds."""
    number = find_number(connection, tenant)
    if number is None:
        return None
    query = (
        _whole(proof_steps, _STEP_SEALED.c.sealed.label("step_sealed"))
        .select_from(
            proof_steps.outerjoin(proofs, proofs.c.id == proof_steps.c.proof)
            .outerjoin(consent_texts, consent_texts.c.id == proofs.c.text)
            .outerjoin(_ADDRESS_SEALED, _ADDRESS_SEALED.c.id == proofs.c.subject)
            .outerjoin(_STEP_SEALED, _STEP_SEALED.c.id == proof_steps.c.subject)
            .outerjoin(consents, consents.c.id == proofs.c.consent)
        )
        .where(proof_steps.c.tenant == number)
        .order_by(proof_steps.c.number)
    )
    last = Head(0, START)
    reached: dict[int, Status] = {}
    with connection.execute(query.execution_options(yield_per=1000)) as steps:
        for row in steps.mappings():
            expected = last.number + 1
            why = _flaw(row, expected, last.digest, reached)
            if why:
                return Flaw(expected, why)
            last = Head(expected, row[proof_steps.c.digest])
    rows = connection.execute(
        select(proofs.c.id, proofs.c.status, proofs.c.tracking).where(proofs.c.tenant == number)
    )
    for proof in rows:
        if reached.get(proof.id) != proof.status:
            return Flaw(last.number + 1, f"proof {proof.tracking.hex()} is not as its steps say")
    return None


def heads(connection: Connection) -> dict[str, Head]:
    """The end of every tenant's chain, by the tenant's name."""
    texts = scope_texts(connection)
    numbers = connection.execute(select(proof_steps.c.tenant).distinct()).scalars().all()
    return {texts[number]: _head(connection, number) for number in sorted(numbers)}


def _flaw(
    row: RowMapping, expected: int, previous: bytes, reached: dict[int, Status]
) -> str | None:
    """What is wrong with one step, after `previous`; notes the status that it leads to."""
    if row[proof_steps.c.number] != expected:
        return f"step {expected} is missing"
    if row[proofs.c.id] is None:
        return "its proof is missing"
    if row[proof_steps.c.subject] is not None and row["step_sealed"] is None:
        return "its sealed part is missing"
    step = Step(row[proof_steps.c.status])
    digest = _digest(
        previous,
        row,
        expected,
        step,
        row[proof_steps.c.at],
        row[proof_steps.c.facts],
        row["step_sealed"],
    )
    if digest != row[proof_steps.c.digest]:
        return "it, its proof or its predecessor was changed"
    try:
        reached[row[proofs.c.id]] = after(reached.get(row[proofs.c.id]), step)
    except WrongStep as error:
        return str(error)
    consent = json.loads(row[proof_steps.c.facts]).get("consent")
    if consent is not None:
        stored = (row["consent_id"], row["consent_key"], row["consent_scope"], row["consent_level"])
        said = (consent, row[proofs.c.key], row[proofs.c.scope], row[proofs.c.level])
        if stored != said:
            return "the consent it led to was changed or is missing"
    return None


def _whole(*more: Any) -> Any:
    """Proofs with what their first step covers, and `more`."""
    query = select(
        proofs,
        consent_texts.c.digest.label("text_digest"),
        consent_texts.c.text.label("words"),
        _ADDRESS_SEALED.c.sealed.label("address_sealed"),
        *more,
    )
    if more:
        return query.add_columns(
            consents.c.id.label("consent_id"),
            consents.c.key.label("consent_key"),
            consents.c.scope.label("consent_scope"),
            consents.c.level.label("consent_level"),
        )
    return query.join(consent_texts, consent_texts.c.id == proofs.c.text).join(
        _ADDRESS_SEALED, _ADDRESS_SEALED.c.id == proofs.c.subject
    )


def _head(connection: Connection, tenant: int) -> Head:
    row = connection.execute(
        select(proof_steps.c.number, proof_steps.c.digest)
        .where(proof_steps.c.tenant == tenant)
        .order_by(proof_steps.c.number.desc())
        .limit(1)
    ).first()
    return Head(0, START) if row is None else Head(row.number, row.digest)


def _digest(
    previous: bytes,
    row: Mapping[Any, Any],
    number: int,
    step: Step,
    at: int,
    facts: str,
    sealed: bytes | None,
) -> bytes:
    fields: list[object] = [
        row[proofs.c.tracking].hex(),
        number,
        step.value,
        at,
        facts,
        None if sealed is None else sha256(sealed).hexdigest(),
    ]
    if step in FIRST:
        words = row["words"]
        fields += [
            row[proofs.c.scope],
            row[proofs.c.level],
            row[proofs.c.key].hex(),
            sha256(row["address_sealed"] or b"").hexdigest(),
            # The words themselves, not only the digest that lies beside them.
            sha256((words or "").encode()).hexdigest(),
            (row["text_digest"] or b"").hex(),
            row[proofs.c.language],
            row[proofs.c.requested_at],
        ]
    return sha256(previous + _canonical(fields).encode()).digest()


def _canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)

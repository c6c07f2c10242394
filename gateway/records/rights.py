"""Rectification, objection and restriction (GDPR articles 16, 21 and 18), in the records.

Each is one transaction of the caller's and one audit record under the person's key. What stopped
mail before still does afterwards: `rectify` copies every stop to the corrected address and takes
none away. Raises `Refused` for what changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, insert, select, update

from gateway.records import audit, index, opt_outs
from gateway.records.codes import CONSENTS, RESTRICTED
from gateway.records.erasure import end_consents
from gateway.records.holdings import person_keys
from gateway.records.restriction import SOURCE
from gateway.records.streams import scope_texts, within
from gateway.records.subjects import add_subject, overwrite, subjects_under
from gateway.records.suppressions import (
    Draft,
    Entry,
    Refused,
    add,
    add_by_key,
    find,
    lift,
)
from gateway.records.tables import consents, proof_steps, proofs, standing_index
from gateway.words import Address
from suppression.keys import Keyring
from suppression.precedence import Lifter
from suppression.standing import Reason, Stops

_OF_THE_MAILBOX = frozenset({Reason.HARD_BOUNCE, Reason.SOFT_BOUNCE})
"""They tell of a mailbox, not of a person's wish: a mistyped one bounced, the right one did not."""


@dataclass(frozen=True, slots=True)
class Rectified:
    """How many suppressions and consents the corrected address has now; how many texts renewed."""

    suppressions: int
    consents: int
    renewed: int


def rectify(
    connection: Connection,
    keyring: Keyring,
    old: Address,
    new: Address,
    tenant: str,
    actor: str,
    now: float,
) -> Rectified:
    """Let everything about `old` be about `new`, in `tenant` or ("") everywhere.

    Suppressions in force are made for `new` too, but for bounces. Consents end for `old` and begin
    for `new` with their level and time; their proofs stay what they are, evidence about `old`, and
    the audit record under the new key names them. The old spelling is destroyed where no proof
    needs it.
    """
    if keyring.exact_key(old) == keyring.exact_key(new):
        raise Refused("both are the same address; only its spelling differs")
    stale = _own_texts(connection, keyring, old, tenant)
    own = [entry for entry in _own(connection, keyring, old, tenant) if entry.is_live(now)]
    followed = 0
    for entry in own:
        if entry.reason not in _OF_THE_MAILBOX:
            _follow(connection, keyring, entry, new, actor, now)
            followed += 1
    moved, proven = _move_consents(connection, keyring, old, new, tenant, actor, now)
    if not own and not moved:
        raise Refused("nothing is stored under the old address")
    renewed = overwrite(connection, stale)
    scope = tenant or "*"
    detail = {"suppressions": followed, "consents": moved, "renewed": renewed, "proofs": proven}
    for address, other in ((old, new), (new, old)):
        audit.append(
            connection,
            at=now,
            actor=actor,
            action="subject.rectified",
            scope=scope,
            key=keyring.exact_key(address),
            detail={**detail, "other": keyring.exact_key(other).hex()},
        )
    return Rectified(followed, moved, renewed)


def object_to(
    connection: Connection, keyring: Keyring, address: Address, tenant: str, actor: str, now: float
) -> bool:
    """Stop a tenant's marketing for good (article 21(2)); whether that is new. Consents end."""
    draft = Draft(Reason.OBJECTION, tenant, Lifter.SUBJECT, "objection", actor=actor)
    _, is_new = add(connection, keyring, address, draft, now)
    ended = end_consents(connection, keyring, address, tenant, "objection", actor, now)
    _audit(connection, keyring, address, "subject.objected", tenant, actor, now, ended=ended)
    return is_new


def restrict(
    connection: Connection, keyring: Keyring, address: Address, tenant: str, actor: str, now: float
) -> bool:
    """Have a tenant's data about the person stored and nothing else; whether that is new."""
    draft = Draft(
        Reason.MANUAL,
        tenant,
        Lifter.SUBJECT,
        SOURCE,
        Stops.EVERYTHING,
        is_disclosable=False,
        actor=actor,
    )
    keys = (keyring.exact_key(address), keyring.loose_key(address))
    made = [add_by_key(connection, key, draft, now, RESTRICTED)[1] for key in keys]
    is_new = any(made)
    if is_new:
        _audit(connection, keyring, address, "subject.restricted", tenant, actor, now)
    return is_new


def unrestrict(
    connection: Connection,
    keyring: Keyring,
    address: Address,
    tenant: str,
    why: str,
    actor: str,
    now: float,
) -> None:
    """End a restriction; the person is told before (article 18(3)). Refused when there is none."""
    entries = [
        entry
        for entry in _own(connection, keyring, address, tenant)
        if entry.is_live(now) and entry.is_restriction
    ]
    if not entries:
        raise Refused(f"{tenant} is under no restriction for this address")
    for entry in entries:
        lift(connection, entry.id, Lifter.SUBJECT, actor, why, now)
    _audit(connection, keyring, address, "subject.unrestricted", tenant, actor, now, why=why)


def _own(connection: Connection, keyring: Keyring, address: Address, tenant: str) -> list[Entry]:
    """The entries by address or its digest, not by domain, of a tenant or of all."""
    keys = person_keys(keyring, address).own
    return [
        entry
        for entry in find(connection, keyring, address)
        if (entry.key in keys or (entry.hashed is not None and not entry.hashed.is_domain))
        and (not tenant or entry.scope.partition("/")[0] == tenant)
    ]


def _follow(
    connection: Connection, keyring: Keyring, entry: Entry, new: Address, actor: str, now: float
) -> None:
    is_manual = entry.reason is Reason.MANUAL
    draft = Draft(
        entry.reason,
        entry.scope,
        entry.setter,
        entry.source,
        entry.stops if is_manual else None,
        entry.ends_at if is_manual else None,
        entry.is_disclosable,
        actor,
    )
    if entry.is_restriction:
        for key in (keyring.exact_key(new), keyring.loose_key(new)):
            add_by_key(connection, key, draft, now, RESTRICTED)
    else:
        add(connection, keyring, new, draft, now)


def _move_consents(
    connection: Connection,
    keyring: Keyring,
    old: Address,
    new: Address,
    tenant: str,
    actor: str,
    now: float,
) -> tuple[int, list[str]]:
    """End the consents of `old` and begin them for `new`; how many, and their proofs' numbers."""
    query = (
        select(consents, standing_index.c.key.label("indexed"))
        .join(standing_index, standing_index.c.entry == consents.c.id)
        .where(
            standing_index.c.key.in_(person_keys(keyring, old).own),
            standing_index.c.code.in_(CONSENTS),
            standing_index.c.code == consents.c.level,
        )
    )
    if tenant:
        query = query.where(standing_index.c.scope.in_(within(connection, tenant)))
    rows = connection.execute(query).all()
    numbers = {row.id for row in rows}
    linked = select(proofs.c.tracking).where(proofs.c.consent.in_(numbers))
    proven = [tracking.hex() for tracking in connection.execute(linked).scalars()]
    texts = scope_texts(connection)
    by = "rectification"
    for row in rows:
        connection.execute(
            update(consents).where(consents.c.id == row.id).values(ended_at=int(now), ended_by=by)
        )
        index.take(connection, row.key, row.scope, row.level, row.id)
        fresh = {
            "key": keyring.exact_key(new),
            "scope": row.scope,
            "level": row.level,
            "subject": add_subject(connection, keyring.seal(new.text)),
            "attestation": row.attestation,
            "given_at": row.given_at,
        }
        made = connection.execute(insert(consents), fresh).inserted_primary_key
        assert made is not None  # noqa: S101 - a single-row insert always has one
        index.put(connection, fresh["key"], row.scope, row.level, int(made[0]))
        gone = opt_outs.ConsentEnded(row.key, texts[row.scope], row.level, by, int(now))
        opt_outs.note(connection, gone)
    return len(rows), proven


def _own_texts(connection: Connection, keyring: Keyring, old: Address, tenant: str) -> set[int]:
    """The sealed texts about `old` that no proof needs as evidence."""
    keys = person_keys(keyring, old).own
    own = proofs.c.key.in_(keys)
    needed = set(connection.execute(select(proofs.c.subject).where(own)).scalars())
    steps = select(proof_steps.c.subject).join(proofs, proofs.c.id == proof_steps.c.proof)
    needed |= set(connection.execute(steps.where(own)).scalars())
    return subjects_under(connection, keys, tenant or "*") - needed


def _audit(
    connection: Connection,
    keyring: Keyring,
    address: Address,
    action: str,
    tenant: str,
    actor: str,
    now: float,
    **detail: object,
) -> None:
    audit.append(
        connection,
        at=now,
        actor=actor,
        action=action,
        scope=tenant,
        key=keyring.exact_key(address),
        detail=detail,
    )

"""Removing what is past its time, table by table, in slices that keep nobody waiting.

`purge` takes the periods of `gateway.config.retention` and gives how many rows went of what; a dry
run only counts. What lies in a hash chain stays in it: of an old proof what is personal is
destroyed and its steps remain; the audit trail is cut at its beginning (`audit.cut`). Rows are
found without the write lock, which each slice holds some 15 ms. Texts that no row refers to any
more go last. Raises StoreUnavailable; what was done until then is done.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import (
    ColumnElement,
    Connection,
    Table,
    delete,
    exists,
    func,
    insert,
    select,
    tuple_,
    union_all,
)

from gateway.config.retention import RetentionSettings
from gateway.records import audit
from gateway.records.codes import CLEARED
from gateway.records.database import Database
from gateway.records.subjects import DESTROYED, overwrite
from gateway.records.tables import (
    api_tokens,
    attestations,
    blocks,
    cases,
    consents,
    facts,
    idempotency,
    meta,
    metadata,
    notices,
    proof_steps,
    proofs,
    receipts,
    staff,
    standing_index,
    subject_requests,
    subject_secrets,
    subjects,
    suppressions,
    webhook_deliveries,
)
from gateway.records.tables import audit as audit_table
from suppression.consent import Status

HOLD_SECONDS = 0.015
IDEMPOTENCY_SECONDS = 86_400
_FOUND_AT_ONCE = 2000
_MIN_SLICE, _MAX_SLICE = 50, 2000
_LAST = "purge:last"
_ENDED = (Status.REVOKED, Status.EXPIRED, Status.SUPERSEDED, Status.FAILED)

_REFERRING = (
    *(
        table.c.subject
        for table in metadata.sorted_tables
        if "subject" in table.c and table is not subject_secrets
    ),
    staff.c.totp,
)
"""Every column that refers to a sealed text."""

Remove = Callable[[Connection, list[int], ColumnElement[bool]], int]
"""Removes those of the rows with these numbers that the condition still holds for."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What of `table` is past its time by the setting's cutoff, and how it goes."""

    name: str
    setting: str
    table: Table
    past: Callable[[float], ColumnElement[bool]]
    remove: Remove | None = None


def purge(
    database: Database, settings: RetentionSettings, now: float, actor: str, dry_run: bool = False
) -> dict[str, int]:
    """Remove what is past its time; how many of what, those that were none included."""
    removed: dict[str, int] = {}
    for rule in RULES:
        cutoff = settings.cutoff(rule.setting, now)
        removed[rule.name] = 0 if cutoff is None else _apply(database, rule, cutoff, dry_run)
    removed["idempotency"] = _idempotency(database, now - IDEMPOTENCY_SECONDS, dry_run)
    removed["pre_check_clearances"] = _clearances(database, now, dry_run)
    removed["audit"] = _audit(database, settings.cutoff("audit", now), actor, now, dry_run)
    removed["subjects"] = _orphans(database, dry_run)
    if not dry_run:
        with database.transaction() as connection:
            done = {name: count for name, count in removed.items() if count}
            if done:
                audit.append(connection, at=now, actor=actor, action="records.purged", detail=done)
            connection.execute(delete(meta).where(meta.c.name == _LAST))
            connection.execute(insert(meta), {"name": _LAST, "value": str(int(now))})
    return removed


def purged_at(connection: Connection) -> float:
    """When the last purge was complete, Unix seconds; 0 when there was none."""
    return float(connection.scalar(select(meta.c.value).where(meta.c.name == _LAST)) or 0)


# ---- the rules ----------------------------------------------------------------------------------


def _take_expired(connection: Connection, ids: list[int], past: ColumnElement[bool]) -> int:
    """Entries that ended by themselves stand in the index still."""
    query = select(suppressions).where(suppressions.c.id.in_(ids), past)
    for row in connection.execute(query).all():
        connection.execute(
            delete(standing_index).where(
                standing_index.c.key == row.key,
                standing_index.c.scope == row.scope,
                standing_index.c.code == row.code,
                standing_index.c.entry == row.id,
            )
        )
    gone = delete(suppressions).where(suppressions.c.id.in_(ids), past)
    return int(connection.execute(gone).rowcount)


def _destroy_proofs(connection: Connection, ids: list[int], past: ColumnElement[bool]) -> int:
    """Rows stay for the chain, which covers the ciphertext; what is sealed in them goes."""
    own = select(proofs.c.subject).where(proofs.c.id.in_(ids), past)
    steps = (
        select(proof_steps.c.subject)
        .join(proofs, proofs.c.id == proof_steps.c.proof)
        .where(proofs.c.id.in_(ids), past, proof_steps.c.subject.is_not(None))
    )
    numbers = set(connection.execute(union_all(own, steps)).scalars())
    overwrite(connection, numbers)
    return len(ids)


def _ended_proof(cutoff: float, was_confirmed: bool) -> ColumnElement[bool]:
    last = (
        select(func.max(proof_steps.c.at))
        .where(proof_steps.c.proof == proofs.c.id)
        .correlate(proofs)
        .scalar_subquery()
    )
    readable = (
        select(subject_secrets.c.subject)
        .where(subject_secrets.c.subject == proofs.c.subject, subject_secrets.c.secret != DESTROYED)
        .correlate(proofs)
        .exists()
    )
    confirmed = proofs.c.consent.is_not(None) if was_confirmed else proofs.c.consent.is_(None)
    return proofs.c.status.in_(_ENDED) & confirmed & (last < cutoff) & readable


def _unused_attestation(cutoff: float) -> ColumnElement[bool]:
    # The last one of a tenant says that its consent levels are enforced: it stays.
    newer = attestations.alias()
    return (
        (attestations.c.recorded_at < cutoff)
        & ~exists().where(consents.c.attestation == attestations.c.id)
        & exists().where(
            newer.c.tenant == attestations.c.tenant,
            newer.c.id > attestations.c.id,
            newer.c.rows > 0,
        )
    )


RULES: tuple[Rule, ...] = (
    Rule(
        "suppressions_lifted",
        "suppressions_lifted",
        suppressions,
        lambda cutoff: suppressions.c.lifted_at < cutoff,
    ),
    Rule(
        "suppressions_expired",
        "suppressions_expired",
        suppressions,
        lambda cutoff: suppressions.c.lifted_at.is_(None) & (suppressions.c.ends_at < cutoff),
        _take_expired,
    ),
    Rule(
        "proofs_ended",
        "proofs_ended",
        proofs,
        lambda cutoff: _ended_proof(cutoff, was_confirmed=True),
        _destroy_proofs,
    ),
    Rule(
        "proofs_unconfirmed",
        "proofs_unconfirmed",
        proofs,
        lambda cutoff: _ended_proof(cutoff, was_confirmed=False),
        _destroy_proofs,
    ),
    Rule(
        "consents",
        "consents_ended",
        consents,
        # One that a proof led to stays for the proof's chain, by its key alone.
        lambda cutoff: (
            (consents.c.ended_at < cutoff) & ~exists().where(proofs.c.consent == consents.c.id)
        ),
    ),
    Rule("attestations", "attestations", attestations, _unused_attestation),
    Rule("receipts", "receipts", receipts, lambda cutoff: receipts.c.ends_at < cutoff),
    Rule(
        "webhook_deliveries",
        "webhook_deliveries",
        webhook_deliveries,
        lambda cutoff: (
            (webhook_deliveries.c.made_at < cutoff) & webhook_deliveries.c.next_at.is_(None)
        ),
    ),
    Rule("facts", "facts", facts, lambda cutoff: facts.c.at < cutoff),
    Rule("blocks", "blocks", blocks, lambda cutoff: blocks.c.lifted_at < cutoff),
    Rule(
        "cases",
        "cases",
        cases,
        lambda cutoff: (
            (cases.c.opened_at < cutoff)
            & ~exists().where(facts.c.case_id == cases.c.id)
            & ~exists().where(blocks.c.case_id == cases.c.id)
        ),
    ),
    Rule(
        "notices",
        "cases",
        notices,
        lambda cutoff: (
            (notices.c.made_at < cutoff) & ~exists().where(cases.c.id == notices.c.case_id)
        ),
    ),
    Rule(
        "subject_requests",
        "subject_requests",
        subject_requests,
        lambda cutoff: subject_requests.c.done_at < cutoff,
    ),
    Rule(
        "api_tokens",
        "api_tokens",
        api_tokens,
        lambda cutoff: (api_tokens.c.ends_at < cutoff) | (api_tokens.c.revoked_at < cutoff),
    ),
)


# ---- slices -------------------------------------------------------------------------------------


def _apply(database: Database, rule: Rule, cutoff: float, dry_run: bool) -> int:
    past = rule.past(cutoff)
    numbers = rule.table.c.id
    if dry_run:
        with database.reading() as connection:
            query = select(func.count()).select_from(rule.table).where(past)
            return int(connection.scalar(query) or 0)

    def remove(connection: Connection, ids: list[int]) -> int:
        if rule.remove is not None:
            return rule.remove(connection, ids, past)
        query = delete(rule.table).where(numbers.in_(ids), past)
        return int(connection.execute(query).rowcount)

    removed, last = 0, -1
    while True:
        with database.reading() as connection:
            query = select(numbers).where(numbers > last, past).order_by(numbers)
            found = list(connection.execute(query.limit(_FOUND_AT_ONCE)).scalars())
        if not found:
            return removed
        last = found[-1]
        for ids in _slices(found):
            with database.transaction() as connection:
                ids.started()
                removed += remove(connection, ids.rows)


class _Slice:
    """Some of the rows found; knows how long the lock was held for those before."""

    def __init__(self, rows: list[int]) -> None:
        self.rows = rows
        self.held_from = time.monotonic()

    def started(self) -> None:
        """The lock is ours from now on."""
        self.held_from = time.monotonic()


def _slices(found: Sequence[int]) -> Iterator[_Slice]:
    """The rows in slices that grow and shrink towards HOLD_SECONDS each."""
    size, start = 100, 0
    while start < len(found):
        part = _Slice(list(found[start : start + size]))
        yield part
        start += len(part.rows)
        held = max(time.monotonic() - part.held_from, 1e-6)
        size = max(_MIN_SLICE, min(_MAX_SLICE, int(size * min(2.0, HOLD_SECONDS / held))))


def _idempotency(database: Database, cutoff: float, dry_run: bool) -> int:
    old = idempotency.c.at < cutoff
    keys = (idempotency.c.token, idempotency.c.key)
    return _by_key(database, idempotency, keys, old, dry_run)


def _clearances(database: Database, now: float, dry_run: bool) -> int:
    index = standing_index.c
    over = (index.code == CLEARED) & (index.ends < now)
    keys = (index.key, index.scope, index.code, index.entry)
    return _by_key(database, standing_index, keys, over, dry_run)


def _by_key(
    database: Database,
    table: Table,
    keys: tuple[ColumnElement[object], ...],
    past: ColumnElement[bool],
    dry_run: bool,
) -> int:
    """The same for tables that are clustered by several columns."""
    if dry_run:
        with database.reading() as connection:
            query = select(func.count()).select_from(table).where(past)
            return int(connection.scalar(query) or 0)
    removed = 0
    while True:
        with database.reading() as connection:
            rows = connection.execute(select(*keys).where(past).limit(_FOUND_AT_ONCE)).all()
        if not rows:
            return removed
        for start in range(0, len(rows), 100):
            part = [tuple(row) for row in rows[start : start + 100]]
            with database.transaction() as connection:
                gone = delete(table).where(tuple_(*keys).in_(part), past)
                removed += connection.execute(gone).rowcount


def _audit(database: Database, cutoff: float | None, actor: str, now: float, dry_run: bool) -> int:
    """Cut the chain first, so that it verifies at every moment; then delete before the cut."""
    if cutoff is None:
        return 0
    if dry_run:
        with database.reading() as connection:
            query = select(func.count()).select_from(audit_table).where(audit_table.c.at < cutoff)
            return int(connection.scalar(query) or 0)
    with database.transaction() as connection:
        audit.cut(connection, cutoff, actor, now)
        upto, _ = audit.beginning(connection)
    removed = 0
    while True:
        with database.reading() as connection:
            query = select(audit_table.c.id).where(audit_table.c.id <= upto).limit(_FOUND_AT_ONCE)
            found = list(connection.execute(query).scalars())
        if not found:
            return removed
        for part in _slices(found):
            with database.transaction() as connection:
                part.started()
                gone = delete(audit_table).where(audit_table.c.id.in_(part.rows))
                removed += connection.execute(gone).rowcount


def _orphans(database: Database, dry_run: bool) -> int:
    """Delete texts and secrets that no row refers to.

    What nothing refers to can never be referred to again, so that it is found without the lock.
    """
    used = union_all(*(select(column).where(column.is_not(None)) for column in _REFERRING))
    with database.reading() as connection:
        query = select(subjects.c.id).where(subjects.c.id.not_in(used)).order_by(subjects.c.id)
        found = list(connection.execute(query).scalars())
    if dry_run:
        return len(found)
    for part in _slices(found):
        with database.transaction() as connection:
            part.started()
            connection.execute(
                delete(subject_secrets).where(subject_secrets.c.subject.in_(part.rows))
            )
            connection.execute(delete(subjects).where(subjects.c.id.in_(part.rows)))
    return len(found)

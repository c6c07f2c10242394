"""What is past its time, table by table, and how it goes: the rules of `gateway.records.retention`.

A rule names the setting of `gateway.config.retention` that gives its cutoff (Unix seconds). What
belongs to a case goes when the case has gone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import (
    ColumnElement,
    Connection,
    Table,
    delete,
    exists,
    func,
    select,
    union_all,
)

from gateway.records.subjects import DESTROYED, overwrite
from gateway.records.tables import (
    api_tokens,
    attestations,
    blocks,
    bounces,
    case_entries,
    cases,
    consents,
    deletions,
    evidence,
    facts,
    fees,
    mailed_codes,
    notices,
    proof_steps,
    proofs,
    receipts,
    reports,
    standing_index,
    storms,
    subject_requests,
    subject_secrets,
    suppressions,
    undoings,
    webhook_deliveries,
)
from suppression.consent import Status

_ENDED = (Status.REVOKED, Status.EXPIRED, Status.SUPERSEDED, Status.FAILED)

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
    Rule(
        "facts",
        "facts",
        facts,
        # A person works on those of a case that is not over.
        lambda cutoff: (
            (facts.c.at < cutoff)
            & ~exists().where(cases.c.id == facts.c.case_id, cases.c.closed_at.is_(None))
        ),
    ),
    Rule("blocks", "blocks", blocks, lambda cutoff: blocks.c.lifted_at < cutoff),
    Rule(
        "cases",
        "cases",
        cases,
        lambda cutoff: (
            (cases.c.closed_at < cutoff)
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
        "evidence",
        "cases",
        evidence,
        lambda cutoff: (evidence.c.at < cutoff) & ~exists().where(cases.c.id == evidence.c.case_id),
    ),
    Rule(
        "case_entries",
        "cases",
        case_entries,
        lambda cutoff: (
            (case_entries.c.at < cutoff) & ~exists().where(cases.c.id == case_entries.c.case_id)
        ),
    ),
    Rule(
        "fees",
        "cases",
        fees,
        lambda cutoff: (
            (fees.c.proposed_at < cutoff) & ~exists().where(cases.c.id == fees.c.case_id)
        ),
    ),
    Rule("reports", "facts", reports, lambda cutoff: reports.c.received_at < cutoff),
    Rule(
        "reports_unmatched",
        "reports_unmatched",
        reports,
        lambda cutoff: (
            (reports.c.received_at < cutoff) & reports.c.state.in_(("unmatched", "dismissed"))
        ),
    ),
    Rule(
        "bounces",
        "bounces",
        bounces,
        # A person has still to decide on those that a storm holds.
        lambda cutoff: (bounces.c.at < cutoff) & bounces.c.state.not_in(("pending", "held")),
    ),
    Rule("storms", "bounces", storms, lambda cutoff: storms.c.decided_at < cutoff),
    Rule("deletions", "facts", deletions, lambda cutoff: deletions.c.at < cutoff),
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
UNDOINGS = Rule("undoings", "", undoings, lambda cutoff: undoings.c.at < cutoff)
CODES = Rule("mailed_codes", "", mailed_codes, lambda cutoff: mailed_codes.c.ends_at < cutoff)

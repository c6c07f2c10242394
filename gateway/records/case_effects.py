"""Carrying out what follows from a happening, in the transaction of the case's change.

Blocks are added and lifted, notices and webhooks queued, fees kept in step with the case. Gives
the events to emit once all of it is on the disk. A domain that two cases block stays blocked until
the last of them lifts it: the block passes to the oldest case that holds it still.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import assert_never

from sqlalchemy import Connection, insert, select, update

from gateway.events import Event
from gateway.records import notices, webhooks
from gateway.records.blocks import ALL_DOMAINS, ALL_TENANTS, add_block, case_id, lift_block
from gateway.records.case_rules import Rules
from gateway.records.case_store import running
from gateway.records.case_trail import write_entry
from gateway.records.streams import stream_number
from gateway.records.tables import blocks, fees
from gateway.words import WebhookKind
from policies.ports import Block as StandingBlock
from policies.sanctions.case import (
    Block,
    Case,
    Effect,
    Fee,
    FeeState,
    Notify,
    Reinstate,
    Tell,
    Terminate,
    Unblock,
)
from suppression.masking import mask

_row = blocks.c
TOLD = {kind.value: kind for kind in WebhookKind if kind.value.startswith("case.")}
"""What the tenant's webhook is told too."""


def carry_out(
    connection: Connection,
    case: Case,
    effects: tuple[Effect, ...],
    actor: str,
    now: float,
    rules: Rules,
    extra: Mapping[str, object],
) -> tuple[Event, ...]:
    """Do all of it; `case` is stored as it stands now. `extra` is what notices tell besides."""
    events = []
    for effect in effects:
        match effect:
            case Block():
                _block(connection, case, effect.domains, effect.reason, actor, now)
            case Unblock():
                _unblock(connection, case, effect.reason, actor, now)
            case Reinstate():
                write_entry(
                    connection, case, "case.reinstated", actor, now, {"reason": effect.reason}
                )
            case Terminate():
                write_entry(
                    connection, case, "case.terminated", actor, now, {"reason": effect.reason}
                )
                domains = (ALL_DOMAINS, *rules.of(case.tenant).domains)
                _block(connection, case, domains, effect.reason, actor, now)
            case Notify():
                notices.queue(connection, case, effect.kind, rules, now, extra)
                detail = {"notice": effect.kind.value}
                write_entry(connection, case, "notice.queued", actor, now, detail)
            case Tell():
                events.append(_tell(connection, case, effect, now, rules))
            case _:
                assert_never(effect)
    return tuple(events)


def keep_fees(
    connection: Connection, case: Case, before: tuple[Fee, ...], actor: str, reason: str, now: float
) -> None:
    """Bring the fees' rows in step with the case, in whose state they are too."""
    known = {fee.number: fee for fee in before}
    for fee in case.fees:
        old = known.get(fee.number)
        if old == fee:
            continue
        values: dict[str, object] = {
            "amount": fee.amount,
            "currency": fee.currency,
            "count": fee.count,
            "each": fee.each,
            "clause": fee.clause,
            "state": fee.state.value,
        }
        if old is None:
            row = {"case_id": case.id, "number": fee.number, "tenant": case.tenant}
            connection.execute(insert(fees), {**values, **row, "proposed_at": int(now)})
            continue
        if old.state is not fee.state:
            values |= _decided(fee.state, actor, reason, now)
        own = (fees.c.case_id == case.id) & (fees.c.number == fee.number)
        connection.execute(update(fees).where(own).values(**values))


def _decided(state: FeeState, actor: str, reason: str, now: float) -> dict[str, object]:
    match state:
        case FeeState.PROPOSED:  # taken back
            return {"decided_at": None, "decided_by": None, "reason": mask(reason)}
        case FeeState.ISSUED | FeeState.WAIVED:
            return {"decided_at": int(now), "decided_by": actor, "reason": mask(reason)}
        case FeeState.PAID:
            return {"paid_at": int(now), "paid_by": actor}


def _block(
    connection: Connection,
    case: Case,
    domains: tuple[str, ...],
    reason: str,
    actor: str,
    now: float,
) -> None:
    for domain in domains:
        block = StandingBlock(case_id(case.id), domain, reason)
        add_block(connection, case.tenant, block, actor, now)
    detail = {"domains": list(domains), "reason": reason}
    write_entry(connection, case, "case.blocked", actor, now, detail)


def _unblock(connection: Connection, case: Case, reason: str, actor: str, now: float) -> None:
    own = (_row.case_id == case.id) & _row.lifted_at.is_(None)
    lifted = connection.execute(select(_row.tenant, _row.domain).where(own)).all()
    for tenant, domain in lifted:
        lift_block(connection, tenant, domain, actor, reason, now)
        pass_on(connection, tenant, domain, case.id, actor, now)
    detail: dict[str, object] = {"domains": [domain for _, domain in lifted], "reason": reason}
    write_entry(connection, case, "case.unblocked", actor, now, detail | _still(connection, case))


def _still(connection: Connection, case: Case) -> dict[str, object]:
    """Which of the case's domains are blocked by others, `blocked_still`, where there are any."""
    held = select(_row.domain, _row.case_id).where(
        _row.tenant.in_((case.tenant, ALL_TENANTS)),
        _row.domain.in_((*case.domains, ALL_DOMAINS)),
        _row.lifted_at.is_(None),
    )
    kept = {row.domain: case_id(row.case_id) for row in connection.execute(held)}
    return {"blocked_still": kept} if kept else {}


def pass_on(
    connection: Connection, tenant: str, domain: str, lifted: int, actor: str, now: float
) -> str:
    """Have the oldest other case that blocks the domain hold its block; its id, "" for none."""
    for case in running(connection, tenant):
        if case.id != lifted and case.blocked and domain in case.domains:
            holder = case_id(case.id)
            block = StandingBlock(holder, domain, f"blocked by {holder} too")
            add_block(connection, tenant, block, actor, now)
            return holder
    return ""


def _tell(connection: Connection, case: Case, told: Tell, now: float, rules: Rules) -> Event:
    detail: dict[str, object] = {
        "case": case_id(case.id),
        "ladder": case.ladder,
        "step": case.step,
        "phase": case.phase.value,
        **dict(told.detail),
    }
    if told.kind == WebhookKind.CASE_UNBLOCKED.value:
        detail |= _still(connection, case)
    kind = TOLD.get(told.kind)
    if kind is not None and case.tenant in rules.tenants:
        payload = {**detail, "tenant": case.tenant, "domains": list(case.domains)}
        if case.due_at is not None:
            payload["due"] = datetime.fromtimestamp(case.due_at, UTC).isoformat()
        number = stream_number(connection, case.tenant)
        webhooks.queue(connection, number, kind, None, None, payload, now)
    domain = case.domains[0] if case.domains else ""
    return Event(
        told.kind, now, tenant=case.tenant, mailing=case.mailing, domain=domain, detail=detail
    )

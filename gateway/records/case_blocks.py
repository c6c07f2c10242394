"""Blocks that a person adds and lifts by hand: each is a case's, so that it has a timeline.

`block_by_hand` opens an emergency case that blocks a domain. `lift_by_hand` lifts a block: when it
is all that its case still blocks the case itself is lifted, else only this domain is free. Both run
in the caller's transaction. Raise `policies.sanctions.engine.Refused`.
"""

from __future__ import annotations

from sqlalchemy import Connection, func, select

from gateway.events import Event
from gateway.records.blocks import ALL_DOMAINS, ALL_TENANTS, lift_block
from gateway.records.case_change import Moved, change, open_by_hand
from gateway.records.case_effects import pass_on
from gateway.records.case_rules import Rules
from gateway.records.case_store import load_case
from gateway.records.case_trail import write_entry
from gateway.records.tables import blocks, cases
from policies.sanctions.case import Decided, Fact
from policies.sanctions.engine import Refused
from policies.sanctions.words import Decision, FactKind

_row = blocks.c


def block_by_hand(
    connection: Connection,
    tenant: str,
    domain: str,
    actor: str,
    reason: str,
    now: float,
    rules: Rules,
) -> Moved:
    """Block `domain` (A-label) for `tenant` (`*`: for everybody) from the next MAIL on."""
    fact = Fact(
        kind=FactKind.EMERGENCY,
        tenant=tenant,
        stream="",
        mailing="",
        domain=domain,
        key=b"",
        ref="",
        at=now,
        actor=actor,
        domains=(domain,),
    )
    moved = open_by_hand(connection, fact, actor, reason, now, rules)
    if moved.case.blocked:
        return moved
    decided = Decided(Decision.BLOCK, actor, reason)
    more = change(connection, moved.case.id, decided, actor, now, rules)
    return Moved(more.case, (*moved.effects, *more.effects), (*moved.events, *more.events))


def lift_by_hand(
    connection: Connection,
    tenant: str,
    domain: str,
    actor: str,
    reason: str,
    now: float,
    rules: Rules,
) -> tuple[Event, ...] | None:
    """Lift the block on `domain` for `tenant`; the events to emit, None when there is no block."""
    if domain == ALL_DOMAINS:
        raise Refused("the service was ended by a case; reopen the case")
    live = _row.lifted_at.is_(None)
    own = (_row.tenant == tenant) & (_row.domain == domain) & live
    number = connection.execute(select(_row.case_id).where(own)).scalar()
    if number is None:
        return None
    known = select(func.count()).select_from(cases)
    running = connection.execute(
        known.where(cases.c.id == number, cases.c.closed_at.is_(None))
    ).scalar()
    if not running:  # from before there were ladders
        lift_block(connection, tenant, domain, actor, reason, now)
        pass_on(connection, tenant, domain, int(number), actor, now)
        return ()
    count = select(func.count()).where(_row.case_id == number, live)
    if connection.execute(count).scalar() == 1:
        decided = Decided(Decision.LIFT, actor, reason)
        return change(connection, int(number), decided, actor, now, rules).events
    case = load_case(connection, int(number))
    lift_block(connection, tenant, domain, actor, reason, now)
    detail: dict[str, object] = {"domains": [domain], "reason": reason}
    if holder := pass_on(connection, tenant, domain, case.id, actor, now):
        detail["blocked_still"] = {domain: holder}
    write_entry(connection, case, "case.unblocked", actor, now, detail)
    event = Event("case.unblocked", now, tenant=tenant if tenant != ALL_TENANTS else "")
    event.domain, event.detail = domain, {"case": f"C-{case.id:06d}", "domains": [domain]}
    return (event,)

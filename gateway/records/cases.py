"""Facts, and the cases they fold into.

A fact is immutable. Facts of one ladder, tenant and mailing fold into one case until that case's
first notice has gone out, and those about mail sent before it also later; the next fact then opens
another. `take_fact` stores one with all that follows, in the caller's transaction. Unfair ones (an
entry younger than a day, an address that a pre-check had cleared) are excused: stored, and no
case's.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from sqlalchemy import Connection, func, select

from gateway.events import Event
from gateway.records.blocks import case_id
from gateway.records.case_change import (
    Moved,
    begin,
    change,
    note,
    open_by_hand,
    store_fact,
    with_divisor,
)
from gateway.records.case_rules import Rules
from gateway.records.case_store import folding, last_of_mailing, load_case
from gateway.records.codes import CLEARED
from gateway.records.policy_versions import in_force
from gateway.records.streams import find_number
from gateway.records.tables import (
    deletions,
    receipts,
    standing_index,
    suppressions,
)
from policies.sanctions.case import Case, Counts, Fact, Taken
from policies.sanctions.engine import joins
from policies.sanctions.words import Excuse, FactKind

__all__ = ["FactTaken", "Moved", "change", "load_case", "note", "open_by_hand", "take_fact"]

YOUNG = 86_400
"""Seconds that an entry must have stood before mailing its address is held against a tenant."""
EXCUSABLE = (FactKind.PROTECTED_HIT, FactKind.COMPLAINT_IGNORED)


@dataclass(frozen=True, slots=True)
class FactTaken:
    """A stored fact (with its excuse, if any), the case it went to, if any, and what to emit.

    `is_aggravated`: the tenant had said that it has deleted the address.
    """

    number: int
    fact: Fact
    case: Case | None
    events: tuple[Event, ...]
    is_aggravated: bool = False


def take_fact(
    connection: Connection,
    fact: Fact,
    counts: Counts,
    rules: Rules,
    now: float,
    *,
    sent_at: float | None = None,
    entries: Collection[int] = (),
    subject: int | None = None,
) -> FactTaken:
    """Store a fact, and move or open the case it belongs to.

    `sent_at` is when its mail was sent, if known (else the fact's own time): the policy of that
    time goes for a new case. `entries` are the suppression entries that stopped it, all of them;
    `subject` is a sealed text of its own (the complaining address). The first event is
    `fact.recorded`, with all that a replay needs.
    """
    is_aggravated = fact.kind is FactKind.COMPLAINT_IGNORED and _was_deleted(connection, fact)
    if fact.excuse is None and not is_aggravated:
        fact = replace(fact, excuse=_excuse(connection, fact, entries, now))
    moved = None if fact.excuse else _move(connection, fact, counts, rules, now, sent_at)
    case = moved.case if moved else None
    number = store_fact(connection, fact, case.id if case else None, subject)
    recorded = _recorded(fact, counts, case, is_aggravated, sent_at)
    events = (recorded, *(moved.events if moved else ()))
    return FactTaken(number, fact, case, events, is_aggravated)


def _move(
    connection: Connection,
    fact: Fact,
    counts: Counts,
    rules: Rules,
    now: float,
    sent_at: float | None,
) -> Moved | None:
    digest, preset = in_force(connection, rules, fact.tenant, sent_at or fact.at)
    ladder = preset.ladder_of(fact.kind)
    if ladder is None:
        return None
    counts = with_divisor(connection, rules, counts, fact.tenant, now)
    own = (ladder.name, fact.tenant, fact.mailing)
    standing = folding(connection, *own) or last_of_mailing(connection, *own)
    if standing is not None and joins(standing, sent_at or fact.at):
        taken = Taken(fact, counts)
        return change(connection, standing.id, taken, "gateway", now, rules, before=standing)
    return begin(connection, preset, ladder, digest, fact, counts, fact.actor, now, rules)


def _excuse(
    connection: Connection, fact: Fact, entries: Collection[int], now: float
) -> Excuse | None:
    if fact.kind not in EXCUSABLE or not fact.key:
        return None
    if _was_cleared(connection, fact, now):
        return Excuse.CLEARED
    if entries:
        # One old entry is enough to have known better.
        oldest = select(func.min(suppressions.c.created_at)).where(suppressions.c.id.in_(entries))
        since = connection.execute(oldest).scalar()
        if since is not None and since > fact.at - YOUNG:
            return Excuse.YOUNG
    return None


def _was_cleared(connection: Connection, fact: Fact, now: float) -> bool:
    """Whether a complete pre-check that is valid still has cleared the address for its stream."""
    scope = find_number(connection, fact.tenant, fact.stream)
    query = (
        select(receipts.c.id)
        .join(standing_index, standing_index.c.entry == receipts.c.id)
        .where(
            standing_index.c.key == fact.key,
            standing_index.c.scope == scope,
            standing_index.c.code == CLEARED,
            standing_index.c.ends > int(now),
            receipts.c.digest != b"",
        )
    )
    return connection.execute(query).first() is not None


def _was_deleted(connection: Connection, fact: Fact) -> bool:
    query = select(deletions.c.id).where(
        deletions.c.tenant == fact.tenant, deletions.c.key == fact.key
    )
    return connection.execute(query).first() is not None


def _recorded(
    fact: Fact, counts: Counts, case: Case | None, is_aggravated: bool, sent_at: float | None
) -> Event:
    detail: dict[str, object] = {
        "fact": fact.kind.value,
        "facts": counts.facts,
        "recipients": counts.recipients,
        "delivered": counts.delivered,
        "domains": list(fact.domains),
        "actor": fact.actor,
    }
    optional = {
        "weak": counts.weak,
        "key": fact.key.hex(),
        "grade": fact.grade.value if fact.grade else "",
        "excuse": fact.excuse.value if fact.excuse else "",
        "case": case_id(case.id) if case else "",
        "aggravated": is_aggravated,
        "sent": sent_at,
    }
    detail |= {name: value for name, value in optional.items() if value}
    return Event(
        "fact.recorded",
        fact.at,
        ref=fact.ref,
        tenant=fact.tenant,
        stream=fact.stream,
        mailing=fact.mailing,
        domain=fact.domain,
        detail=detail,
    )

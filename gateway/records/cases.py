"""Facts, and the cases they fold into.

A fact is immutable. Facts of one ladder, tenant and mailing fold into one case until that case's
first notice has gone out; the next fact then opens another. `take_fact` stores one with all that
follows, in the caller's transaction. Unfair ones are excused: stored, and no case's.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass

from sqlalchemy import Connection, func, insert, select

from gateway.events import Event
from gateway.records.blocks import add_block, case_id
from gateway.records.case_change import Moved, change, load_case, note, open_by_hand
from gateway.records.case_rules import Rules
from gateway.records.database import Database
from gateway.records.tables import cases, facts
from policies.blocking import Fact as OldFact
from policies.ports import Block, Clock
from policies.sanctions.case import Case, Counts, Fact

__all__ = ["FactTaken", "Moved", "change", "load_case", "note", "open_by_hand", "take_fact"]


@dataclass(frozen=True, slots=True)
class FactTaken:
    """A stored fact (with its excuse, if any), the case it went to, if any, and what to emit."""

    number: int
    fact: Fact
    case: Case | None
    events: tuple[Event, ...]


def take_fact(
    connection: Connection,
    fact: Fact,
    counts: Counts,
    rules: Rules,
    now: float,
    *,
    sent_at: float | None = None,
    subject: int | None = None,
) -> FactTaken:
    """Store a fact, and move or open the case it belongs to. `sent_at` is when its mail was sent,
    if known (else the fact's own time): the policy of that time goes for a new case. `subject` is a
    sealed text of its own (the complaining address)."""
    raise NotImplementedError


@dataclass(frozen=True, slots=True)
class OldCase:
    """One case; instants are Unix seconds."""

    id: str
    kind: str
    tenant: str
    mailing: str
    opened_at: int
    notified_at: int | None
    closed_at: int | None
    facts: int


class CaseBook:
    """`gateway.enforcement.FactBook` over the database; raises StoreUnavailable."""

    def __init__(self, database: Database, clock: Clock = time.time) -> None:
        self._database = database
        self._clock = clock

    async def record(self, fact: OldFact) -> str:
        """Store the fact; the id of the case that it folds into."""
        return await self._database.write(lambda connection: record_fact(connection, fact))

    async def block(self, tenant: str, domain: str, case: str, reason: str) -> None:
        """Block the tenant's domain under that case, in force when this returns."""

        now = self._clock()
        await self._database.write(
            lambda connection: add_block(
                connection, tenant, Block(case, domain, reason), "gateway", now
            )
        )


def record_fact(connection: Connection, fact: OldFact) -> str:
    """Store the fact; the id of the case that it folds into, opened when there is none."""
    number = connection.execute(
        select(cases.c.id).where(
            cases.c.kind == fact.kind,
            cases.c.tenant == fact.tenant,
            cases.c.mailing == fact.mailing,
            cases.c.notified_at.is_(None),
            cases.c.closed_at.is_(None),
        )
    ).scalar()
    if number is None:
        number = open_case(connection, fact.kind, fact.tenant, fact.mailing, fact.at)
    row = asdict(fact)
    row.update(case_id=number, key=fact.key or None, at=int(fact.at))
    connection.execute(insert(facts), row)
    return case_id(number)


def open_case(connection: Connection, kind: str, tenant: str, mailing: str, now: float) -> int:
    """A new case's number."""
    row = {"kind": kind, "tenant": tenant, "mailing": mailing, "opened_at": int(now)}
    made = connection.execute(insert(cases), row).inserted_primary_key
    assert made is not None  # noqa: S101 - a single-row insert always has one
    return int(made[0])


def list_cases(connection: Connection, tenant: str = "") -> list[OldCase]:
    """Every case, of one tenant or of all, newest first, with how many facts it holds."""
    query = (
        select(cases, func.count(facts.c.id).label("facts"))
        .outerjoin(facts, facts.c.case_id == cases.c.id)
        .group_by(cases.c.id)
        .order_by(cases.c.id.desc())
    )
    if tenant:
        query = query.where(cases.c.tenant == tenant)
    return [
        OldCase(
            case_id(row.id),
            row.kind,
            row.tenant,
            row.mailing,
            row.opened_at,
            row.notified_at,
            row.closed_at,
            row.facts,
        )
        for row in connection.execute(query)
    ]

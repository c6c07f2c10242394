"""What of the mail that came back waits: bounces for their time, storms and reports for a person.

About nobody: figures for a job to know whether it has work, and for metrics. Reads only.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from gateway.records.reports import ReportState
from gateway.records.tables import bounces, reports, storms
from policies.returned.storms import BounceState


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many storms hold how many bounces, and how many reports wait: for a decision, or to be
    matched to a tenant."""

    storms: int
    held: int
    undecided: int
    unmatched: int


def is_due(connection: Connection, now: float) -> bool:
    """Whether a bounce has waited long enough to be believed."""
    row = bounces.c
    due = select(row.id).where(row.state == BounceState.PENDING.value, row.due_at <= int(now))
    return connection.execute(due.limit(1)).first() is not None


def waiting(connection: Connection) -> Waiting:
    """The figures now."""
    held = func.count().filter(bounces.c.state == BounceState.HELD.value)
    found = connection.execute(select(held).where(bounces.c.storm.is_not(None))).scalar()
    is_open = select(func.count()).where(storms.c.decision.is_(None))
    states = [ReportState.WAITING.value, ReportState.UNMATCHED.value]
    by_state = select(reports.c.state, func.count()).where(reports.c.state.in_(states))
    counted = {state: int(n) for state, n in connection.execute(by_state.group_by(reports.c.state))}
    return Waiting(
        storms=int(connection.execute(is_open).scalar() or 0),
        held=int(found or 0),
        undecided=counted.get(ReportState.WAITING.value, 0),
        unmatched=counted.get(ReportState.UNMATCHED.value, 0),
    )

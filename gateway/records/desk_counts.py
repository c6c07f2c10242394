"""The counters of *Today*: what waits for staff, and what did not reach a tenant. Reads only."""

from __future__ import annotations

from sqlalchemy import Connection, func, select

from gateway.records import case_view
from gateway.records.notices import NoticeState
from gateway.records.tables import blocks, notices, storms

COUNTERS = (
    *("overdue", "due", "submitted", "undecided"),
    *("waiting", "unmatched", "storms", "stuck", "blocks"),
)
"""Cases by queue, reports waiting or unmatched, storms that hold bounces, notices that reach
nobody, blocks in force."""


def counters(connection: Connection, now: float) -> dict[str, int]:
    """Each of COUNTERS."""
    cases = case_view.counts(connection, now)
    stuck = notices.c.state.in_([NoticeState.REFUSED.value, NoticeState.UNADDRESSED.value])
    in_force = blocks.c.lifted_at.is_(None)
    is_open = storms.c.decision.is_(None)
    found = {
        **cases,
        "storms": connection.execute(select(func.count()).where(is_open)).scalar() or 0,
        "stuck": connection.execute(select(func.count()).where(stuck)).scalar() or 0,
        "blocks": connection.execute(select(func.count()).where(in_force)).scalar() or 0,
    }
    return {name: int(found[name]) for name in COUNTERS}

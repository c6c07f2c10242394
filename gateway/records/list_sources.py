"""Where suppressions come from, how many of each are in force, and how fresh they are.

`list_sources` reads the whole table of entries, which takes a second for a million: it is called
off the loop. A robinson list binds for 30 days from its last refresh (its entries end then), so one
that is older than that protects nobody any more. Reads only.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection, case, func, or_, select

from gateway.records.tables import sources, suppressions
from policies.terms import DAY

ROBINSON = "robinson:"
"""How the names of robinson lists begin; the country follows."""
SOON = 7 * DAY


class Freshness(StrEnum):
    """How a robinson list stands; other sources have none."""

    FRESH = "fresh"
    SOON = "soon"
    """It must be refreshed within a week."""
    OVERDUE = "overdue"
    """All of it is over."""


@dataclass(frozen=True, slots=True)
class SourceState:
    """One source: in what capacity it sets entries, how many are in force, when the last one was
    made and when the last one ends (Unix seconds; None: never)."""

    number: int
    setter: str
    name: str
    in_force: int
    entries: int
    newest: int
    ends: int | None

    def freshness(self, now: float) -> Freshness | None:
        """Whether a robinson list must be refreshed."""
        if not self.name.startswith(ROBINSON) or self.ends is None:
            return None
        if self.ends <= now:
            return Freshness.OVERDUE
        return Freshness.SOON if self.ends <= now + SOON else Freshness.FRESH


def list_sources(connection: Connection, now: float) -> list[SourceState]:
    """Every source that has entries, those with the most recent one first."""
    entry = suppressions.c
    is_live = entry.lifted_at.is_(None) & or_(entry.ends_at.is_(None), entry.ends_at > now)
    query = (
        select(
            sources.c.id,
            sources.c.setter,
            sources.c.name,
            func.sum(case((is_live, 1), else_=0)),
            func.count(),
            func.max(entry.created_at),
            func.max(entry.ends_at),
        )
        .join(sources, sources.c.id == entry.source)
        .group_by(sources.c.id)
        .order_by(func.max(entry.created_at).desc(), sources.c.id)
    )
    return [SourceState(*row) for row in connection.execute(query)]

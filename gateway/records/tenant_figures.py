"""A tenant in figures, for staff: use by the hour, facts by the day, and how many cases run.

Windows are those of the last checkpoint, a second old at most while mail is taken. Each query runs
over an index and costs the same whatever else the records hold. Reads only.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime, tzinfo

from sqlalchemy import Connection, func, select

from gateway.records.tables import cases, facts, windows
from policies.sanctions.words import FactKind

HOUR, DAY = 3600, 86_400


def by_hour(connection: Connection, key: str, now: float) -> list[int]:
    """What was counted under a window of 24 h (`bytes:acme`) in each of the last 24 hours, the
    oldest first."""
    row = windows.c
    age = (int(now) - row.start) // HOUR
    query = (
        select(age.label("age"), func.sum(row.amount).label("amount"))
        .where(row.key == key, row.seconds == DAY, row.start > now - DAY)
        .group_by("age")
    )
    hours = [0] * 24
    for age_of, amount in connection.execute(query):
        # What is dated after now, by a clock that was put back, counts as of now.
        hours[23 - min(max(int(age_of), 0), 23)] += int(amount)
    return hours


def facts_by_day(
    connection: Connection,
    tenant: str,
    kinds: Collection[FactKind],
    since: float,
    zone: tzinfo,
) -> dict[date, int]:
    """How many facts of these kinds a tenant had on each day there since `since`."""
    row = facts.c
    query = select(row.at).where(
        row.tenant == tenant, row.kind.in_([kind.value for kind in kinds]), row.at >= int(since)
    )
    days: dict[date, int] = {}
    for at in connection.execute(query).scalars():
        day = datetime.fromtimestamp(at, zone).date()
        days[day] = days.get(day, 0) + 1
    return days


def running_cases(connection: Connection) -> dict[str, int]:
    """How many cases that are not over each tenant has that has any."""
    query = select(cases.c.tenant, func.count()).where(cases.c.closed_at.is_(None))
    return {name: int(count) for name, count in connection.execute(query.group_by(cases.c.tenant))}


def has_cases(connection: Connection, tenant: str) -> bool:
    """Whether a tenant was ever in the records with a case, also when it has left since."""
    query = select(cases.c.id).where(cases.c.tenant == tenant).limit(1)
    return connection.execute(query).first() is not None

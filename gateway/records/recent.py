"""A tenant's last 24 hours as the records know them, for facts that come in elsewhere than by SMTP.

Recipients and delivered copies are those of the windows' last checkpoint, a second old at most.
Facts count from the tenant's last lift on, as they do on the data path. Reads only.
"""

from __future__ import annotations

from sqlalchemy import Connection, func, select

from gateway.records.tables import blocks, facts, windows
from policies.sanctions.case import Counts
from policies.sanctions.draft import GATEWAY
from policies.sanctions.words import FactKind, Grade

DAY = 86_400


def recent_counts(
    connection: Connection, tenant: str, kind: FactKind, now: float, *, is_weak: bool = False
) -> Counts:
    """The counts with which one more fact of this kind is taken now."""
    since = int(now) - DAY
    lifted = select(func.max(blocks.c.lifted_at)).where(blocks.c.tenant == tenant)
    forgiven = connection.execute(lifted).scalar() or 0
    counted = select(func.count()).where(
        facts.c.tenant == tenant,
        facts.c.kind == kind.value,
        facts.c.at > max(since, forgiven),
        facts.c.excuse.is_(None),
    )
    weak = counted.where(facts.c.grade == Grade.B.value, facts.c.actor == GATEWAY)
    return Counts(
        facts=int(connection.execute(counted).scalar() or 0) + 1,
        weak=int(connection.execute(weak).scalar() or 0) + is_weak,
        recipients=_total(connection, f"rate:recipients:{tenant}", since),
        delivered=_total(connection, f"rate:delivered:{tenant}", since),
    )


def _total(connection: Connection, key: str, since: int) -> int:
    query = select(func.sum(windows.c.amount)).where(
        windows.c.key == key, windows.c.seconds == DAY, windows.c.start > since
    )
    return int(connection.execute(query).scalar() or 0)

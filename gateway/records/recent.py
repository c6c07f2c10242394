"""A tenant's last 24 hours as the records know them, for facts that come in elsewhere than by SMTP.

Recipients and delivered copies are those of the windows' last checkpoint, a second old at most.
Facts count from the tenant's last lift on, as they do on the data path. Reads only.
"""

from __future__ import annotations

from sqlalchemy import Connection, and_, bindparam, case, func, select

from gateway.records.prepared import Prepared
from gateway.records.tables import blocks, facts, windows
from policies.sanctions.case import Counts
from policies.sanctions.draft import GATEWAY
from policies.sanctions.words import FactKind, Grade

DAY = 86_400
_fact = facts.c
_forgiven = (
    select(func.coalesce(func.max(blocks.c.lifted_at), 0))
    .where(blocks.c.tenant == bindparam("tenant"))
    .scalar_subquery()
)
_is_weak = and_(_fact.grade == Grade.B.value, _fact.actor == GATEWAY)
# Built once: building a statement takes longer than running it.
_COUNTED = Prepared(
    select(func.count(), func.coalesce(func.sum(case((_is_weak, 1), else_=0)), 0)).where(
        _fact.tenant == bindparam("tenant"),
        _fact.kind == bindparam("kind"),
        _fact.at > bindparam("since"),
        _fact.at > _forgiven,
        _fact.excuse.is_(None),
    )
)
_SUMS = Prepared(
    select(windows.c.key, func.sum(windows.c.amount))
    .where(
        windows.c.key.in_((bindparam("recipients"), bindparam("delivered"))),
        windows.c.seconds == DAY,
        windows.c.start > bindparam("since"),
    )
    .group_by(windows.c.key)
)


def recent_counts(
    connection: Connection, tenant: str, kind: FactKind, now: float, *, is_weak: bool = False
) -> Counts:
    """The counts with which one more fact of this kind is taken now."""
    since = int(now) - DAY
    own = {"tenant": tenant, "kind": kind.value, "since": since}
    ((counted, weak),) = _COUNTED.all(connection, own)
    names = {name: f"rate:{name}:{tenant}" for name in ("recipients", "delivered")}
    rows = _SUMS.all(connection, names | {"since": since})
    sums = {key: int(amount) for key, amount in rows}
    return Counts(
        facts=int(counted) + 1,
        recipients=sums.get(names["recipients"], 0),
        delivered=sums.get(names["delivered"], 0),
        weak=int(weak) + is_weak,
    )

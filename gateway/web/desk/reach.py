"""How much an act touches: mail of the last day and week, sender domains, lists.

Mail is counted from the journal's index, which may lag a little; None when it cannot say. Domains
and lists are the configuration's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass

from gateway.errors import StoreUnavailable
from gateway.records.event_index import EventIndex
from gateway.web.desk.parts import DeskParts
from gateway.words import StreamKind

DAY = 86_400
RELAYED = "message.relayed"
ALL_TENANTS = "*"


@dataclass(frozen=True, slots=True)
class Reach:
    """`day` and `week` are messages relayed in 24 hours and seven days."""

    day: int | None
    week: int | None
    tenants: int
    domains: tuple[str, ...]
    lists: tuple[str, ...]


async def reach_of(parts: DeskParts, tenant: str, domains: Collection[str] = ()) -> Reach:
    """What an act on a tenant (`*`: all), or on these domains of it, touches."""
    known = parts.tenants
    if tenant == ALL_TENANTS:
        names = [
            name for name, one in known.items() if not domains or set(domains) & set(one.domains)
        ]
    else:
        names = [tenant] if tenant in known else []
    every = {domain for name in names for domain in known[name].domains}
    lists = tuple(
        f"{name}/{stream}"
        for name in names
        for stream, one in known[name].streams.items()
        if one.kind is StreamKind.LIST
    )
    now = parts.clock()
    day, week = await asyncio.to_thread(_relayed, parts.index, names, now)
    return Reach(day, week, len(names), tuple(sorted(domains or every)), lists)


def _relayed(
    index: EventIndex, tenants: Collection[str], now: float
) -> tuple[int | None, int | None]:
    try:
        totals = [
            sum(
                count.amount
                for tenant in tenants
                for count in index.counts(tenant, now - days * DAY)
                if count.kind == RELAYED
            )
            for days in (1, 7)
        ]
    except StoreUnavailable:
        return None, None
    return totals[0], totals[1]

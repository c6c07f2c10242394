"""Figures: delivered copies, complaints and bounces by day, tenant, stream, mailing and domain.

About no person. `add` sums: what was offered and delivered whoever follows the journal, complaints
and bounces the records themselves, together with what makes them. `rates_of` gives the sums with
their shares, for the desk, the command line and metrics; `note_sent` counts what was offered to
each provider, which is what a storm is measured by. All run in the caller's transaction.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from itertools import accumulate
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, select

from gateway.records.store import run
from gateway.records.tables import figures, provider_sends

SLOT = 300
"""Seconds for which copies to one provider are counted together."""


class Figure(StrEnum):
    """What is counted."""

    OFFERED = "offered"
    """Copies that the next hop has taken or refused for good."""
    DELIVERED = "delivered"
    """Copies that it has taken."""
    COMPLAINT = "complaint"
    HARD_BOUNCE = "hard-bounce"
    """Recipients who were refused as no mailbox, when that is believed."""
    SOFT_BOUNCE = "soft-bounce"
    """Other bounces about the recipient."""


_row = figures.c
_PARTS = ("stream", "mailing", "domain")
_DOMAINS = (
    select(_row.domain)
    .where(
        _row.tenant == bindparam("tenant"),
        _row.mailing == bindparam("mailing"),
        _row.what == Figure.OFFERED.value,
        _row.domain != "",
    )
    .distinct()
    .order_by(_row.domain)
)
_FIELDS = {
    Figure.OFFERED: "offered",
    Figure.DELIVERED: "delivered",
    Figure.COMPLAINT: "complaints",
    Figure.HARD_BOUNCE: "hard_bounces",
    Figure.SOFT_BOUNCE: "soft_bounces",
}


@dataclass(frozen=True, slots=True)
class Rate:
    """Sums of one tenant, or of one of its streams, mailings or sender domains (empty: all)."""

    tenant: str
    stream: str = ""
    mailing: str = ""
    domain: str = ""
    offered: int = 0
    delivered: int = 0
    complaints: int = 0
    hard_bounces: int = 0
    soft_bounces: int = 0

    @property
    def complaint_percent(self) -> float:
        """Complaints among what was delivered."""
        return _percent(self.complaints, self.delivered)

    @property
    def hard_bounce_percent(self) -> float:
        """Hard bounces among what was offered."""
        return _percent(self.hard_bounces, self.offered)

    @property
    def soft_bounce_percent(self) -> float:
        """Soft bounces among what was offered."""
        return _percent(self.soft_bounces, self.offered)


def _percent(part: int, whole: int) -> float:
    return 100 * part / whole if whole else 0.0


def day_of(at: float) -> int:
    """The day (UTC) of an instant, in days since 1970."""
    return int(at) // 86_400


def add(
    connection: Connection,
    at: float,
    tenant: str,
    stream: str,
    mailing: str,
    domain: str,
    what: Figure,
    amount: int = 1,
) -> None:
    """Count on the day of `at` (Unix seconds)."""
    run(
        connection,
        "INSERT INTO figures (tenant, day, stream, mailing, domain, what, amount)"
        " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (tenant, day, stream, mailing, domain, what)"
        " DO UPDATE SET amount = figures.amount + excluded.amount",
        (tenant, day_of(at), stream, mailing, domain, what.value, amount),
    )


def rates_of(
    connection: Connection,
    tenant: str = "",
    since: float = 0.0,
    by: Collection[str] = (),
) -> list[Rate]:
    """The sums of a tenant ("": of each) from the day of `since` on, the most offered first; apart
    by those of `stream`, `mailing` and `domain` that `by` names."""
    names = ["tenant", *(name for name in _PARTS if name in by)]
    columns = [_row[name] for name in names]
    total = func.sum(_row.amount).label("total")
    query = select(*columns, _row.what, total).where(_row.day >= day_of(since))
    if tenant:
        query = query.where(_row.tenant == tenant)
    found: dict[tuple[str, ...], dict[str, Any]] = {}
    for *where, what, amount in connection.execute(query.group_by(*columns, _row.what)):
        fields = found.setdefault(tuple(where), dict(zip(names, where, strict=True)))
        fields[_FIELDS[Figure(what)]] = int(amount)
    rates = [Rate(**fields) for fields in found.values()]
    return sorted(rates, key=lambda rate: (-rate.offered, rate.tenant, rate.mailing))


def domains_of(connection: Connection, tenant: str, mailing: str) -> tuple[str, ...]:
    """The sender domains that a mailing went out from, as far as the journal is followed."""
    return tuple(connection.execute(_DOMAINS, {"tenant": tenant, "mailing": mailing}).scalars())


def note_sent(connection: Connection, provider: str, at: float, amount: int) -> None:
    """Count copies that were offered to a recipient's domain around `at`, taken or refused."""
    run(
        connection,
        "INSERT INTO provider_sends (provider, start, amount) VALUES (?, ?, ?)"
        " ON CONFLICT (provider, start)"
        " DO UPDATE SET amount = provider_sends.amount + excluded.amount",
        (provider, _slot(at), amount),
    )


class Sent:
    """What was offered to a provider between two instants (Unix seconds), read once."""

    def __init__(self, connection: Connection, provider: str, since: float, until: float) -> None:
        own = provider_sends.c
        query = select(own.start, own.amount).where(
            own.provider == provider, own.start.between(_slot(since), until)
        )
        rows = connection.execute(query.order_by(own.start)).all()
        self._starts: list[int] = [row.start for row in rows]
        self._sums: list[int] = [0, *accumulate(row.amount for row in rows)]

    def between(self, since: float, until: float) -> int:
        """How many copies, in the slots that touch this time."""
        first = bisect_left(self._starts, _slot(since))
        return self._sums[bisect_right(self._starts, until)] - self._sums[first]


def forget_sent(connection: Connection, before: float) -> int:
    """Delete the slots that began before this time; how many."""
    gone = delete(provider_sends).where(provider_sends.c.start < before)
    return int(connection.execute(gone).rowcount)


def _slot(at: float) -> int:
    return int(at) // SLOT * SLOT

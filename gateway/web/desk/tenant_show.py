"""Gathers what a tenant's page shows: limits and use, where it stands on the ladders, its records.

`show` gives a `Shown`. What cannot be had just now (the process that takes mail, the journal's
index) is None and shown as unknown. Blocks for some milliseconds; the questions to the other
process are `asked`'s.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from gateway.config.tenant import TenantConfig
from gateway.config.terms import override
from gateway.errors import StoreUnavailable
from gateway.node import ask_all, smtp_status
from gateway.processes import workers_of
from gateway.records.blocks import StoredBlock, list_blocks
from gateway.records.case_view import StoredCase, ladder_positions, list_cases
from gateway.records.database import Connection
from gateway.records.event_index import DayCount
from gateway.records.fees import StoredFee, list_fees
from gateway.records.figures import Rate as Figures
from gateway.records.figures import rates_of
from gateway.records.reports import StoredReport, list_reports
from gateway.records.tenant_figures import by_hour, facts_by_day
from gateway.records.use import used
from gateway.web.desk.parts import DeskParts
from policies.sanctions.facts import rung
from policies.sanctions.ladder import Ladder, Preset, Step
from policies.sanctions.words import FactKind
from policies.terms import DAY, Limits, Rate

DAYS = 14
ROWS = 10
PATIENCE = 0.5
"""Seconds the process that takes mail has to say how it stands."""
PARTS: tuple[Literal["stream", "mailing", "domain"], ...] = ("stream", "mailing", "domain")
REFUSED = ("mail.refused", "rcpt.refused", "message.refused", "message.deferred")
COMPLAINTS = (FactKind.COMPLAINT, FactKind.COMPLAINT_IGNORED)


@dataclass(frozen=True, slots=True)
class Position:
    """Where the tenant stands on one ladder: its counted cases, and what the next would bring."""

    ladder: Ladder
    counted: int
    following: Step


@dataclass(frozen=True, slots=True)
class Live:
    """What the process that takes mail says: octets with those in flight, and batches."""

    octets: int
    open: int
    waiting: int


@dataclass(frozen=True, slots=True)
class Events:
    """Two weeks of them: messages by day, the oldest first, and refusals by tag, the most first."""

    relayed: Sequence[int]
    refusals: Sequence[tuple[str, int]]


@dataclass(frozen=True, slots=True)
class Shown:
    """Everything on the page. `settings` is None for a tenant that has left the configuration."""

    name: str
    settings: TenantConfig | None
    limits: Limits
    octets: Sequence[int]
    recipients: Sequence[int]
    octets_used: int
    rates: Sequence[tuple[Rate, int]]
    days: Sequence[date]
    """Two weeks, the oldest first."""
    events: Events | None
    complaints: Sequence[int]
    rates_by: Mapping[str, Sequence[Figures]]
    """What came back among what went out in that time, by stream, mailing and sender domain."""
    identifiers: Sequence[Figures]
    """The same by the identifiers of Feedback-ID: mailing and stream, the most mail first."""
    live: Live | None
    preset: Preset
    positions: Sequence[Position]
    cases: Sequence[StoredCase]
    blocks: Sequence[StoredBlock]
    fees: Sequence[StoredFee]
    reports: Sequence[StoredReport]

    @property
    def is_blocked(self) -> bool:
        """Whether any block is in force."""
        return any(block.lifted_at is None for block in self.blocks)


def show(
    connection: Connection, parts: DeskParts, name: str, zone: ZoneInfo, live: Live | None
) -> Shown:
    """The page of a tenant, its days those of `zone`."""
    settings, now = parts.tenants.get(name), parts.clock()
    house = override(Limits(), parts.loaded.config.limits)
    limits = override(house, settings.limits) if settings is not None else house
    preset = parts.rules.of(name).preset
    counted = ladder_positions(connection, name)
    days = [(datetime.fromtimestamp(now, zone) - timedelta(ago)).date() for ago in range(DAYS)]
    days.reverse()
    begin = datetime.combine(days[0], datetime.min.time(), zone).timestamp()
    complaints = facts_by_day(connection, name, COMPLAINTS, begin, zone)
    return Shown(
        name=name,
        settings=settings,
        limits=limits,
        octets=by_hour(connection, f"bytes:{name}", now),
        recipients=by_hour(connection, f"rate:recipients:{name}", now),
        octets_used=used(connection, f"bytes:{name}", DAY, now),
        rates=[
            (rate, used(connection, f"rate:{rate.unit}:{name}", rate.seconds, now))
            for rate in limits.rates
        ],
        days=days,
        events=_events(parts, name, days, begin, zone),
        complaints=[complaints.get(day, 0) for day in days],
        rates_by={part: rates_of(connection, name, begin, by=(part,)) for part in PARTS},
        identifiers=rates_of(connection, name, begin, by=("stream", "mailing"))[:ROWS],
        live=live,
        preset=preset,
        positions=[
            Position(ladder, counted.get(ladder.name, 0), rung(ladder, counted.get(ladder.name, 0)))
            for ladder in preset.ladders
        ],
        cases=list_cases(connection, tenant=name, limit=ROWS).cases,
        blocks=list_blocks(connection, name, with_lifted=True, limit=ROWS),
        fees=list_fees(connection, tenant=name, limit=ROWS),
        reports=list_reports(connection, tenant=name, limit=ROWS),
    )


def _events(
    parts: DeskParts, name: str, days: Sequence[date], begin: float, zone: ZoneInfo
) -> Events | None:
    try:
        counts = parts.index.counts(name, begin, zone)
    except StoreUnavailable:
        return None
    return summed(counts, days)


def summed(counts: Sequence[DayCount], days: Sequence[date]) -> Events:
    """Events by day and tag as the page has them."""
    relayed = Counter[date]()
    refusals = Counter[str]()
    for one in counts:
        if one.kind == "message.relayed":
            relayed[one.day] += one.amount
        elif one.kind in REFUSED and one.tag:
            refusals[one.tag] += one.amount
    by_tag = sorted(refusals.items(), key=lambda pair: (-pair[1], pair[0]))
    return Events([relayed[day] for day in days], by_tag[:ROWS])


async def asked(parts: DeskParts, name: str) -> Live | None:
    """How the tenant stands in the processes that take mail; None when none says so in time."""
    config = parts.loaded.config
    said = await ask_all(config.state_dir, workers_of(config), "status", patience=PATIENCE)
    return live_in(smtp_status(said), name)


def live_in(status: object, name: str) -> Live | None:
    """What that process's status says of a tenant; None when it does not know it."""
    if not isinstance(status, Mapping):
        return None
    octets, batches = status.get("bytes_24h"), status.get("batches")
    if not isinstance(octets, Mapping) or not isinstance(octets.get(name), int):
        return None
    own = batches.get(name) if isinstance(batches, Mapping) else None
    line = own if isinstance(own, Mapping) else {}
    return Live(int(octets[name]), int(line.get("open", 0)), int(line.get("waiting", 0)))

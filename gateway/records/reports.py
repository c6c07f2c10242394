"""Complaints as they come in, by grade of evidence, and what staff decide about them.

`take_report` stores one: grade A is a fact at once, B and C wait for a person, D (no tenant known)
is unmatched and changes nothing. `decide_report` counts it (then it is a fact), dismisses it, or
matches it to a tenant. All run in the caller's transaction and give the events to emit. What a
stranger wrote is sealed. Raise LookupError, and ReportDecided for what was decided already.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection

from gateway.errors import ConsentryError
from gateway.events import Event
from gateway.records.case_rules import Rules
from policies.sanctions.case import Case, Counts
from policies.sanctions.words import FactKind, Grade


class ReportState(StrEnum):
    """Where a report stands."""

    WAITING = "waiting"
    COUNTED = "counted"
    DISMISSED = "dismissed"
    UNMATCHED = "unmatched"


class ReportDecided(ConsentryError):
    """The report was decided before."""


@dataclass(frozen=True, slots=True)
class Report:
    """One complaint. `source` says by which way it came, `address` the complaining address and
    `said` what the reporter wrote (both sealed before they are stored), `sent_at` when the mail
    was sent. Empty: not known."""

    grade: Grade
    source: str
    received_at: float
    tenant: str = ""
    stream: str = ""
    mailing: str = ""
    domain: str = ""
    ref: str = ""
    key: bytes = b""
    address: str = ""
    said: Mapping[str, object] | None = None
    kind: FactKind = FactKind.COMPLAINT
    sent_at: float | None = None


@dataclass(frozen=True, slots=True)
class StoredReport:
    """A report on record. `said` is what is sealed, opened: empty once it was erased."""

    number: int
    received_at: int
    grade: Grade
    source: str
    tenant: str
    stream: str
    mailing: str
    ref: str
    key: bytes
    subject: int | None
    state: ReportState
    fact: int | None
    decided_at: int | None
    decided_by: str | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class ReportTaken:
    """What became of a report."""

    report: StoredReport
    case: Case | None
    events: tuple[Event, ...]


class ReportDecision(StrEnum):
    """What a person does with a report."""

    COUNT = "count"
    DISMISS = "dismiss"
    MATCH = "match"


def take_report(
    connection: Connection, report: Report, counts: Counts, rules: Rules, now: float
) -> ReportTaken:
    """Store a report with all that follows from its grade."""
    raise NotImplementedError


def decide_report(
    connection: Connection,
    number: int,
    decision: ReportDecision,
    actor: str,
    reason: str,
    now: float,
    rules: Rules,
    *,
    tenant: str = "",
    stream: str = "",
    mailing: str = "",
    domain: str = "",
) -> ReportTaken:
    """A person's decision; `tenant` and the like are for MATCH."""
    raise NotImplementedError


def find_report(connection: Connection, number: int) -> StoredReport | None:
    """The report with this number."""
    raise NotImplementedError


def list_reports(
    connection: Connection,
    *,
    state: ReportState | None = None,
    tenant: str = "",
    before: int | None = None,
    limit: int = 50,
) -> list[StoredReport]:
    """Newest first."""
    raise NotImplementedError

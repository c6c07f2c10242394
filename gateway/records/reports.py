"""Complaints as they came in, by grade of evidence, and what staff decide about them.

`take_report` stores one: grade A is a fact at once, B and C wait for a person, D (no tenant known)
is unmatched and changes nothing. `decide_report` counts it (then it is a fact), dismisses it, or
matches it to a tenant. All run in the caller's transaction and give the events to emit. What a
stranger wrote is sealed. Raise LookupError, and ReportDecided for what was decided already.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Select, insert, select, update

from gateway.errors import ConsentryError
from gateway.events import Event
from gateway.records import audit, notices, webhooks
from gateway.records.blocks import case_id
from gateway.records.case_rules import Rules
from gateway.records.cases import take_fact
from gateway.records.recent import recent_counts
from gateway.records.streams import stream_number
from gateway.records.subjects import add_subject, plain_texts
from gateway.records.tables import mailings, reports
from gateway.words import WebhookKind
from policies.sanctions.case import Case, Fact
from policies.sanctions.words import FactKind, Grade, NoticeKind
from suppression.keys import Keyring
from suppression.masking import mask

ACTOR = "reports"
_row = reports.c


class ReportState(StrEnum):
    """Where a report stands."""

    WAITING = "waiting"
    COUNTED = "counted"
    DISMISSED = "dismissed"
    UNMATCHED = "unmatched"


class ReportDecided(ConsentryError):
    """The report was decided before, or lacks what the decision needs."""


@dataclass(frozen=True, slots=True)
class Report:
    """One complaint. `source` says by which way it came (the signing domain, of a feedback loop),
    `address` is the complaining address and `said` what the reporter wrote (both sealed before they
    are stored), `sent_at` when the mail was sent. Empty: not known."""

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
    """A report on record; `subject` is the number of what is sealed (`words_of` opens it)."""

    number: int
    received_at: int
    sent_at: int | None
    kind: FactKind
    grade: Grade
    source: str
    tenant: str
    stream: str
    mailing: str
    domain: str
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


def take_report(connection: Connection, report: Report, rules: Rules, now: float) -> ReportTaken:
    """Store a report with all that follows from its grade: of A it becomes a fact, of A and B the
    tenant's webhook is told. A from a source that is none of the configured ones is but B."""
    if report.grade is Grade.A and report.source not in rules.feedback_sources:
        report = replace(report, grade=Grade.B)
    if not report.tenant:
        report = replace(report, grade=Grade.D)
    elif not report.mailing:
        report = replace(report, mailing=_mailing(connection, report))
    subject = None
    if report.address or report.said:
        held = {"address": report.address, "said": dict(report.said or {})}
        subject = add_subject(connection, rules.keyring.seal(json.dumps(held)))
    state = ReportState.UNMATCHED if report.grade is Grade.D else ReportState.WAITING
    row = {
        "received_at": int(report.received_at),
        "sent_at": None if report.sent_at is None else int(report.sent_at),
        "kind": report.kind.value,
        "grade": report.grade.value,
        "source": mask(report.source),
        "tenant": report.tenant,
        "stream": report.stream,
        "mailing": report.mailing,
        "domain": report.domain,
        "ref": report.ref,
        "key": report.key or None,
        "subject": subject,
        "state": state.value,
    }
    made = connection.execute(insert(reports), row).inserted_primary_key
    assert made is not None  # noqa: S101 - a single-row insert always has one
    stored = _get(connection, int(made[0]))
    detail = {"report": stored.number, "grade": stored.grade.value, "source": stored.source}
    _audit(connection, stored, "report.received", ACTOR, now, detail)
    if report.grade in (Grade.A, Grade.B):
        _tell_webhook(connection, stored, report.address, rules, now)
    received = _event("report.received", stored, now, detail)
    if report.grade is not Grade.A:
        return ReportTaken(stored, None, (received,))
    taken = _count(connection, stored, report.address, ACTOR, "", rules, now)
    return ReportTaken(taken.report, taken.case, (received, *taken.events))


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
    """A person's decision; `tenant` and the like are for MATCH, which makes a report wait."""
    report = _get(connection, number)
    if report.state not in (ReportState.WAITING, ReportState.UNMATCHED):
        raise ReportDecided(f"report {number} was {report.state} by {report.decided_by or ACTOR}")
    match decision:
        case ReportDecision.MATCH:
            if tenant not in rules.tenants:
                raise ReportDecided(f"there is no tenant {tenant}; name one that the mail was of")
            known = {"tenant": tenant, "stream": stream, "mailing": mailing, "domain": domain}
            _set(connection, number, state=ReportState.WAITING.value, grade=Grade.C.value, **known)
            if not mailing:
                _set(connection, number, mailing=_mailing(connection, _get(connection, number)))
        case ReportDecision.DISMISS:
            _decided(connection, number, ReportState.DISMISSED, None, actor, reason, now)
        case ReportDecision.COUNT:
            if not report.tenant:
                raise ReportDecided(f"report {number} is nobody's yet; match it to a tenant first")
            address = str((words_of(connection, rules.keyring, report) or {}).get("address", ""))
            return _count(connection, report, address, actor, reason, rules, now)
    report = _get(connection, number)
    detail: dict[str, object] = {"report": number, "decision": decision.value, "reason": reason}
    _audit(connection, report, "report.decided", actor, now, detail)
    return ReportTaken(report, None, (_event("report.decided", report, now, detail),))


def find_report(connection: Connection, number: int) -> StoredReport | None:
    """The report with this number."""
    row = connection.execute(select(reports).where(_row.id == number)).mappings().first()
    return None if row is None else _stored(row)


def list_reports(
    connection: Connection,
    *,
    state: ReportState | None = None,
    tenant: str = "",
    before: int | None = None,
    limit: int = 50,
) -> list[StoredReport]:
    """Newest first."""
    query: Select[Any] = select(reports).order_by(_row.id.desc()).limit(limit)
    if state is not None:
        query = query.where(_row.state == state.value)
    if tenant:
        query = query.where(_row.tenant == tenant)
    if before is not None:
        query = query.where(_row.id < before)
    return [_stored(row) for row in connection.execute(query).mappings()]


def words_of(
    connection: Connection, keyring: Keyring, report: StoredReport
) -> dict[str, object] | None:
    """What is sealed: `address` and what the reporter `said`; None once it was erased."""
    if report.subject is None:
        return None
    text = plain_texts(connection, keyring, [report.subject]).get(report.subject)
    opened: dict[str, object] | None = None if text is None else json.loads(text)
    return opened


# ---- inside -------------------------------------------------------------------------------------


def _count(
    connection: Connection,
    report: StoredReport,
    address: str,
    actor: str,
    reason: str,
    rules: Rules,
    now: float,
) -> ReportTaken:
    """The report is a fact from now on; its case tells the tenant of it."""
    own = rules.of(report.tenant)
    fact = Fact(
        kind=report.kind,
        tenant=report.tenant,
        stream=report.stream,
        mailing=report.mailing,
        domain=report.domain,
        key=report.key,
        ref=report.ref,
        at=now,
        grade=report.grade,
        actor="gateway" if report.grade is Grade.A else actor,
        domains=(report.domain,) if report.domain else own.domains,
    )
    subject = add_subject(connection, rules.keyring.seal(address)) if address else None
    counts = recent_counts(connection, report.tenant, report.kind, now)
    sent_at = report.sent_at or _begun(connection, report.mailing)
    taken = take_fact(connection, fact, counts, rules, now, sent_at=sent_at, subject=subject)
    _decided(connection, report.number, ReportState.COUNTED, taken.number, actor, reason, now)
    report = _get(connection, report.number)
    detail: dict[str, object] = {
        "report": report.number,
        "decision": ReportDecision.COUNT.value,
        "reason": reason,
        "case": case_id(taken.case.id) if taken.case else "",
    }
    _audit(connection, report, "report.decided", actor, now, detail)
    if taken.case is not None:
        extra = {"facts": [taken.number]}
        notices.queue(connection, taken.case, NoticeKind.REPORT, rules, now, extra)
    events = (*taken.events, _event("report.decided", report, now, detail))
    return ReportTaken(report, taken.case, events)


def _mailing(connection: Connection, report: Report | StoredReport) -> str:
    """The stream's latest mailing, where the report names none; else the day it came in on, so
    that the reports of one day are one violation and not many."""
    query = select(mailings.c.id).where(mailings.c.stream == f"{report.tenant}/{report.stream}")
    found = connection.execute(query).scalar()
    return str(found or time.strftime("reports-%y%m%d", time.gmtime(report.received_at)))


def _begun(connection: Connection, mailing: str) -> float | None:
    """When a mailing began: its mail went out before the first notice, which ended it. Of one that
    is long over the day in its id must do."""
    started = connection.execute(select(mailings.c.started_at).where(mailings.c.id == mailing))
    if (at := started.scalar()) is not None:
        return float(at)
    day = re.match(r"(\d{6})-", mailing)
    return datetime.strptime(f"{day[1]}+0000", "%y%m%d%z").timestamp() if day else None


def _tell_webhook(
    connection: Connection, report: StoredReport, address: str, rules: Rules, now: float
) -> None:
    """The address itself goes only where the contract passes it on."""
    passes_on = rules.of(report.tenant).preset.passes_complainer_on
    is_told = passes_on and address
    subject = add_subject(connection, rules.keyring.seal(address)) if is_told else None
    payload = {
        "report": report.number,
        "tenant": report.tenant,
        "stream": report.stream,
        "mailing": report.mailing,
        "kind": report.kind.value,
        "grade": report.grade.value,
        "ref": report.ref,
    }
    number = stream_number(connection, report.tenant)
    kind = WebhookKind.REPORT_RECEIVED
    webhooks.queue(connection, number, kind, report.key or None, subject, payload, now)


def _decided(
    connection: Connection,
    number: int,
    state: ReportState,
    fact: int | None,
    actor: str,
    reason: str,
    now: float,
) -> None:
    decided = {"decided_at": int(now), "decided_by": actor, "reason": mask(reason)}
    _set(connection, number, state=state.value, fact_id=fact, **decided)


def _set(connection: Connection, number: int, **values: object) -> None:
    connection.execute(update(reports).where(_row.id == number).values(**values))


def _audit(
    connection: Connection,
    report: StoredReport,
    action: str,
    actor: str,
    now: float,
    detail: Mapping[str, object],
) -> None:
    audit.append(
        connection,
        at=now,
        actor=actor,
        action=action,
        scope=report.tenant or "*",
        key=report.key or None,
        detail=detail,
    )


def _event(kind: str, report: StoredReport, now: float, detail: Mapping[str, object]) -> Event:
    shown = {name: value for name, value in detail.items() if value != "" and name != "reason"}
    if report.key:
        shown["key"] = report.key.hex()
    return Event(
        kind,
        now,
        ref=report.ref,
        tenant=report.tenant,
        stream=report.stream,
        mailing=report.mailing,
        domain=report.domain,
        detail=shown,
    )


def _get(connection: Connection, number: int) -> StoredReport:
    found = find_report(connection, number)
    if found is None:
        raise LookupError(f"there is no report {number}")
    return found


def _stored(row: Mapping[Any, Any] | Any) -> StoredReport:
    return StoredReport(
        number=row["id"],
        received_at=row["received_at"],
        sent_at=row["sent_at"],
        kind=FactKind(row["kind"]),
        grade=Grade(row["grade"]),
        source=row["source"],
        tenant=row["tenant"],
        stream=row["stream"],
        mailing=row["mailing"],
        domain=row["domain"],
        ref=row["ref"],
        key=row["key"] or b"",
        subject=row["subject"],
        state=ReportState(row["state"]),
        fact=row["fact_id"],
        decided_at=row["decided_at"],
        decided_by=row["decided_by"],
        reason=row["reason"],
    )

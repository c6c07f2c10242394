"""Complaints as they came in, by grade of evidence, and what staff decide about them.

`take_report` stores one: grade A is a fact at once, B and C wait for a person, D (no tenant known)
is unmatched and changes nothing. `note_report` stores what moves no case by itself. `decide_report`
counts a report (then it is a fact), dismisses it, or matches it to a tenant. All run in the
caller's transaction and give the events to emit. What a stranger wrote is sealed. Raise
LookupError, and ReportDecided for what was decided already.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection, bindparam, select, update

from gateway.errors import ConsentryError
from gateway.events import Event
from gateway.records import audit, figures, notices, webhooks
from gateway.records.blocks import case_id
from gateway.records.case_rules import Rules
from gateway.records.cases import take_fact
from gateway.records.prepared import Prepared
from gateway.records.recent import recent_counts
from gateway.records.report_store import (
    Report,
    ReportState,
    StoredReport,
    find_report,
    get_report,
    insert_report,
    list_reports,
    same_complaints,
    words_of,
)
from gateway.records.streams import stream_number
from gateway.records.subjects import add_subject
from gateway.records.tables import mailings, reports
from gateway.words import WebhookKind
from policies.sanctions.case import Case, Fact
from policies.sanctions.words import Grade, NoticeKind
from suppression.masking import mask

__all__ = [
    "Report",
    "ReportDecided",
    "ReportDecision",
    "ReportState",
    "ReportTaken",
    "StoredReport",
    "decide_report",
    "find_report",
    "list_reports",
    "mailing_begun",
    "mailing_of",
    "note_report",
    "take_report",
    "words_of",
]
ACTOR = "reports"
_row = reports.c
_SET = Prepared(update(reports).where(_row.id == bindparam("number")))
_BEGUN = Prepared(select(mailings.c.started_at).where(mailings.c.id == bindparam("mailing")))
"""Made once: making them costs more than running them."""


class ReportDecided(ConsentryError):
    """The report was decided before, or lacks what the decision needs."""


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
    connection: Connection,
    report: Report,
    rules: Rules,
    now: float,
    earlier: Sequence[StoredReport] | None = None,
) -> ReportTaken:
    """Store a complaint with all that follows from its grade: of A it becomes a fact, of A and B
    the tenant's webhook is told. A from a source that is none of the configured ones is but B.

    One recipient complains about one mailing once: what comes after one that counts already, or
    after one of no weaker grade, is on record as dismissed, and nothing follows from it. `earlier`
    are those (`same_complaints`), where the caller has read them.
    """
    report = graded(report, rules)
    if report.tenant and not report.mailing:
        mailing = mailing_of(connection, report.tenant, report.stream, report.received_at)
        report = replace(report, mailing=mailing)
    if report.tenant and not report.domain:
        # The journal does not know the copy: not yet, or no more.
        domains = figures.domains_of(connection, report.tenant, report.mailing)
        report = replace(report, domain=domains[0]) if len(domains) == 1 else report
    state = ReportState.UNMATCHED if report.grade is Grade.D else ReportState.WAITING
    if report.grade is Grade.D:
        earlier = ()
    elif earlier is None:
        earlier = same_complaints(connection, report)
    stored = insert_report(connection, rules.keyring, report, state)
    received = _received(connection, stored, now)
    for same in earlier:
        if _covers(same, stored):
            reason = f"the recipient has complained about this mailing before: report {same.number}"
            stored, decided = _dismissed(connection, stored, ACTOR, reason, now)
            return ReportTaken(stored, None, (received, decided))
    if report.grade in (Grade.A, Grade.B):
        _tell_webhook(connection, stored, report.address, rules, now)
        _figure(connection, stored)
    if report.grade is not Grade.A:
        return ReportTaken(stored, None, (received,))
    taken = _count(connection, stored, report.address, ACTOR, "", rules, now)
    return ReportTaken(taken.report, taken.case, (received, *taken.events))


def note_report(
    connection: Connection, report: Report, why: str, rules: Rules, now: float
) -> ReportTaken:
    """Store what came in and moves no case by itself: dismissed for `why`, or ("") for a person to
    decide on."""
    report = graded(report, rules)
    state = ReportState.UNMATCHED if report.grade is Grade.D else ReportState.WAITING
    stored = insert_report(connection, rules.keyring, report, state)
    received = _received(connection, stored, now)
    if not why:
        return ReportTaken(stored, None, (received,))
    stored, decided = _dismissed(connection, stored, ACTOR, why, now)
    return ReportTaken(stored, None, (received, decided))


def graded(report: Report, rules: Rules) -> Report:
    """With the grade that it can have at most."""
    if not report.tenant:
        return replace(report, grade=Grade.D)
    is_listed = report.source in rules.feedback_sources
    return replace(report, grade=Grade.B) if report.grade is Grade.A and not is_listed else report


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
    report = get_report(connection, number)
    if report.state not in (ReportState.WAITING, ReportState.UNMATCHED):
        raise ReportDecided(f"report {number} was {report.state} by {report.decided_by or ACTOR}")
    match decision:
        case ReportDecision.MATCH:
            if tenant not in rules.tenants:
                raise ReportDecided(f"there is no tenant {tenant}; name one that the mail was of")
            known = {"tenant": tenant, "stream": stream, "mailing": mailing, "domain": domain}
            _set(connection, number, state=ReportState.WAITING.value, grade=Grade.C.value, **known)
            if not mailing:
                latest = mailing_of(connection, tenant, stream, report.received_at)
                _set(connection, number, mailing=latest)
        case ReportDecision.DISMISS:
            report, decided = _dismissed(connection, report, actor, reason, now)
            return ReportTaken(report, None, (decided,))
        case ReportDecision.COUNT:
            if not report.tenant:
                raise ReportDecided(f"report {number} is nobody's yet; match it to a tenant first")
            if not report.is_complaint:
                raise ReportDecided(f"report {number} is no complaint; it can only be dismissed")
            for same in same_complaints(connection, report, number):
                if same.state is ReportState.COUNTED:
                    raise ReportDecided(f"report {same.number} counts this complaint already")
            address = str((words_of(connection, rules.keyring, report) or {}).get("address", ""))
            return _count(connection, report, address, actor, reason, rules, now)
    report = get_report(connection, number)
    detail: dict[str, object] = {"report": number, "decision": decision.value, "reason": reason}
    _audit(connection, report, "report.decided", actor, now, detail)
    return ReportTaken(report, None, (_event("report.decided", report, now, detail),))


def mailing_of(connection: Connection, tenant: str, stream: str, at: float) -> str:
    """The stream's latest mailing, for a report or bounce that names none; else the day it came in
    on, so that those of one day are one violation and not many."""
    query = select(mailings.c.id).where(mailings.c.stream == f"{tenant}/{stream}")
    found = connection.execute(query).scalar()
    return str(found or time.strftime("reports-%y%m%d", time.gmtime(at)))


def mailing_begun(connection: Connection, mailing: str) -> float | None:
    """When a mailing began: its mail went out before the first notice, which ended it. Of one that
    is long over the day in its id must do."""
    at = _BEGUN.scalar(connection, {"mailing": mailing})
    return _day_of(mailing) if at is None else float(at)


def _day_of(mailing: str) -> float | None:
    day = re.match(r"(\d{6})-", mailing)
    return datetime.strptime(f"{day[1]}+0000", "%y%m%d%z").timestamp() if day else None


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
    if report.grade is Grade.C:  # of A and B it counted when it came
        _figure(connection, report)
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
        domains=(report.domain,)
        if report.domain
        else figures.domains_of(connection, report.tenant, report.mailing) or own.domains,
    )
    subject = add_subject(connection, rules.keyring.seal(address)) if address else None
    counts = recent_counts(connection, report.tenant, report.kind, now)
    sent_at = report.sent_at or mailing_begun(connection, report.mailing)
    taken = take_fact(connection, fact, counts, rules, now, sent_at=sent_at, subject=subject)
    report = _decided(connection, report, ReportState.COUNTED, taken.number, actor, reason, now)
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


def _covers(same: StoredReport, report: StoredReport) -> bool:
    """Whether an earlier complaint of the recipient leaves nothing to this one. What a person has
    dismissed without our token in it may have been forged: it covers none."""
    if same.state is ReportState.DISMISSED and same.grade is Grade.C:
        return False
    return same.state is ReportState.COUNTED or same.grade.value <= report.grade.value


def _received(connection: Connection, report: StoredReport, now: float) -> Event:
    """That it is on record."""
    detail: dict[str, object] = {
        "report": report.number,
        "grade": report.grade.value,
        "source": report.source,
        "type": report.type,
    }
    _audit(connection, report, "report.received", ACTOR, now, detail)
    return _event("report.received", report, now, detail)


def _dismissed(
    connection: Connection, report: StoredReport, actor: str, reason: str, now: float
) -> tuple[StoredReport, Event]:
    """The report as it is from now on, and the event."""
    report = _decided(connection, report, ReportState.DISMISSED, None, actor, reason, now)
    decision = ReportDecision.DISMISS.value
    detail: dict[str, object] = {"report": report.number, "decision": decision, "reason": reason}
    _audit(connection, report, "report.decided", actor, now, detail)
    return report, _event("report.decided", report, now, detail)


def _figure(connection: Connection, report: StoredReport) -> None:
    own = (report.tenant, report.stream, report.mailing, report.domain)
    figures.add(connection, report.received_at, *own, figures.Figure.COMPLAINT)


def _tell_webhook(
    connection: Connection, report: StoredReport, address: str, rules: Rules, now: float
) -> None:
    """The address itself goes only where the contract passes it on."""
    number, kind = stream_number(connection, report.tenant), WebhookKind.REPORT_RECEIVED
    if not webhooks.is_wanted(connection, number, kind):
        return
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
    webhooks.queue(connection, number, kind, report.key or None, subject, payload, now)


def _decided(
    connection: Connection,
    report: StoredReport,
    state: ReportState,
    fact: int | None,
    actor: str,
    reason: str,
    now: float,
) -> StoredReport:
    """The report as it is from now on."""
    at, why = int(now), mask(reason)
    own = {"decided_at": at, "decided_by": actor, "reason": why}
    _set(connection, report.number, state=state.value, fact_id=fact, **own)
    return replace(report, state=state, fact=fact, decided_at=at, decided_by=actor, reason=why)


def _set(connection: Connection, number: int, **values: object) -> None:
    _SET.run(connection, {**values, "number": number})


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

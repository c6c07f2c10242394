"""*Reports*: those that wait, oldest first, and one: what came in, what speaks for it, and what a
person makes of it: counts it, dismisses it, or says whose mail it was about.

What strangers wrote is masked until it is revealed with a reason, which is on record; so are the
header sections as they came. A report that was decided stays as it is.
"""

from __future__ import annotations

from http import HTTPStatus
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response

from gateway.records import audit, case_view, feedback_counts
from gateway.records.blocks import case_id
from gateway.records.database import Connection
from gateway.records.report_store import queue_reports
from gateway.records.reports import (
    ReportDecided,
    ReportDecision,
    ReportState,
    ReportTaken,
    StoredReport,
    decide_report,
    find_report,
    words_of,
)
from gateway.web.desk.gate import Anyone, Number, Posted, Worker
from gateway.web.desk.pages import Problem, back_to, language_of, page
from gateway.web.desk.parts import DeskParts, Parts
from gateway.web.desk.refusal_words import told
from gateway.web.desk.report_texts import TEXTS
from gateway.web.desk.report_view import graded_for, seen
from policies.returned.words import Form
from policies.sanctions.engine import Refused
from policies.sanctions.words import Grade

MAX_REASON = 500
PAGE = 50
BY_STAFF = "staff"
"""Asks for reports that came in no mail."""
WAYS = frozenset({"smtp", "api", "cli", "desk"})
"""Sources that say how a report came; any other is the listed domain that has signed it."""
OPEN = (ReportState.WAITING, ReportState.UNMATCHED)
routes = APIRouter()


@routes.get("/reports")
async def reports(request: Request, parts: Parts, _who: Anyone) -> Response:
    """Those that wait for a person, or others by form, grade and state; oldest first."""
    asked = request.query_params
    form, grade, state = asked.get("form", ""), asked.get("grade", ""), asked.get("state", "open")
    written = asked.get("after", "")
    after = int(written) if written.isdecimal() and len(written) < 19 else 0
    states: tuple[ReportState, ...] = OPEN if state == "open" else ()
    if state in tuple(ReportState):
        states = (ReportState(state),)
    with parts.database.reading() as connection:
        found = queue_reports(
            connection,
            states=states,
            form="" if form == BY_STAFF else form if form in tuple(Form) else None,
            grade=Grade(grade) if grade in tuple(Grade) else None,
            after=after,
            limit=PAGE + 1,
        )
        waiting = feedback_counts.waiting(connection)
    kept = {"form": form, "grade": grade, "state": state}
    more = urlencode({**kept, "after": found[PAGE - 1].number}) if len(found) > PAGE else ""
    return page(
        request, "reports", TEXTS, reports=found[:PAGE], more=more, storms=waiting.storms,
        form=form, grade=grade, state=state,
        forms=(*Form, BY_STAFF), grades=tuple(Grade), states=("open", *ReportState),
    )  # fmt: skip


@routes.get("/reports/{number}")
async def report(request: Request, number: Number, parts: Parts, _who: Anyone) -> Response:
    """The report, its words masked."""
    return _page(request, parts, number)


@routes.post("/reports/{number}/reveal")
async def reveal(
    request: Request, number: Number, parts: Parts, who: Worker, form: Posted
) -> Response:
    """The report with its words in plain, for a reason."""
    reason, now = form.text("reason", MAX_REASON), parts.clock()
    if not reason:
        return _page(request, parts, number, trouble="reason_lacking")
    found = _found(parts, number)

    def work(connection: Connection) -> None:
        audit.append(
            connection, at=now, actor=who.name, action="address.revealed", scope=found.tenant,
            key=found.key or None, detail={"report": number, "why": reason, "screen": "reports"},
        )  # fmt: skip

    await parts.database.write(work)
    return _page(request, parts, number, is_revealed=True)


@routes.post("/reports/{number}")
async def decide(
    request: Request, number: Number, parts: Parts, who: Worker, form: Posted
) -> Response:
    """Count, dismiss or match it."""
    reason, tenant = form.text("reason", MAX_REASON), form.text("tenant", 63)
    stream, now = form.text("stream", 63), parts.clock()
    try:
        decision = ReportDecision(form.text("decision", 20))
    except ValueError:
        raise Problem(HTTPStatus.BAD_REQUEST) from None
    if not reason:
        return _page(request, parts, number, trouble="reason_lacking")
    _found(parts, number)

    def work(connection: Connection) -> ReportTaken:
        return decide_report(
            connection, number, decision, who.name, reason, now, parts.rules,
            tenant=tenant, stream=stream,
        )  # fmt: skip

    try:
        taken = await parts.database.write(work)
    except (ReportDecided, Refused) as error:
        return _page(
            request, parts, number, trouble="refused", why=told(str(error), language_of(request))
        )
    for event in taken.events:
        parts.emit(event)
    return back_to(request, f"reports/{number}")


def _found(parts: DeskParts, number: int) -> StoredReport:
    with parts.database.reading() as connection:
        found = find_report(connection, number) if number < 2**63 else None
    if found is None:
        raise Problem(HTTPStatus.NOT_FOUND)
    return found


def _page(
    request: Request,
    parts: DeskParts,
    number: int,
    *,
    trouble: str = "",
    why: str = "",
    is_revealed: bool = False,
) -> Response:
    found = _found(parts, number)
    with parts.database.reading() as connection:
        words = words_of(connection, parts.keyring, found)
        facts = case_view.facts_by_number(connection, [found.fact] if found.fact else [])
    shown, is_signed = seen(words, is_revealed), bool(found.form) and found.source not in WAYS
    return page(
        request,
        "report",
        TEXTS,
        HTTPStatus.BAD_REQUEST if trouble else HTTPStatus.OK,
        report=found,
        case=next((case_id(fact.case) for fact in facts if fact.case), ""),
        is_open=found.state in OPEN,
        is_signed=is_signed,
        seen=shown,
        graded=graded_for(found, shown, is_signed),
        is_erased=words is None and found.subject is not None,
        is_revealed=is_revealed,
        tenants=sorted(parts.tenants),
        trouble=trouble,
        why=why,
    )

"""*Subject requests*: what people ask for their own data, with the clock of one month.

Open requests come first, the most overdue on top; each page of one says what is left of its time
and offers what answers it (`gateway.web.desk.subject_acts`). A request is filed with who checked
the person's identity and how. Addresses stay masked; forms send them by POST.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, time
from http import HTTPStatus
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query, Request, Response

from gateway.records.database import Connection
from gateway.records.subject_requests import (
    RequestKind,
    RequestRefused,
    SubjectRequest,
    latest_done,
    list_requests,
    record,
)
from gateway.web.desk import subject_acts
from gateway.web.desk.gate import CHANGES, Anyone, Number, Posted, Worker
from gateway.web.desk.pages import Problem, back_to, language_of, page
from gateway.web.desk.parts import DeskParts, Parts
from gateway.web.desk.subject_page import person_of, show_request
from gateway.web.desk.subject_texts import TEXTS

routes = APIRouter()
SHOWN = 200


@routes.get("/subjects")
async def subjects(
    request: Request,
    parts: Parts,
    staff: Anyone,
    tenant: Annotated[str, Query(max_length=100)] = "",
    done: Annotated[bool, Query()] = False,
) -> Response:
    """The open requests most overdue; those done last, too, if asked."""

    def work() -> tuple[list[SubjectRequest], bool]:
        with parts.database.reading() as connection:
            found = list_requests(connection, parts.keyring, tenant, limit=SHOWN + 1)
            is_more, found = len(found) > SHOWN, found[:SHOWN]
            if done:
                found += latest_done(connection, parts.keyring, tenant, SHOWN)
            return found, is_more

    found, is_more = await asyncio.to_thread(work)
    return page(
        request,
        "subjects",
        TEXTS,
        found=found,
        shown=SHOWN if is_more else 0,
        tenant=tenant,
        tenants=sorted(parts.tenants),
        done=done,
        may_change=staff.may(*CHANGES),
    )


@routes.get("/subjects/new")
async def new_form(request: Request, parts: Parts, _staff: Worker) -> Response:
    """The form for a request."""
    return _form(request, parts)


@routes.post("/subjects/new")
async def file_request(request: Request, parts: Parts, staff: Worker, form: Posted) -> Response:
    """Note a request; its clock runs from the day it came in."""
    texts = TEXTS[language_of(request)]
    tenant, identity = form.text("tenant", 100), form.text("identity", 500)
    now = parts.clock()
    try:
        kind = RequestKind(form.text("kind", 20))
        received = _received(form.text("received", 10), staff.zone, now)
    except ValueError:
        raise Problem(HTTPStatus.BAD_REQUEST) from None
    if (person := person_of(form.text("address", 400))) is None:
        return _form(request, parts, texts["no_address"])
    if tenant and tenant not in parts.tenants:
        return _form(request, parts, texts["no_tenant"])
    scope = tenant or "*"

    def work(connection: Connection) -> int:
        return record(
            connection, parts.keyring, kind, person, scope, identity, received, staff.name, now
        )

    try:
        number = await parts.database.write(work)
    except RequestRefused as refused:
        return _form(request, parts, str(refused))
    return back_to(request, f"subjects/{number}")


routes.include_router(subject_acts.routes)


@routes.get("/subjects/{number}")
async def show(request: Request, parts: Parts, staff: Anyone, number: Number) -> Response:
    """One request and what answers it."""
    return show_request(request, parts, staff, number)


def _form(request: Request, parts: DeskParts, refused: str = "") -> Response:
    return page(
        request,
        "subject_new",
        TEXTS,
        kinds=list(RequestKind),
        tenants=sorted(parts.tenants),
        refused=refused,
    )


def _received(text: str, zone: str, now: float) -> float:
    """The day a request came in, as an instant that is not to come. ValueError for no day."""
    if not text:
        return now
    noon = datetime.combine(date.fromisoformat(text), time(12), ZoneInfo(zone))
    today = datetime.fromtimestamp(now, UTC).astimezone(ZoneInfo(zone)).date()
    return now if noon.date() == today else noon.timestamp()

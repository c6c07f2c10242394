"""*Look-up*: paste an address, token, Message-ID, ref or case, and see all that is known of it.

What is pasted comes by POST and goes back into the forms of the answer, never into an address of a
page, a log or a browser's history. Addresses are masked until they are revealed with a reason,
which the audit trail keeps. From the answer one suppresses, lifts, takes a report and files a
subject request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from http import HTTPStatus

from fastapi import APIRouter, Request, Response

from gateway.config.scopes import all_scopes, is_scope
from gateway.privacy.labels import FIELDS, VALUES
from gateway.records import audit
from gateway.records.database import Connection
from gateway.records.subject_requests import RequestKind, RequestRefused, record
from gateway.records.suppressions import Refused
from gateway.web.desk.dangerous import reason_of
from gateway.web.desk.entry_acts import REASONS, ask_suppress, capacity, lift_entry, suppress
from gateway.web.desk.gate import CHANGES, DECIDES, Anyone, Form, Posted, Staff, Worker
from gateway.web.desk.look_up_report import report_of, take
from gateway.web.desk.look_up_texts import TEXTS
from gateway.web.desk.look_up_view import Found, gather, masked
from gateway.web.desk.pages import Problem, language_of, page
from gateway.web.desk.parts import DeskParts, Parts
from gateway.web.desk.recognition import MAX_TEXT, Kind, recognise
from suppression.standing import Reason, Stops
from suppression.tokens import Tokens

routes = APIRouter()

TIMES = frozenset(
    {"since", "ends", "lifted", "given", "ended", "requested", "made", "delivered", "at"}
    | {"received", "due", "done", "decided"}
)
"""Fields of holdings that are instants."""


@routes.get("/look-up")
async def look_up_form(request: Request, parts: Parts, _staff: Anyone) -> Response:
    """The empty form."""
    return _page(request, parts, _staff, "", None)


@routes.post("/look-up")
async def look_up(request: Request, parts: Parts, staff: Anyone, form: Posted) -> Response:
    """What is known."""
    return await _answer(request, parts, staff, form)


@routes.post("/look-up/reveal")
async def reveal(request: Request, parts: Parts, staff: Worker, form: Posted) -> Response:
    """The same with addresses in plain; that it was asked, and why, is on record."""
    found = await _found(parts, form)
    why = _required(form, "reason")
    if found.person is None:
        raise Problem(HTTPStatus.BAD_REQUEST)
    key, now = found.person.key, parts.clock()

    def work(connection: Connection) -> None:
        audit.append(
            connection,
            at=now,
            actor=staff.name,
            action="address.revealed",
            key=key,
            detail={"why": why, "screen": "look-up"},
        )

    await parts.database.write(work)
    return await _answer(request, parts, staff, form, is_revealed=True)


@routes.post("/look-up/suppress")
async def add_entry(request: Request, parts: Parts, staff: Worker, form: Posted) -> Response:
    """Suppress the person or domain that was looked up."""
    found = await _found(parts, form)
    why, scope = _required(form, "reason"), form.text("scope", 200)
    try:
        reason = Reason(form.text("kind", 20))
        stops = Stops(form.text("stops", 20) or Stops.EVERYTHING)
    except ValueError:
        raise Problem(HTTPStatus.BAD_REQUEST) from None
    target = found.person.address or found.person.key if found.person else found.reading.domain
    if not target or reason not in REASONS:
        raise Problem(HTTPStatus.BAD_REQUEST)
    if not is_scope(parts.tenants, scope):
        return await _answer(request, parts, staff, form, problem="no_scope")
    if (scope == "*" or isinstance(target, str)) and reason_of(form) is None:
        named = masked(found) or found.reading.domain
        fields = {"what": form.text("what", MAX_TEXT), "stops": stops}
        return await ask_suppress(request, parts, form, named, reason, scope, fields, "look-up")

    def work(connection: Connection) -> bool:
        return suppress(connection, parts, staff, target, reason, scope, why, stops)[1]

    return await _done(request, parts, staff, form, work, "added")


@routes.post("/look-up/lift")
async def lift(request: Request, parts: Parts, staff: Worker, form: Posted) -> Response:
    """Lift one entry of the person that was looked up."""
    why, number = _required(form, "reason"), form.number("entry")
    if number is None:
        raise Problem(HTTPStatus.BAD_REQUEST)

    def work(connection: Connection) -> bool:
        lift_entry(connection, parts, staff, number, why)
        return True

    return await _done(request, parts, staff, form, work, "was_lifted")


@routes.post("/look-up/request")
async def file_request(request: Request, parts: Parts, staff: Worker, form: Posted) -> Response:
    """Note what the person asks for their own data, and start its clock."""
    found = await _found(parts, form)
    identity, tenant = _required(form, "identity"), form.text("tenant", 100)
    person = found.person.address if found.person else None
    try:
        kind = RequestKind(form.text("kind", 20))
    except ValueError:
        raise Problem(HTTPStatus.BAD_REQUEST) from None
    if person is None:
        raise Problem(HTTPStatus.BAD_REQUEST)
    if tenant and tenant not in parts.tenants:
        return await _answer(request, parts, staff, form, problem="no_tenant")
    now = parts.clock()

    def work(connection: Connection) -> bool:
        scope = tenant or "*"
        record(connection, parts.keyring, kind, person, scope, identity, now, staff.name, now)
        return True

    return await _done(request, parts, staff, form, work, "filed")


@routes.post("/look-up/report")
async def report(request: Request, parts: Parts, staff: Worker, form: Posted) -> Response:
    """Take a complaint of the person's; what becomes of it is decided with its report."""
    found = await _found(parts, form)
    tenant, text = form.text("tenant", 100), _required(form, "said")
    if found.person is None:
        raise Problem(HTTPStatus.BAD_REQUEST)
    if tenant not in parts.tenants:
        return await _answer(request, parts, staff, form, problem="no_tenant")
    one = report_of(found, tenant, text, staff.name, parts.clock())
    events = await parts.database.write(lambda connection: take(connection, parts, found, one))
    for event in events:
        parts.emit(event)
    return await _answer(request, parts, staff, form, said="reported")


async def _done(
    request: Request,
    parts: DeskParts,
    staff: Staff,
    form: Form,
    work: Callable[[Connection], bool],
    said: str,
) -> Response:
    """Make a change, then show the person as they stand now."""
    try:
        is_new = await parts.database.write(work)
    except (Refused, RequestRefused, LookupError) as refused:
        return await _answer(request, parts, staff, form, refused=str(refused.args[0]))
    return await _answer(request, parts, staff, form, said=said if is_new else "known_already")


async def _found(parts: DeskParts, form: Form, is_revealed: bool = False) -> Found:
    reading = recognise(form.text("what", MAX_TEXT), Tokens(parts.keyring))
    return await asyncio.to_thread(gather, parts, reading, is_revealed)


async def _answer(
    request: Request,
    parts: DeskParts,
    staff: Staff,
    form: Form,
    *,
    is_revealed: bool = False,
    **told: str,
) -> Response:
    found = await _found(parts, form, is_revealed)
    return _page(request, parts, staff, form.text("what", MAX_TEXT), found, is_revealed, **told)


def _page(
    request: Request,
    parts: DeskParts,
    staff: Staff,
    what: str,
    found: Found | None,
    is_revealed: bool = False,
    said: str = "",
    problem: str = "",
    refused: str = "",
) -> Response:
    language = language_of(request)
    return page(
        request,
        "look_up",
        TEXTS,
        what=what,
        found=found,
        person=(found.address if is_revealed else masked(found)) if found else "",
        is_revealed=is_revealed,
        said=said,
        problem=problem,
        refused=refused,
        kinds=Kind,
        reasons=[one for one in REASONS if one is not Reason.PROTECTED or staff.may(*DECIDES)],
        stops=list(Stops),
        request_kinds=list(RequestKind),
        scopes=["*", *all_scopes(parts.tenants)],
        tenants=sorted(parts.tenants),
        may_change=staff.may(*CHANGES),
        capacity=lambda entry: capacity(entry, staff.role),
        fields=FIELDS[language],
        values=VALUES[language],
        times=TIMES,
    )


def _required(form: Form, name: str) -> str:
    """A text that must be there; Problem without it."""
    text = form.text(name, 500)
    if not text:
        raise Problem(HTTPStatus.BAD_REQUEST)
    return text

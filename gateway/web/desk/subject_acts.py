"""What answers a subject request: the report, rectification, objection, restriction, erasure.

Each act rests on the open request in its path and closes it. An erasure is for leads and operators,
is asked twice and cannot be undone; when it could not be finished in every file, the page says so
and the same act finishes it. What is refused comes back as the request's page with the reason.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from http import HTTPStatus

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse

from gateway.control import ControlError
from gateway.errors import StoreUnavailable
from gateway.privacy import acts
from gateway.privacy.page import as_html
from gateway.privacy.report import SubjectReport, make_report
from gateway.records import audit
from gateway.records.database import Connection
from gateway.records.holdings import about, other_spellings
from gateway.records.rights import unrestrict
from gateway.records.subject_requests import (
    RequestKind,
    RequestRefused,
    SubjectRequest,
    address_of,
    close,
    extend,
    find_request,
    require_open,
)
from gateway.records.suppressions import Refused
from gateway.web.desk.gate import Form, Lead, Number, Posted, Staff, Worker
from gateway.web.desk.pages import Problem, back_to, language_of, page
from gateway.web.desk.parts import DeskParts, Parts
from gateway.web.desk.subject_page import person_of, show_request
from gateway.web.desk.subject_texts import TEXTS
from gateway.words import Address

routes = APIRouter()


@routes.post("/subjects/{number}/report")
async def report(
    request: Request, parts: Parts, staff: Worker, number: Number, form: Posted
) -> Response:
    """Download all that is stored about the person (articles 15 and 20); it closes the request."""
    one, person = _of(parts, number)
    now, tenant = parts.clock(), "" if one.scope == "*" else one.scope
    is_json = form.text("form", 10) == "json"

    def work(connection: Connection) -> None:
        if one.done_at is None:
            require_open(connection, parts.keyring, number, one.kind, person)
            close(connection, number, "report made", staff.name, now)
        audit.append(
            connection,
            at=now,
            actor=staff.name,
            action="subject.reported",
            scope=one.scope,
            key=parts.keyring.exact_key(person),
            detail={"request": number},
        )

    def made() -> SubjectReport:
        with parts.database.reading() as connection:
            state_dir = parts.loaded.config.state_dir
            return make_report(connection, parts.keyring, state_dir, person, tenant, now)

    if one.kind not in (RequestKind.ACCESS, RequestKind.PORTABILITY):
        raise Problem(HTTPStatus.BAD_REQUEST)
    found = await asyncio.to_thread(made)
    try:
        await parts.database.write(work)
    except RequestRefused as refused:  # somebody else was faster
        return show_request(request, parts, staff, number, str(refused))
    name = f'attachment; filename="request-{number}.{"json" if is_json else "html"}"'
    headers = {"Content-Disposition": name}
    if is_json:
        text = found.model_dump_json(indent=2)
        return Response(text, media_type="application/json", headers=headers)
    return HTMLResponse(as_html(found, language_of(request)), headers=headers)


@routes.post("/subjects/{number}/rectify")
async def rectify(
    request: Request, parts: Parts, staff: Worker, number: Number, form: Posted
) -> Response:
    """Correct the person's address (article 16)."""
    new = person_of(form.text("address", 400))
    if new is None:
        return show_request(
            request, parts, staff, number, TEXTS[language_of(request)]["no_address"]
        )

    def act(one: acts.Act) -> None:
        acts.rectify_person(one, new)

    return await _act(request, parts, staff, number, act)


@routes.post("/subjects/{number}/object")
async def object_(
    request: Request, parts: Parts, staff: Worker, number: Number, form: Posted
) -> Response:
    """Stop a tenant's marketing for good (article 21)."""

    def act(one: acts.Act) -> None:
        acts.object_person(one)

    return await _act(request, parts, staff, number, act, _tenant(parts, form))


@routes.post("/subjects/{number}/restrict")
async def restrict(
    request: Request, parts: Parts, staff: Worker, number: Number, form: Posted
) -> Response:
    """Have a tenant's data stored and nothing else (article 18)."""

    def act(one: acts.Act) -> None:
        acts.restrict_person(one)

    return await _act(request, parts, staff, number, act, _tenant(parts, form))


@routes.post("/subjects/{number}/unrestrict")
async def end_restriction(
    request: Request, parts: Parts, staff: Worker, number: Number, form: Posted
) -> Response:
    """End a restriction that this request led to; the person is told before."""
    one, person = _of(parts, number)
    tenant = one.scope if one.scope != "*" else _tenant(parts, form)
    why = _required(form, "reason")

    def work(connection: Connection) -> None:
        unrestrict(connection, parts.keyring, person, tenant, why, staff.name, parts.clock())

    return await _change(request, parts, staff, number, work)


@routes.post("/subjects/{number}/extend")
async def extend_request(
    request: Request, parts: Parts, staff: Worker, number: Number, form: Posted
) -> Response:
    """Give a request two months more, once."""
    why = _required(form, "reason")

    def work(connection: Connection) -> None:
        extend(connection, number, why, staff.name, parts.clock())

    return await _change(request, parts, staff, number, work)


@routes.post("/subjects/{number}/close")
async def close_request(
    request: Request, parts: Parts, staff: Worker, number: Number, form: Posted
) -> Response:
    """Note that a request was refused or answered otherwise, and how."""
    outcome = _required(form, "reason")

    def work(connection: Connection) -> None:
        close(connection, number, outcome, staff.name, parts.clock())

    return await _change(request, parts, staff, number, work)


@routes.post("/subjects/{number}/erase")
async def erase(
    request: Request, parts: Parts, staff: Lead, number: Number, form: Posted
) -> Response:
    """Destroy all that is readable about the person (article 17), once that is confirmed."""
    one, person = _of(parts, number)
    tenant = "" if one.scope == "*" else one.scope
    if form.text("confirmed") != "yes":
        with parts.database.reading() as connection:
            held = about(connection, parts.keyring, person, tenant)
        counts = {name: len(rows) for name, rows in held.items() if rows}
        return page(request, "subject_erase", TEXTS, one=one, counts=counts)

    def spelt() -> tuple[Address, ...]:
        with parts.database.reading() as connection:
            return tuple(other_spellings(connection, parts.keyring, person))

    def act(one: acts.Act) -> None:
        acts.erase_person(one)

    spellings = await asyncio.to_thread(spelt)
    answer = await _act(request, parts, staff, number, act, tenant, spellings)
    if answer.status_code != HTTPStatus.SEE_OTHER:
        return answer
    config = parts.loaded.config
    try:
        await asyncio.to_thread(
            acts.finish_erasure, config.database, config.state_dir, parts.keyring, person
        )
    except (ControlError, OSError, StoreUnavailable) as error:
        # The request's address is gone by now: the command takes it from whoever knows it.
        text = TEXTS[language_of(request)]["unfinished"].format(error=error)
        return show_request(request, parts, staff, number, text)
    return answer


async def _act(
    request: Request,
    parts: DeskParts,
    staff: Staff,
    number: int,
    act: Callable[[acts.Act], None],
    tenant: str | None = None,
    spellings: tuple[Address, ...] = (),
) -> Response:
    """Do what answers an open request, and close it."""
    one, person = _of(parts, number)
    where = one.scope if one.scope != "*" else tenant or ""
    basis = acts.Basis(number)

    def work(connection: Connection) -> None:
        now = parts.clock()
        act(acts.Act(connection, parts.keyring, person, where, basis, staff.name, now, spellings))

    return await _change(request, parts, staff, number, work)


async def _change(
    request: Request,
    parts: DeskParts,
    staff: Staff,
    number: int,
    work: Callable[[Connection], None],
) -> Response:
    try:
        await parts.database.write(work)
    except (RequestRefused, Refused) as refused:
        return show_request(request, parts, staff, number, str(refused))
    except LookupError:
        raise Problem(HTTPStatus.NOT_FOUND) from None
    return back_to(request, f"subjects/{number}")


def _of(parts: DeskParts, number: int) -> tuple[SubjectRequest, Address]:
    """A request and whose it is; Problem when either is not known any more."""
    try:
        with parts.database.reading() as connection:
            one = find_request(connection, parts.keyring, number)
            person = address_of(connection, parts.keyring, number)
    except LookupError:
        raise Problem(HTTPStatus.NOT_FOUND) from None
    if person is None:
        raise Problem(HTTPStatus.CONFLICT)
    return one, person


def _tenant(parts: DeskParts, form: Form) -> str:
    """The tenant that an act is about, where the request names none."""
    tenant = form.text("tenant", 100)
    if tenant and tenant not in parts.tenants:
        raise Problem(HTTPStatus.BAD_REQUEST)
    return tenant


def _required(form: Form, name: str) -> str:
    text = form.text(name, 500)
    if not text:
        raise Problem(HTTPStatus.BAD_REQUEST)
    return text

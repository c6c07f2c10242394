"""*Consent*: proofs and attestations, evidence sheets, verifying a tenant's chain, revoking.

A proof is found by its tracking number, its link or an address (pasted by POST), or among the
latest of a tenant or list. Who the person is, from where they agreed and the evidence sheet are
given for a reason only, which the audit trail keeps. A revocation ends the consent for good.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import HTMLResponse

from gateway.config.scopes import all_scopes
from gateway.evidence.gather import ChainState, gather
from gateway.evidence.page import as_html
from gateway.evidence.sheet import Frame, make_sheet
from gateway.records import audit, proofs
from gateway.records.consents import list_attestations
from gateway.records.database import Connection
from gateway.records.proofs import Proof
from gateway.web.desk.consents_texts import TEXTS
from gateway.web.desk.gate import CHANGES, Anyone, Form, Posted, Staff, Worker
from gateway.web.desk.pages import Problem, back_to, language_of, page
from gateway.web.desk.parts import DeskParts, Parts
from gateway.web.desk.recognition import MAX_TEXT, Kind, recognise
from suppression.consent import EvidenceError, Status
from suppression.masking import mask
from suppression.tokens import Purpose, Tokens

routes = APIRouter()

PAGE = 50
Tracking = Annotated[str, Path(pattern="^[0-9a-f]{32}$")]


@routes.get("/consents")
async def consents(
    request: Request,
    parts: Parts,
    _staff: Anyone,
    scope: Annotated[str, Query(max_length=200)] = "",
    before: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None,
) -> Response:
    """The latest proofs, of all, of a tenant or of a list."""
    tenant, _, stream = scope.partition("/")

    def work() -> list[Proof]:
        with parts.database.reading() as connection:
            return proofs.latest(connection, parts.keyring, tenant, stream, before, PAGE)

    found = await asyncio.to_thread(work)
    following = found[-1].id if len(found) == PAGE else None
    return _list(request, parts, found, scope=scope, before=before, next=following)


@routes.post("/consents")
async def find(request: Request, parts: Parts, _staff: Anyone, form: Posted) -> Response:
    """The proof that a number or link names, or all of an address."""
    reading = recognise(form.text("what", MAX_TEXT), Tokens(parts.keyring))
    match reading.kind:
        case Kind.NUMBER:
            return back_to(request, f"consents/{reading.number.hex()}")
        case Kind.TOKEN if reading.token and reading.purpose is Purpose.CONFIRM:
            return back_to(request, f"consents/{reading.token.key.hex()}")
        case Kind.ADDRESS if reading.address is not None:
            with parts.database.reading() as connection:
                found = proofs.find(connection, parts.keyring, reading.address)
            return _list(request, parts, found[::-1], is_of_address=True)
        case _:
            return _list(request, parts, [], is_unreadable=True)


@routes.get("/consents/attestations")
async def attestations(
    request: Request,
    parts: Parts,
    _staff: Anyone,
    tenant: Annotated[str, Query(max_length=100)] = "",
) -> Response:
    """What tenants have declared about their lists."""
    with parts.database.reading() as connection:
        found = list_attestations(connection, tenant)
    tenants = sorted(parts.tenants)
    return page(request, "attestations", TEXTS, found=found, tenant=tenant, tenants=tenants)


@routes.get("/consents/verify")
async def verify(
    request: Request,
    parts: Parts,
    _staff: Anyone,
    tenant: Annotated[str, Query(max_length=100)] = "",
) -> Response:
    """Go through a tenant's chain, every step of it."""
    if tenant not in parts.tenants:
        raise Problem(HTTPStatus.NOT_FOUND)

    def work() -> ChainState:
        with parts.database.reading() as connection:
            return ChainState(proofs.head(connection, tenant), proofs.verify(connection, tenant))

    chain = await asyncio.to_thread(work)
    return page(request, "chain", TEXTS, tenant=tenant, chain=chain)


@routes.get("/consents/{tracking}")
async def show(request: Request, parts: Parts, staff: Anyone, tracking: Tracking) -> Response:
    """One proof with its steps; what is personal stays closed."""
    return await _proof_page(request, parts, staff, tracking)


@routes.post("/consents/{tracking}/reveal")
async def reveal(
    request: Request, parts: Parts, staff: Worker, tracking: Tracking, form: Posted
) -> Response:
    """The same with what is personal, once a reason is on record."""
    await _record(parts, staff, tracking, form)
    return await _proof_page(request, parts, staff, tracking, is_revealed=True)


@routes.post("/consents/{tracking}/sheet")
async def sheet(
    request: Request, parts: Parts, staff: Worker, tracking: Tracking, form: Posted
) -> Response:
    """The evidence sheet as HTML or PDF, once a reason is on record."""
    await _record(parts, staff, tracking, form)
    is_pdf = form.text("form", 10) == "pdf"
    zone = ZoneInfo(staff.zone)

    def work() -> Response:
        with parts.database.reading() as connection:
            proof = _proof(connection, parts, tracking)
            gathered = gather(connection, parts.keyring, [proof])
        frame = Frame(
            hostname=parts.loaded.config.hostname,
            address=proof.address,
            made_at=parts.clock(),
            language=language_of(request),
            zone=zone,
            tenants=parts.tenants,
        )
        made = make_sheet(gathered, frame)
        name = f'attachment; filename="consent-{tracking}.{"pdf" if is_pdf else "html"}"'
        headers = {"Content-Disposition": name}
        if is_pdf:
            from gateway.evidence.pdf import as_pdf  # only here: its libraries load long

            return Response(as_pdf(made), media_type="application/pdf", headers=headers)
        return HTMLResponse(as_html(made), headers=headers)

    return await asyncio.to_thread(work)


@routes.post("/consents/{tracking}/revoke")
async def revoke(
    request: Request, parts: Parts, staff: Worker, tracking: Tracking, form: Posted
) -> Response:
    """End a consent, or the request for one."""
    why, now = _required(form), parts.clock()

    def work(connection: Connection) -> bool:
        number = bytes.fromhex(tracking)
        return proofs.revoke(connection, parts.keyring, number, staff.name, why, now).is_new

    try:
        is_new = await parts.database.write(work)
    except LookupError:
        raise Problem(HTTPStatus.NOT_FOUND) from None
    except EvidenceError as error:
        raise Problem(HTTPStatus.BAD_REQUEST, str(error)) from None
    if not is_new:
        raise Problem(HTTPStatus.CONFLICT)
    return back_to(request, f"consents/{tracking}")


async def _record(parts: DeskParts, staff: Staff, tracking: str, form: Form) -> None:
    """Note in the audit trail who is shown whose data, and why."""
    why, now = _required(form), parts.clock()

    def work(connection: Connection) -> None:
        proof = _proof(connection, parts, tracking)
        audit.append(
            connection,
            at=now,
            actor=staff.name,
            action="address.revealed",
            scope=f"{proof.tenant}/{proof.stream}",
            key=proof.key,
            detail={"proof": proof.number, "why": why, "screen": "consents"},
        )

    await parts.database.write(work)


def _required(form: Form) -> str:
    why = form.text("reason", 500)
    if not why:
        raise Problem(HTTPStatus.BAD_REQUEST)
    return why


def _proof(connection: Connection, parts: DeskParts, tracking: str) -> Proof:
    try:
        return proofs.by_tracking(connection, parts.keyring, bytes.fromhex(tracking))
    except LookupError:
        raise Problem(HTTPStatus.NOT_FOUND) from None


async def _proof_page(
    request: Request, parts: DeskParts, staff: Staff, tracking: str, is_revealed: bool = False
) -> Response:
    def work() -> tuple[Proof, list[proofs.StepRecord]]:
        with parts.database.reading() as connection:
            proof = _proof(connection, parts, tracking)
            return proof, proofs.steps(connection, parts.keyring, proof.id)

    proof, steps = await asyncio.to_thread(work)
    can_end = proof.status.is_pending or proof.status is Status.CONFIRMED
    return page(
        request,
        "consent",
        TEXTS,
        proof=proof,
        steps=steps,
        person=proof.address if is_revealed else mask(proof.address),
        is_revealed=is_revealed,
        may_change=staff.may(*CHANGES),
        can_end=can_end and not proof.has_ended,
    )


def _list(request: Request, parts: DeskParts, found: list[Proof], **values: object) -> Response:
    told = {"scope": "", "before": None, "next": None, "is_of_address": False}
    return page(
        request,
        "consents",
        TEXTS,
        HTTPStatus.OK,
        **{
            **told,
            "is_unreadable": False,
            "found": found,
            "shown": {proof.id: mask(proof.address) for proof in found},
            "scopes": all_scopes(parts.tenants),
            "tenants": sorted(parts.tenants),
            **values,
        },
    )

"""`/consents/{tracking}/evidence` and `/reveal`: everything on record about one proof.

A tenant reads its own evidence as it is. Staff give a reason first, which the audit trail keeps,
because the sheet holds the address, IP addresses and software of a person in plain. JSON, HTML or
PDF by the Accept field (RFC 9110 section 12.5.1), JSON unless another is named.
"""

from __future__ import annotations

from typing import Annotated, Any
from zoneinfo import ZoneInfo, available_timezones

from fastapi import APIRouter, Query, Request, Response, Security
from pydantic import BaseModel, Field

from gateway.evidence.gather import Gathered, gather
from gateway.evidence.page import as_html
from gateway.evidence.sheet import Frame, make_sheet
from gateway.records import audit
from gateway.records.api_tokens import Permission
from gateway.records.database import Connection
from gateway.records.proofs import Proof
from gateway.web.api.call import Call, Change, reading, recording
from gateway.web.api.consent_models import Consent, Language, consent_of
from gateway.web.api.consents import Tracking, visible
from gateway.web.api.errors import INVALID, NOT_FOUND, PERMISSION, Flaw, Problem, documented
from gateway.web.api.moments import Moment, moment
from gateway.web.api.security import staff_only
from gateway.web.api.suppressions import Reveal

routes = APIRouter(prefix="/consents", tags=["consents"])
Reads = Annotated[Call, Security(reading, scopes=[Permission.CONSENTS_READ])]
Reveals = Annotated[Change, Security(recording, scopes=[Permission.CONSENTS_READ])]
LanguageQuery = Annotated[
    Language | None, Query(description="Of HTML and PDF; the proof's own when absent.")
]
ZoneQuery = Annotated[
    str,
    Query(
        max_length=64,
        description="Time zone of the times in brackets in HTML and PDF, an IANA name.",
        examples=["Europe/Warsaw"],
    ),
]


class EvidenceStep(BaseModel):
    """One step of a proof, as its chain holds it."""

    number: int = Field(description="In the tenant's chain.")
    step: str
    at: Moment
    facts: dict[str, Any]
    personal: dict[str, Any] | None = Field(description="Null when there is nothing, or erased.")
    erased: bool
    digest: str


class Chain(BaseModel):
    """The tenant's chain: where it ends, and the first thing wrong with it."""

    number: int
    digest: str
    flaw: str | None


class EvidenceSheet(BaseModel):
    """Everything on record about one proof."""

    consent: Consent
    steps: list[EvidenceStep]
    chain: Chain


_ZONES = frozenset(available_timezones())
"""Read once: it opens some 600 files."""

_SHEET: dict[str, Any] = {
    "response_model": EvidenceSheet,
    "responses": {
        **documented(NOT_FOUND),
        200: {
            "content": {
                "text/html": {"schema": {"type": "string"}},
                "application/pdf": {"schema": {"type": "string", "format": "binary"}},
            }
        },
    },
}


@routes.get("/{tracking}/evidence", **_SHEET)
async def show_evidence(
    call: Reads, tracking: Tracking, language: LanguageQuery = None, zone: ZoneQuery = "UTC"
) -> Response:
    """Show a tenant its evidence of one consent, as JSON, HTML or PDF by `Accept`."""
    if call.caller.is_staff:
        raise Problem(PERMISSION, "staff give a reason: POST to .../reveal")
    where = _zone(zone)

    def work(connection: Connection) -> Response:
        proof = visible(call, connection, tracking)
        return _sheet(call, connection, proof, language, where)

    return await call.read(work)


@routes.post("/{tracking}/reveal", **_SHEET)
async def reveal_evidence(
    call: Reveals,
    tracking: Tracking,
    ground: Reveal,
    language: LanguageQuery = None,
    zone: ZoneQuery = "UTC",
) -> Response:
    """Show staff the evidence of one consent in plain; the trail says who asked, and why."""
    staff_only(call.caller)
    where = _zone(zone)

    def record(connection: Connection) -> Proof:
        proof = visible(call, connection, tracking)
        audit.append(
            connection,
            at=call.now,
            actor=call.caller.actor,
            action="address.revealed",
            scope=f"{proof.tenant}/{proof.stream}",
            key=proof.key,
            detail={"proof": proof.number, "why": ground.why},
        )
        return proof

    proof = await call.write(record)
    return await call.read(lambda connection: _sheet(call, connection, proof, language, where))


def _sheet(
    call: Call, connection: Connection, proof: Proof, language: Language | None, zone: ZoneInfo
) -> Response:
    gathered = gather(connection, call.parts.keyring, [proof])
    kind = media_type(call.request)
    if kind == "application/json":
        return Response(_model(gathered, proof).model_dump_json(), media_type=kind)
    frame = Frame(
        hostname=call.parts.loaded.config.hostname,
        address=proof.address,
        made_at=call.now,
        language=language or proof.language,
        zone=zone,
        tenants=call.parts.tenants,
    )
    sheet = make_sheet(gathered, frame)
    if kind == "text/html":
        return Response(as_html(sheet), media_type=kind)
    from gateway.evidence.pdf import as_pdf  # only here: its libraries load long

    name = f'attachment; filename="consent-{proof.number}.pdf"'
    return Response(as_pdf(sheet), media_type=kind, headers={"Content-Disposition": name})


def media_type(request: Request) -> str:
    """JSON, HTML or PDF: the first of them that Accept names."""
    accepted = request.headers.get("accept", "").lower().split(",")
    named = (item.partition(";")[0].strip() for item in accepted)
    known = ("application/json", "text/html", "application/pdf")
    return next((kind for kind in named if kind in known), known[0])


def _model(gathered: Gathered, proof: Proof) -> EvidenceSheet:
    (story,) = gathered.stories
    chain = gathered.chains[proof.tenant]
    flaw = chain.flaw
    return EvidenceSheet(
        consent=consent_of(proof, is_masked=False),
        steps=[
            EvidenceStep(
                number=step.number,
                step=step.step.value,
                at=moment(step.at),
                facts=step.facts,
                personal=step.personal,
                erased=step.is_destroyed,
                digest=step.digest.hex(),
            )
            for step in story.steps
        ],
        chain=Chain(
            number=chain.head.number,
            digest=chain.head.digest.hex(),
            flaw=None if flaw is None else f"step {flaw.number}: {flaw.why}",
        ),
    )


def _zone(name: str) -> ZoneInfo:
    if name not in _ZONES:
        raise Problem(INVALID, errors=[Flaw("is no IANA time zone", parameter="zone")])
    return ZoneInfo(name)

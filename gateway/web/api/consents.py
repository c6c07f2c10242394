"""`/consents`: asking for consent by mail, supplying evidence, searching and revoking.

A tenant's token sees the proofs of its own lists; everything beyond is 404, and so is what is about
people under restriction (GDPR article 18), but that it may still be revoked. Proofs are named by
their tracking number, 32 hexadecimal digits. Answers of calls that change something hold no
address. `consent_models` has the bodies, `proof_sheets` the evidence in full.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Response, Security

from gateway.message.address import parse_mailbox
from gateway.records import proofs
from gateway.records.api_tokens import Permission
from gateway.records.database import Connection
from gateway.records.restriction import is_restricted
from gateway.web.api.call import Call, Change, changing, reading
from gateway.web.api.consent_models import (
    Consent,
    ConsentRequest,
    ConsentSearch,
    ConsentsFound,
    Evidence,
    Progress,
    Revoke,
    Supplied,
    consent_of,
)
from gateway.web.api.errors import NOT_FOUND, REFUSED, Problem, documented, invalid
from gateway.web.api.moments import written
from gateway.web.api.suppressions import Outcome
from gateway.web.api.texts import mailbox
from suppression.consent import EvidenceError

routes = APIRouter(prefix="/consents", tags=["consents"])
Reads = Annotated[Call, Security(reading, scopes=[Permission.CONSENTS_READ])]
Writes = Annotated[Change, Security(changing, scopes=[Permission.CONSENTS_WRITE])]
Tracking = Annotated[
    str,
    Path(
        pattern="^[0-9a-f]{32}$",
        description="The tracking number.",
        examples=["0123456789abcdef0123456789abcdef"],
    ),
]


@routes.post("/requests", status_code=202, response_model=Progress, responses=documented(REFUSED))
async def request_consent(call: Writes, wish: ConsentRequest) -> Response:
    """Ask an address by mail whether it agrees to a list (hosted double opt-in).

    The mail goes out within a minute. At most one in 7 days for each address and list; none to
    whom a suppression stops, unless the person filled in a form to come back.
    """
    tenant, stream = _list_of(call, wish.scope)
    opt_in = call.parts.tenants[tenant].streams[stream].opt_in
    if opt_in is None:
        raise Problem(REFUSED, f"{wish.scope} has no `opt_in` in its configuration")
    form = wish.form
    asking = proofs.Asking(
        tenant=tenant,
        stream=stream,
        address=mailbox(wish.address),
        text=wish.text,
        language=wish.language.value,
        actor=call.caller.actor,
        act=None
        if form is None
        else proofs.Act(form.at.timestamp(), str(form.ip), form.source, form.user_agent),
        lasts=opt_in.expires_after,
    )

    def work(connection: Connection) -> Progress:
        try:
            proof = proofs.request(connection, call.parts.keyring, asking, call.now)
        except EvidenceError as error:
            raise invalid(_POINTERS[error.field], error.why) from None
        except proofs.NotAsked as error:
            more = {"tag": error.tag, "again_at": written(error.again_at)}
            raise Problem(REFUSED, str(error), more=more) from None
        return Progress(tracking=proof.number, status=proof.status)

    return await call.commit(work, 202)


@routes.post("/evidence", status_code=201, response_model=Supplied)
async def supply_evidence(call: Writes, given: Evidence) -> Response:
    """Record what the tenant holds of a subscription, of level 2 or 3; once, however often sent."""
    tenant, stream = _list_of(call, given.scope)
    address = mailbox(given.address)

    def work(connection: Connection) -> Supplied:
        try:
            answer = proofs.supply(
                connection,
                call.parts.keyring,
                tenant,
                stream,
                address,
                given.believed(),
                given.language.value,
                call.caller.actor,
                call.now,
            )
        except EvidenceError as error:
            raise invalid(_EVIDENCE_POINTERS[error.field], error.why) from None
        return Supplied(
            tracking=answer.proof.number,
            status=answer.proof.status,
            outcome=Outcome.ADDED if answer.is_new else Outcome.KNOWN,
        )

    return await call.commit(work, 201)


@routes.post("/search")
async def search_consents(call: Reads, what: ConsentSearch) -> ConsentsFound:
    """Find every proof about an address, whatever became of it, oldest first."""
    address = mailbox(what.address)

    def work(connection: Connection) -> ConsentsFound:
        keyring, tenant = call.parts.keyring, call.caller.tenant
        if is_restricted(connection, keyring, tenant, address):
            return ConsentsFound(items=[])
        found = proofs.find(connection, keyring, address, tenant)
        return ConsentsFound(items=[consent_of(proof, call.caller.is_staff) for proof in found])

    return await call.read(work)


@routes.get("/{tracking}", responses=documented(NOT_FOUND))
async def get_consent(call: Reads, tracking: Tracking) -> Consent:
    """Show where a request or a proof stands."""
    proof = await call.read(lambda connection: visible(call, connection, tracking))
    return consent_of(proof, call.caller.is_staff)


@routes.post("/{tracking}/revoke", response_model=Progress, responses=documented(NOT_FOUND))
async def revoke_consent(call: Writes, tracking: Tracking, ground: Revoke) -> Response:
    """End a consent or a request for one; the list is closed to the address from now on."""

    def work(connection: Connection) -> Progress:
        proof = _own(call, connection, tracking)
        try:
            answer = proofs.revoke(
                connection,
                call.parts.keyring,
                proof.tracking,
                call.caller.actor,
                ground.why,
                call.now,
            )
        except EvidenceError as error:
            raise invalid("#/why", error.why) from None
        return Progress(tracking=proof.number, status=answer.proof.status)

    return await call.commit(work)


def visible(call: Call, connection: Connection, tracking: str) -> proofs.Proof:
    """The proof, if it is the caller's to see; Problem NOT_FOUND."""
    proof = _own(call, connection, tracking)
    keyring, tenant = call.parts.keyring, call.caller.tenant
    if proof.address and is_restricted(connection, keyring, tenant, parse_mailbox(proof.address)):
        raise Problem(NOT_FOUND, _unknown(tracking))
    return proof


def _own(call: Call, connection: Connection, tracking: str) -> proofs.Proof:
    octets = bytes.fromhex(tracking)
    try:
        return proofs.by_tracking(connection, call.parts.keyring, octets, call.caller.tenant)
    except LookupError:
        raise Problem(NOT_FOUND, _unknown(tracking)) from None


def _unknown(tracking: str) -> str:
    return f"no proof has the tracking number {tracking}"


def _list_of(call: Call, scope: str) -> tuple[str, str]:
    call.check_scope(scope)
    tenant, _, stream = scope.partition("/")
    return tenant, stream


_POINTERS = {
    "text": "#/text",
    "form_at": "#/form/at",
    "form_ip": "#/form/ip",
    "form_source": "#/form/source",
    "form_user_agent": "#/form/user_agent",
}
_EVIDENCE_POINTERS = {
    "text": "#/text",
    "subscribed_at": "#/subscribed/at",
    "subscribed_ip": "#/subscribed/ip",
    "confirmed_at": "#/confirmed/at",
    "confirmed_ip": "#/confirmed/ip",
    "source": "#/source",
    "user_agent": "#/user_agent",
    "message_id": "#/message_id",
}
"""Where the fields of an EvidenceError stand in the body."""

"""`/subjects`: what people ask for their own data, and doing it. Staff tokens only.

Every act rests on an open request (`request`), or on who checked the person's identity and how
(`identity`), which records one. Addresses come in bodies; answers of acts hold none. An erasure is
answered when it is finished in every file; when it could not be (503), the same call finishes it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, TypeVar

from fastapi import APIRouter, Query, Response, Security
from pydantic import BaseModel, ConfigDict, Field

from gateway.control import ControlError
from gateway.errors import StoreUnavailable
from gateway.privacy import acts
from gateway.privacy.report import SubjectReport, make_report
from gateway.records import audit
from gateway.records.api_tokens import Permission
from gateway.records.database import Connection
from gateway.records.holdings import other_spellings
from gateway.records.rights import unrestrict
from gateway.records.subject_requests import (
    RequestKind,
    RequestRefused,
    SubjectRequest,
    close,
    extend,
    list_requests,
    record,
)
from gateway.web.api.call import Call, Change, changing, reading, recording
from gateway.web.api.errors import NOT_FOUND, REFUSED, Problem, documented, invalid
from gateway.web.api.moments import Instant, Moment, moment
from gateway.web.api.security import staff_only
from gateway.web.api.texts import Line, Mailbox, Number, mailbox
from gateway.words import Address

routes = APIRouter(prefix="/subjects", tags=["subjects"])
Reads = Annotated[Call, Security(reading, scopes=[Permission.SUBJECTS_READ])]
Reveals = Annotated[Change, Security(recording, scopes=[Permission.SUBJECTS_READ])]
Writes = Annotated[Change, Security(changing, scopes=[Permission.SUBJECTS_WRITE])]

T = TypeVar("T")
TenantName = Annotated[
    str,
    Field(
        pattern=r"^[a-z0-9][a-z0-9-]{0,62}$",
        description="The tenant whose data it is about; all of them without it.",
    ),
]
OneTenant = Annotated[
    str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$", description="The tenant it is about.")
]


class Body(BaseModel):
    """Of every call: unknown members are errors."""

    model_config = ConfigDict(extra="forbid")


class NewRequest(Body):
    """What a person asks for, and how it is known that it is they who ask."""

    kind: RequestKind
    address: Mailbox
    identity: Line = Field(description="Who checked the person's identity, and how.")
    tenant: TenantName | None = None
    received: Instant | None = Field(default=None, description="When it came; now without it.")


class Requested(BaseModel):
    """A request with its clock."""

    id: int
    kind: RequestKind
    scope: str
    address: str = Field(description="Masked; empty once the person was erased.")
    identity: str
    received: Moment
    due: Moment
    days_left: int | None = Field(description="Negative when overdue; null once it is done.")
    extension: str | None = Field(description="Why it has three months instead of one.")
    done: Moment | None
    outcome: str


class Requests(BaseModel):
    """Requests, the most overdue first."""

    items: list[Requested]


class Because(Body):
    """The ground of a change."""

    why: Line


class Outcome(Body):
    """What came of a request."""

    outcome: Line


class Asked(Body):
    """Whose data to report."""

    address: Mailbox
    tenant: TenantName | None = None


class OfPerson(Body):
    """A person, and on what an act rests: one of `request` and `identity`."""

    address: Mailbox
    request: int | None = Field(default=None, ge=1, le=2**63 - 1, description="An open request.")
    identity: Line | None = Field(
        default=None, description="Who checked the person's identity, and how."
    )


class Erase(OfPerson):
    """Whom to erase."""

    tenant: TenantName | None = None


class Rectify(OfPerson):
    """Which address to correct."""

    new_address: Mailbox
    tenant: TenantName | None = None


class OfTenant(OfPerson):
    """Whose data, at which tenant."""

    tenant: OneTenant


class EndRestriction(Body):
    """Whose restriction ends, and why."""

    address: Mailbox
    tenant: OneTenant
    why: Line


class Erased(BaseModel):
    """What was erased."""

    tenants: list[str]
    texts_destroyed: int
    consents_ended: int
    webhooks_dropped: int


class Rectified(BaseModel):
    """What the corrected address has now."""

    suppressions: int
    consents: int


class Done(BaseModel):
    """Whether the act changed anything; what was in force already did not."""

    is_new: bool


@routes.post("/requests", status_code=201, response_model=Requested, responses=documented(REFUSED))
async def record_request(call: Writes, new: NewRequest) -> Response:
    """Note a request and start its clock of one month (GDPR article 12(3))."""
    person = _person(call, new.address, new.tenant)
    at = call.now if new.received is None else new.received.timestamp()

    def work(connection: Connection) -> Requested:
        scope, actor = new.tenant or "*", call.caller.actor
        keyring = call.parts.keyring
        with _refusals():
            number = record(
                connection, keyring, new.kind, person, scope, new.identity, at, actor, call.now
            )
        return _one(call, connection, number)

    return await call.commit(work, 201)


@routes.get("/requests")
async def list_subject_requests(
    call: Reads,
    tenant: Annotated[TenantName | None, Query()] = None,
    done: Annotated[bool, Query(description="Those done, too.")] = False,
) -> Requests:
    """List requests with the days left of each."""
    staff_only(call.caller)

    def work(connection: Connection) -> list[SubjectRequest]:
        return list_requests(connection, call.parts.keyring, tenant or "", with_done=done)

    return Requests(items=[_shown(one, call.now) for one in await call.read(work)])


@routes.post(
    "/requests/{number}/extend",
    response_model=Requested,
    responses=documented(NOT_FOUND, REFUSED),
)
async def extend_request(call: Writes, number: Number, ground: Because) -> Response:
    """Give a request two months more, once, for a reason that the person is told."""
    staff_only(call.caller)

    def work(connection: Connection) -> Requested:
        with _refusals():
            extend(connection, number, ground.why, call.caller.actor, call.now)
        return _one(call, connection, number)

    return await call.commit(work)


@routes.post(
    "/requests/{number}/close",
    response_model=Requested,
    responses=documented(NOT_FOUND, REFUSED),
)
async def close_request(call: Writes, number: Number, what: Outcome) -> Response:
    """Note that a request is done, or was refused, and what came of it."""
    staff_only(call.caller)

    def work(connection: Connection) -> Requested:
        with _refusals():
            close(connection, number, what.outcome, call.caller.actor, call.now)
        return _one(call, connection, number)

    return await call.commit(work)


@routes.post("/report")
async def report_subject(call: Reveals, what: Asked) -> SubjectReport:
    """Show everything that is stored about a person; that it was asked is on record."""
    person = _person(call, what.address, what.tenant)
    keyring, now = call.parts.keyring, call.now

    def note(connection: Connection) -> None:
        audit.append(
            connection,
            at=now,
            actor=call.caller.actor,
            action="subject.reported",
            scope=what.tenant or "*",
            key=keyring.exact_key(person),
        )

    await call.write(note)
    state_dir = call.parts.loaded.config.state_dir
    return await call.read(
        lambda connection: make_report(
            connection, keyring, state_dir, person, what.tenant or "", now
        )
    )


@routes.post("/erase", response_model=Erased, responses=documented(NOT_FOUND, REFUSED))
async def erase_subject(call: Writes, whom: Erase) -> Response:
    """Destroy all that is readable about a person; a keyed hash keeps mail away from them."""
    person = _person(call, whom.address, whom.tenant)
    keyring, config = call.parts.keyring, call.parts.loaded.config
    spellings = await call.read(lambda connection: other_spellings(connection, keyring, person))

    def act(one: acts.Act) -> Erased:
        done = acts.erase_person(one)
        return Erased(
            tenants=list(done.tenants),
            texts_destroyed=done.destroyed,
            consents_ended=done.consents_ended,
            webhooks_dropped=done.webhooks_dropped,
        )

    answer = await call.commit(_acting(call, whom, person, whom.tenant, act, tuple(spellings)))
    try:
        await asyncio.to_thread(
            acts.finish_erasure, config.database, config.state_dir, keyring, person
        )
    except (ControlError, OSError) as error:
        raise StoreUnavailable(f"erased from the records, but not finished: {error}") from error
    return answer


@routes.post("/rectify", response_model=Rectified, responses=documented(NOT_FOUND, REFUSED))
async def rectify_subject(call: Writes, what: Rectify) -> Response:
    """Correct a person's address: what stops mail to the old one stops it to the new one too."""
    person = _person(call, what.address, what.tenant)
    new = mailbox(what.new_address, "#/new_address")

    def act(one: acts.Act) -> Rectified:
        done = acts.rectify_person(one, new)
        return Rectified(suppressions=done.suppressions, consents=done.consents)

    return await call.commit(_acting(call, what, person, what.tenant, act))


@routes.post("/object", response_model=Done, responses=documented(NOT_FOUND, REFUSED))
async def object_subject(call: Writes, what: OfTenant) -> Response:
    """Stop all of a tenant's marketing to a person and end their consents."""
    person = _person(call, what.address, what.tenant)
    act: Callable[[acts.Act], Done] = lambda one: Done(is_new=acts.object_person(one))  # noqa: E731
    return await call.commit(_acting(call, what, person, what.tenant, act))


@routes.post("/restrict", response_model=Done, responses=documented(NOT_FOUND, REFUSED))
async def restrict_subject(call: Writes, what: OfTenant) -> Response:
    """Have a tenant's data about a person stored and not used: no mail, export or webhook."""
    person = _person(call, what.address, what.tenant)
    act: Callable[[acts.Act], Done] = lambda one: Done(is_new=acts.restrict_person(one))  # noqa: E731
    return await call.commit(_acting(call, what, person, what.tenant, act))


@routes.post("/unrestrict", response_model=Done, responses=documented(REFUSED))
async def unrestrict_subject(call: Writes, what: EndRestriction) -> Response:
    """End a restriction; the person must have been told before (article 18(3))."""
    person = _person(call, what.address, what.tenant)
    keyring, actor = call.parts.keyring, call.caller.actor

    def work(connection: Connection) -> Done:
        unrestrict(connection, keyring, person, what.tenant, what.why, actor, call.now)
        return Done(is_new=True)

    return await call.commit(work)


def _person(call: Call, address: str, tenant: str | None) -> Address:
    """The person a staff member asks about; Problem for anybody else, or an unknown tenant."""
    staff_only(call.caller)
    if tenant is not None and not call.parts.is_scope(tenant):
        raise invalid("#/tenant", f"{tenant}: no such tenant")
    return mailbox(address)


def _acting(
    call: Call,
    what: OfPerson,
    person: Address,
    tenant: str | None,
    act: Callable[[acts.Act], T],
    spellings: tuple[Address, ...] = (),
) -> Callable[[Connection], T]:
    """What is done in the transaction."""
    basis = acts.Basis(what.request, what.identity or "")
    keyring, actor, now = call.parts.keyring, call.caller.actor, call.now

    def work(connection: Connection) -> T:
        with _refusals():
            return act(
                acts.Act(connection, keyring, person, tenant or "", basis, actor, now, spellings)
            )

    return work


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except RequestRefused as refused:
        raise Problem(REFUSED, str(refused)) from None
    except LookupError as missing:
        raise Problem(NOT_FOUND, str(missing)) from None


def _one(call: Call, connection: Connection, number: int) -> Requested:
    found = list_requests(connection, call.parts.keyring, with_done=True)
    return next(_shown(one, call.now) for one in found if one.id == number)


def _shown(one: SubjectRequest, now: float) -> Requested:
    return Requested(
        id=one.id,
        kind=one.kind,
        scope=one.scope,
        address=one.address,
        identity=one.identity,
        received=moment(one.received_at),
        due=moment(one.due_at),
        days_left=one.days_left(now),
        extension=one.extension,
        done=moment(one.done_at),
        outcome=one.outcome,
    )

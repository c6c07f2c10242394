"""`/suppressions`: listing, searching, adding and lifting entries.

A tenant's token sees the disclosable entries of its own scopes and nothing else; everything beyond
is 404. Addresses come in bodies only, because URLs end up in logs of proxies. Answers of calls that
change something hold no address.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Query, Response, Security
from pydantic import BaseModel, ConfigDict, Field, StrictBool

from gateway.records import audit
from gateway.records.api_tokens import Permission
from gateway.records.database import Connection
from gateway.records.listing import State, Wanted, list_entries
from gateway.records.streams import find_scope
from gateway.records.suppressions import (
    Draft,
    Entry,
    Refused,
    add,
    entries_of,
    find,
    lift,
)
from gateway.web.api.call import Call, Change, changing, reading, recording
from gateway.web.api.entries import Suppression, shown, visible_to
from gateway.web.api.errors import INVALID, NOT_FOUND, REFUSED, Flaw, Problem, documented
from gateway.web.api.moments import Instant
from gateway.web.api.pagination import DEFAULT_LIMIT, CursorText, Limit, Listing, Page
from gateway.web.api.security import staff_only
from gateway.web.api.texts import Line, Number, ScopeText, Target, target
from suppression.masking import mask
from suppression.precedence import Lifter
from suppression.standing import Reason, Stops

routes = APIRouter(prefix="/suppressions", tags=["suppressions"])
Reads = Annotated[Call, Security(reading, scopes=[Permission.SUPPRESSIONS_READ])]
Writes = Annotated[Change, Security(changing, scopes=[Permission.SUPPRESSIONS_WRITE])]
Reveals = Annotated[Change, Security(recording, scopes=[Permission.SUPPRESSIONS_READ])]

MAX_BATCH = 1000
TOGETHER = 100
"""Entries made in one transaction: some 70 ms."""
STAFF_REASONS = frozenset({Reason.PROTECTED, Reason.ERASURE, Reason.ROBINSON})
"""What no tenant decides."""


class NewSuppression(BaseModel):
    """An entry to be made."""

    model_config = ConfigDict(extra="forbid")
    address: Target
    reason: Reason
    scope: ScopeText
    note: Line = Field(default="api", description="Where it comes from, for the record.")
    stops: Stops | None = Field(default=None, description="For `manual` only: what to stop.")
    ends: Instant | None = Field(
        default=None, description="For `manual` only: the end; without it, never."
    )
    disclosed: StrictBool = Field(
        default=True, description="Staff only: false tells the tenant [POLICY], not the reason."
    )


class Batch(BaseModel):
    """Entries to be made together."""

    model_config = ConfigDict(extra="forbid")
    entries: list[NewSuppression] = Field(min_length=1, max_length=MAX_BATCH)


class Outcome(StrEnum):
    """What became of a new entry."""

    ADDED = "added"
    KNOWN = "known"
    """The same was in force already."""
    REFUSED = "refused"


class Added(BaseModel):
    """What became of one new entry."""

    id: int | None = Field(description="The entry in force; null when refused.")
    outcome: Outcome
    detail: str | None = Field(default=None, description="Why it was refused.")


class BatchAdded(BaseModel):
    """What became of each entry, in the order they were sent."""

    results: list[Added]


class Capacity(StrEnum):
    """As whom staff may lift."""

    OPERATOR = Lifter.OPERATOR.value
    LIST_OWNER = Lifter.LIST_OWNER.value


class Lift(BaseModel):
    """Why an entry ends."""

    model_config = ConfigDict(extra="forbid")
    why: Line = Field(description="The ground, for the record.")
    capacity: Capacity = Field(
        default=Capacity.OPERATOR, description="Staff only; a tenant lifts as the tenant."
    )


class Lifted(BaseModel):
    """An entry that has ended."""

    id: int
    state: State


class Search(BaseModel):
    """What to look for."""

    model_config = ConfigDict(extra="forbid")
    address: Target


class Found(BaseModel):
    """Every entry that matches, whatever its state."""

    items: list[Suppression]


class Reveal(BaseModel):
    """Why staff must know an address."""

    model_config = ConfigDict(extra="forbid")
    why: Line = Field(description="The ground, for the record.")


class Revealed(BaseModel):
    """An address in plain."""

    id: int
    address: str | None = Field(description="Null when it is not known, or was erased.")


@routes.get("")
async def list_suppressions(
    call: Reads,
    scope: Annotated[ScopeText | None, Query()] = None,
    reason: Annotated[Reason | None, Query(description="Only this reason.")] = None,
    state: Annotated[State | None, Query(description="Only in this state.")] = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: CursorText = None,
) -> Page[Suppression]:
    """List entries, oldest first. A page may hold fewer than `limit`; go on while `next` is set."""
    caller, keyring, now = call.caller, call.parts.keyring, call.now
    filters = {"scope": scope, "reason": reason, "state": state}
    listing = Listing(keyring, caller, "suppressions", filters)
    after = listing.after(cursor)
    wanted = Wanted(caller.tenant, scope, reason, state, hidden=caller.is_staff)

    def work(connection: Connection) -> Page[Suppression]:
        if scope is not None and not _is_known(call, connection, scope):
            flaw = Flaw(f"{scope}: no such tenant or stream", parameter="scope")
            raise Problem(INVALID, errors=[flaw])
        part = list_entries(connection, wanted, after, limit, now)
        items = entries_of(connection, keyring, part.numbers)
        return Page(
            items=[shown(entry, caller, now) for entry in items], next=listing.next(part.next)
        )

    return await call.read(work)


@routes.post("/search")
async def search_suppressions(call: Reads, what: Search) -> Found:
    """Find every entry that matches an address or covers a domain, lifted ones too."""
    caller, keyring, now = call.caller, call.parts.keyring, call.now
    where = target(what.address)

    def work(connection: Connection) -> Found:
        found = filter(visible_to(caller, connection), find(connection, keyring, where))
        return Found(items=[shown(entry, caller, now) for entry in found])

    return await call.read(work)


@routes.post(
    "",
    status_code=201,
    response_model=Added,
    responses=documented(REFUSED),
)
async def add_suppression(call: Writes, new: NewSuppression) -> Response:
    """Suppress an address or a whole domain, in force for the very next RCPT."""
    return await call.commit(lambda connection: _add(call, connection, new), 201)


@routes.post("/batch", response_model=BatchAdded)
async def add_suppressions(call: Writes, batch: Batch) -> Response:
    """Suppress up to 1,000; one that cannot be taken does not keep the others."""
    results: list[Added] = []

    def adding(some: list[NewSuppression]) -> Callable[[Connection], None]:
        return lambda connection: results.extend(_try(call, connection, new) for new in some)

    # In small transactions, so that a recipient's opt-out never waits for a whole batch.
    parts = [
        adding(batch.entries[i : i + TOGETHER]) for i in range(0, len(batch.entries), TOGETHER)
    ]

    async def first() -> None:
        for part in parts[:-1]:
            await call.write(part)

    def last(connection: Connection) -> BatchAdded:
        parts[-1](connection)
        return BatchAdded(results=results)

    return await call.commit(last, before=first)


@routes.get("/{number}", responses=documented(NOT_FOUND))
async def get_suppression(call: Reads, number: Number) -> Suppression:
    """Show one entry."""
    entry = await call.read(lambda connection: _visible(call, connection, number))
    return shown(entry, call.caller, call.now)


@routes.post("/{number}/lift", response_model=Lifted, responses=documented(NOT_FOUND, REFUSED))
async def lift_suppression(call: Writes, number: Number, how: Lift) -> Response:
    """End an entry; who may depends on its reason. Nothing is deleted."""
    caller = call.caller
    capacity = Lifter(how.capacity.value) if caller.is_staff else caller.capacity

    def work(connection: Connection) -> Lifted:
        _visible(call, connection, number)
        lift(connection, number, capacity, caller.actor, how.why, call.now)
        return Lifted(id=number, state=State.LIFTED)

    return await call.commit(work)


@routes.post("/{number}/reveal", responses=documented(NOT_FOUND))
async def reveal_suppression(call: Reveals, number: Number, ground: Reveal) -> Revealed:
    """Show staff the address of an entry in plain; the trail says who asked, and why."""
    staff_only(call.caller)

    def work(connection: Connection) -> Revealed:
        entry = _visible(call, connection, number)
        detail = {"entry": entry.id, "why": ground.why}
        audit.append(
            connection,
            at=call.now,
            actor=call.caller.actor,
            action="address.revealed",
            scope=entry.scope,
            key=entry.key,
            detail=detail,
        )
        return Revealed(id=entry.id, address=entry.address or None)

    return await call.write(work)


def _is_known(call: Call, connection: Connection, scope: str) -> bool:
    """Whether the caller may name a scope: one in force, or one that records still speak of."""
    is_scope = call.parts.is_scope(scope) or find_scope(connection, scope) is not None
    return is_scope and call.caller.owns(scope)


def _visible(call: Call, connection: Connection, number: int) -> Entry:
    found = entries_of(connection, call.parts.keyring, [number])
    if not any(map(visible_to(call.caller, connection), found)):
        raise Problem(NOT_FOUND, f"no entry has the number {number}")
    return found[0]


def _try(call: Call, connection: Connection, new: NewSuppression) -> Added:
    try:
        return _add(call, connection, new)
    except Problem as problem:
        reasons = [flaw.detail for flaw in problem.errors] or [problem.detail]
    except Refused as refused:
        reasons = [str(refused)]
    # The answer is stored for a day, so an address in a reason must not stand in it.
    return Added(id=None, outcome=Outcome.REFUSED, detail=mask("; ".join(reasons)))


def _add(call: Call, connection: Connection, new: NewSuppression) -> Added:
    draft, where = _draft(call, new), target(new.address)
    number, is_new = add(connection, call.parts.keyring, where, draft, call.now)
    return Added(id=number, outcome=Outcome.ADDED if is_new else Outcome.KNOWN)


def _draft(call: Call, new: NewSuppression) -> Draft:
    """What is to be made; Problem for what is not the caller's to make."""
    call.check_scope(new.scope)
    caller = call.caller
    if not caller.is_staff and new.reason in STAFF_REASONS:
        raise Problem(REFUSED, f"{new.reason} is for the operator to set")
    if not caller.is_staff and not new.disclosed:
        raise Problem(REFUSED, "only the operator makes entries that are not disclosed")
    ends = None if new.ends is None else new.ends.timestamp()
    return Draft(
        new.reason,
        new.scope,
        caller.capacity,
        new.note,
        new.stops,
        ends,
        new.disclosed,
        caller.actor,
    )

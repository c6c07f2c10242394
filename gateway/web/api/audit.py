"""`/audit`: the trail of changes, and its head.

Staff see all of it. A tenant's token sees what happened to suppressions and consents of its own
scopes; of what others did there, only what it may know of the thing itself.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Query, Security
from pydantic import BaseModel, Field

from gateway.records import audit
from gateway.records.api_tokens import Permission
from gateway.records.database import Connection
from gateway.records.listing import Record, list_audit
from gateway.records.suppressions import entries_of
from gateway.web.api.call import Call, reading
from gateway.web.api.entries import RECIPIENT, visible_to
from gateway.web.api.moments import Moment, moment
from gateway.web.api.pagination import DEFAULT_LIMIT, CursorText, Limit, Listing, Page
from gateway.web.api.security import staff_only
from suppression.precedence import Lifter

routes = APIRouter(prefix="/audit", tags=["audit"])
Reads = Annotated[Call, Security(reading, scopes=[Permission.AUDIT_READ])]

ENTRY_ACTS = frozenset({"suppression.added", "suppression.lifted"})
"""Acts of others that a tenant is told of when it may see the entry, beside steps of proofs."""
TOLD_DETAIL = frozenset({"entry", "reason", "proof"})
NO_PERSONS = frozenset({RECIPIENT, "consentry"})
"""Actors that a tenant may know; any other is one of the operator's people."""


class AuditRecord(BaseModel):
    """One change."""

    id: int
    at: Moment
    actor: str = Field(description="Who; for a tenant, `operator` when it was not the tenant.")
    action: str = Field(examples=["suppression.added"])
    scope: str
    key: str | None = Field(description="Staff only: the address's key, 32 hex digits.")
    detail: dict[str, Any]


class Head(BaseModel):
    """The end of the hash chain. Note it elsewhere: a trail cut off later lacks it."""

    id: int
    digest: str = Field(description="SHA-256 over the last record and all before it, as hex.")


@routes.get("")
async def list_records(
    call: Reads,
    action: Annotated[
        str | None, Query(min_length=1, max_length=64, description="Only this action.")
    ] = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: CursorText = None,
) -> Page[AuditRecord]:
    """List changes, oldest first. A page may hold fewer than `limit`; go on while `next` is set."""
    caller, keyring = call.caller, call.parts.keyring
    listing = Listing(keyring, caller, "audit", {"action": action})
    after = listing.after(cursor)
    actions = () if action is None else (action,)

    def work(connection: Connection) -> Page[AuditRecord]:
        records, following = list_audit(connection, caller.tenant, actions, after, limit)
        if not caller.is_staff:
            records = _told(call, connection, records)
        return Page(
            items=[_shown(record, caller.is_staff) for record in records],
            next=listing.next(following),
        )

    return await call.read(work)


@routes.get("/head")
async def get_head(call: Reads) -> Head:
    """Show the end of the hash chain (staff only)."""
    staff_only(call.caller)
    number, digest = await call.read(audit.head)
    return Head(id=number, digest=digest.hex())


def _shown(record: Record, is_staff: bool) -> AuditRecord:
    key = record.key.hex() if record.key and is_staff else None
    return AuditRecord(
        id=record.id,
        at=moment(record.at),
        actor=record.actor,
        action=record.action,
        scope=record.scope,
        key=key,
        detail=record.detail,
    )


def _told(call: Call, connection: Connection, records: list[Record]) -> list[Record]:
    """What a tenant may know of `records`, which are of its scopes."""
    caller = call.caller
    numbers = [record.detail["entry"] for record in records if record.action in ENTRY_ACTS]
    entries = entries_of(connection, call.parts.keyring, numbers)
    visible = {entry.id for entry in filter(visible_to(caller, connection), entries)}
    told = []
    for record in records:
        is_entry = record.action in ENTRY_ACTS and record.detail["entry"] in visible
        is_proof = record.action.startswith("consent.") and "proof" in record.detail
        if record.actor.startswith(f"{caller.tenant}:"):
            told.append(record)
        elif is_entry or is_proof:
            detail = {name: record.detail[name] for name in TOLD_DETAIL & record.detail.keys()}
            who = record.actor if record.actor in NO_PERSONS else Lifter.OPERATOR
            told.append(replace(record, actor=who, detail=detail))
    return told

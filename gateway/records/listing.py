"""Parts of long lists: suppression entries and audit records, by number, oldest first or newest.

Each call looks through a bounded number of rows, whatever the filter, so that a page of a rare kind
among ten million does not hold a thread: `next` is then where to go on, with fewer rows than asked
for, even none. `next` is None at the end. Read-only.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, and_, func, or_, select

from gateway.records.codes import DECODED
from gateway.records.restriction import restricted_entries
from gateway.records.streams import find_scope, tenant_numbers
from gateway.records.tables import audit, suppressions
from suppression.standing import Reason

SCANNED = 200_000
"""Rows looked through for one page."""


class State(StrEnum):
    """What became of an entry."""

    IN_FORCE = "in-force"
    OVER = "over"
    LIFTED = "lifted"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries: of one `tenant` ("" for all), one `scope`, one reason, in one state, of one
    source (its number).

    Without `hidden`, those that may not be disclosed are left out, and those of people whose data
    is restricted.
    """

    tenant: str = ""
    scope: str | None = None
    reason: Reason | None = None
    state: State | None = None
    hidden: bool = True
    source: int | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """Numbers of rows, and after which number the next part begins."""

    numbers: list[int]
    next: int | None


@dataclass(frozen=True, slots=True)
class Record:
    """One record of the audit trail; `detail` as it was written."""

    id: int
    at: int
    actor: str
    action: str
    scope: str
    key: bytes | None
    detail: dict[str, Any]


def list_entries(
    connection: Connection,
    wanted: Wanted,
    after: int,
    limit: int,
    now: float,
    *,
    is_newest_first: bool = False,
) -> Part:
    """Entries numbered above `after`, at most `limit`; below it, or from the last one if it is 0,
    when the newest come first."""
    conditions: list[ColumnElement[bool]] = []
    if wanted.tenant:
        conditions.append(suppressions.c.scope.in_(tenant_numbers(connection, wanted.tenant)))
    if wanted.scope is not None:
        number = find_scope(connection, wanted.scope)
        conditions.append(suppressions.c.scope == (-1 if number is None else number))
    if wanted.reason is not None or not wanted.hidden:
        codes = [
            code
            for code, (reason, _, is_disclosable) in DECODED.items()
            if wanted.reason in (None, reason) and (wanted.hidden or is_disclosable)
        ]
        conditions.append(suppressions.c.code.in_(codes))
    if not wanted.hidden and (restricted := restricted_entries(connection)):
        conditions.append(suppressions.c.id.not_in(restricted))
    if wanted.state is not None:
        conditions.append(_is_in(wanted.state, now))
    if wanted.source is not None:
        conditions.append(suppressions.c.source == wanted.source)
    if is_newest_first:
        return _part_back(connection, suppressions, conditions, after, limit)
    return _part(connection, suppressions, conditions, after, limit)


def list_audit(
    connection: Connection, tenant: str, actions: Collection[str], after: int, limit: int
) -> tuple[list[Record], int | None]:
    """Records numbered above `after` of one tenant ("" for all), of some actions or of all."""
    conditions: list[ColumnElement[bool]] = []
    if tenant:
        conditions.append(
            or_(audit.c.scope == tenant, audit.c.scope.startswith(f"{tenant}/", autoescape=True))
        )
    if actions:
        conditions.append(audit.c.action.in_(actions))
    part = _part(connection, audit, conditions, after, limit)
    query = select(audit).where(audit.c.id.in_(part.numbers)).order_by(audit.c.id)
    records = [
        Record(row.id, row.at, row.actor, row.action, row.scope, row.key, json.loads(row.detail))
        for row in connection.execute(query)
    ]
    return records, part.next


def _is_in(state: State, now: float) -> ColumnElement[bool]:
    lifted, ends = suppressions.c.lifted_at, suppressions.c.ends_at
    match state:
        case State.LIFTED:
            return lifted.is_not(None)
        case State.IN_FORCE:
            return and_(lifted.is_(None), or_(ends.is_(None), ends > now))
        case State.OVER:
            return and_(lifted.is_(None), ends <= now)


def _part(
    connection: Connection,
    table: Table,
    conditions: list[ColumnElement[bool]],
    after: int,
    limit: int,
) -> Part:
    end = after + SCANNED
    query = select(table.c.id).where(table.c.id > after, table.c.id <= end, *conditions)
    numbers = list(connection.scalars(query.order_by(table.c.id).limit(limit + 1)))
    if len(numbers) > limit:
        return Part(numbers[:limit], numbers[limit - 1])
    last = connection.scalar(select(func.max(table.c.id))) or 0
    return Part(numbers, end if end < last else None)


def _part_back(
    connection: Connection,
    table: Table,
    conditions: list[ColumnElement[bool]],
    before: int,
    limit: int,
) -> Part:
    before = before or (connection.scalar(select(func.max(table.c.id))) or 0) + 1
    start = max(0, before - SCANNED)
    query = select(table.c.id).where(table.c.id >= start, table.c.id < before, *conditions)
    numbers = list(connection.scalars(query.order_by(table.c.id.desc()).limit(limit + 1)))
    if len(numbers) > limit:
        return Part(numbers[:limit], numbers[limit - 1])
    return Part(numbers, start if start > 1 else None)

"""Reading cases: one with all that belongs to it, lists in pages, and the counts of the desk.

Every list is ordered by an index and gives at most `limit` rows with where the next page begins, so
that it costs the same with ten cases as with ten thousand. Reads only.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, func, or_, select

from gateway.records.blocks import case_id, case_number
from gateway.records.case_store import decode
from gateway.records.tables import blocks, case_entries, cases, facts, reports
from policies.sanctions.case import Case, Fact
from policies.sanctions.words import Excuse, FactKind, Grade, Phase

PAGE = 50
SOON = 4 * 3600
"""Seconds in which something is due soon."""
_row = cases.c


@dataclass(frozen=True, slots=True)
class StoredCase:
    """A case with what only the records know: its tracking number (16 octets) and its next
    automatic action's instant. `id` is what people call it, `C-000123`."""

    number: int
    id: str
    tracking: bytes
    case: Case
    next_at: int | None


class Queue(StrEnum):
    """What the desk asks for, each ordered by what is due first."""

    OVERDUE = "overdue"
    """A clock ran out: the tenant's (phase OVERDUE) or our own for a review."""
    DUE = "due"
    """The longest clock or a review runs out within 4 h."""
    SUBMITTED = "submitted"
    """Evidence waits to be looked at."""
    UNDECIDED = "undecided"
    """A person must confirm or dismiss."""


@dataclass(frozen=True, slots=True)
class Page:
    """Some cases, and the `after` of the next page (None: there is none)."""

    cases: tuple[StoredCase, ...]
    after: str | None


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a case's timeline. `subject` is the number of a sealed text, if any."""

    number: int
    at: int
    actor: str
    kind: str
    detail: dict[str, object]
    subject: int | None


@dataclass(frozen=True, slots=True)
class StoredFact:
    """A fact on record; `case` is its case's number, `subject` a sealed text. The names that a
    block would fall on are the case's, so `fact.domains` is empty."""

    number: int
    fact: Fact
    case: int | None
    subject: int | None


def find_case(connection: Connection, number: int) -> StoredCase | None:
    """The case with this number."""
    return _one(connection, _row.id == number)


def by_tracking(connection: Connection, tracking: bytes) -> StoredCase | None:
    """The case that a link names."""
    return _one(connection, _row.tracking == tracking)


def search(connection: Connection, text: str, limit: int = PAGE) -> Page:
    """What staff typed: a case's id, a fact's ref, a mailing, a tenant, a domain ever blocked."""
    text = text.strip()
    try:
        found = find_case(connection, case_number(text))
        return Page((found,) if found else (), None)
    except ValueError:
        pass
    named = select(facts.c.case_id).where(facts.c.ref == text)
    blocked = select(blocks.c.case_id).where(blocks.c.domain == text.lower())
    is_its = or_(_row.id.in_(named), _row.id.in_(blocked))
    which = or_(_row.tenant == text.lower(), _row.mailing == text, is_its)
    return _page(connection, _all().where(which).order_by(_row.id.desc()), limit, _by_number)


def list_cases(
    connection: Connection,
    *,
    tenant: str = "",
    phases: Collection[Phase] = (),
    ladder: str = "",
    after: str | None = None,
    limit: int = PAGE,
) -> Page:
    """Newest first; of a tenant, in some phases, of a ladder, or all."""
    query = _all().order_by(_row.id.desc())
    if tenant:
        query = query.where(_row.tenant == tenant)
    if phases:
        query = query.where(_row.phase.in_([phase.value for phase in phases]))
    if ladder:
        query = query.where(_row.ladder == ladder)
    if after is not None:
        query = query.where(_row.id < _numbers(after, 1)[0])
    return _page(connection, query, limit, _by_number)


def queue(
    connection: Connection, which: Queue, now: float, *, after: str | None = None, limit: int = PAGE
) -> Page:
    """What waits for staff, the most urgent first."""
    due = _urgency(which)
    query = _all().where(_waiting(which, now)).order_by(due, _row.id)
    if after is not None:
        instant, number = _numbers(after, 2)
        query = query.where(or_(due > instant, and_(due == instant, _row.id > number)))
    return _page(
        connection, query.add_columns(due.label("due")), limit, lambda row: f"{row.due}.{row.id}"
    )


def counts(connection: Connection, now: float) -> dict[str, int]:
    """How many cases are in each phase that is not over, and besides how many `overdue`, `due`,
    `submitted`, `undecided` (as `Queue`), and reports that are `waiting` and `unmatched`."""
    found = {phase.value: 0 for phase in Phase if not phase.is_over}
    by_phase = select(_row.phase, func.count()).where(_row.closed_at.is_(None))
    found |= dict(tuple(row) for row in connection.execute(by_phase.group_by(_row.phase)))
    for which in Queue:
        query = select(func.count()).select_from(cases).where(_waiting(which, now))
        found[which.value] = int(connection.execute(query).scalar() or 0)
    for state in ("waiting", "unmatched"):
        query = select(func.count()).select_from(reports).where(reports.c.state == state)
        found[state] = int(connection.execute(query).scalar() or 0)
    return found


def timeline(
    connection: Connection, number: int, *, before: int | None = None, limit: int = 200
) -> list[Entry]:
    """A case's entries, newest first."""
    query = select(case_entries).where(case_entries.c.case_id == number)
    if before is not None:
        query = query.where(case_entries.c.id < before)
    return [
        Entry(row.id, row.at, row.actor, row.kind, json.loads(row.detail), row.subject)
        for row in connection.execute(query.order_by(case_entries.c.id.desc()).limit(limit))
    ]


def facts_of(
    connection: Connection, number: int, *, after: int = 0, limit: int = 100
) -> list[StoredFact]:
    """A case's facts, oldest first."""
    query = select(facts).where(facts.c.case_id == number, facts.c.id > after)
    return _facts(connection, query.order_by(facts.c.id).limit(limit))


def facts_by_number(connection: Connection, numbers: Collection[int]) -> list[StoredFact]:
    """These facts, oldest first."""
    return _facts(connection, select(facts).where(facts.c.id.in_(numbers)).order_by(facts.c.id))


def ladder_positions(connection: Connection, tenant: str) -> dict[str, int]:
    """How many counted cases the tenant has had in each ladder."""
    query = select(_row.ladder, func.count()).where(_row.tenant == tenant, _row.counted == 1)
    return dict(tuple(row) for row in connection.execute(query.group_by(_row.ladder)))


# ---- inside -------------------------------------------------------------------------------------


def _all() -> Select[Any]:
    return select(_row.id, _row.tracking, _row.next_at, _row.state)


def _one(connection: Connection, which: ColumnElement[bool]) -> StoredCase | None:
    row = connection.execute(_all().where(which)).first()
    return None if row is None else _stored(row)


def _stored(row: Row[Any]) -> StoredCase:
    case = decode(row.id, row.state)
    return StoredCase(row.id, case_id(row.id), row.tracking, case, row.next_at)


def _page(connection: Connection, query: Select[Any], limit: int, mark: Any) -> Page:
    rows = connection.execute(query.limit(limit + 1)).all()
    more = len(rows) > limit
    rows = rows[:limit]
    return Page(tuple(map(_stored, rows)), mark(rows[-1]) if more and rows else None)


def _by_number(row: Row[Any]) -> str:
    return str(row.id)


def _numbers(after: str, count: int) -> list[int]:
    """The numbers in a page's mark; ValueError when it is none."""
    numbers = [int(part) for part in after.split(".")]
    if len(numbers) != count:
        raise ValueError(f"{after!a} is no page")
    return numbers


def _urgency(which: Queue) -> ColumnElement[int]:
    """The instant by which a queue is ordered."""
    match which:
        case Queue.SUBMITTED:
            return func.coalesce(_row.review_due_at, 0)
        case Queue.UNDECIDED:
            return _row.opened_at
        case Queue.OVERDUE | Queue.DUE:
            return func.coalesce(_row.review_due_at, _row.due_at, _row.opened_at)


def _waiting(which: Queue, now: float) -> ColumnElement[bool]:
    running = _row.closed_at.is_(None)
    match which:
        case Queue.SUBMITTED:
            return running & (_row.phase == Phase.SUBMITTED.value)
        case Queue.UNDECIDED:
            return running & (_row.phase == Phase.UNDECIDED.value)
        case Queue.OVERDUE:
            late = _row.review_due_at <= int(now)
            return running & or_(_row.phase == Phase.OVERDUE.value, late)
        case Queue.DUE:
            soon = (int(now) + 1, int(now) + SOON)
            return running & or_(_row.due_at.between(*soon), _row.review_due_at.between(*soon))


def _facts(connection: Connection, query: Select[Any]) -> list[StoredFact]:
    return [
        StoredFact(
            row.id,
            Fact(
                kind=FactKind(row.kind),
                tenant=row.tenant,
                stream=row.stream,
                mailing=row.mailing,
                domain=row.domain,
                key=row.key or b"",
                ref=row.ref,
                at=row.at,
                grade=Grade(row.grade) if row.grade else None,
                excuse=Excuse(row.excuse) if row.excuse else None,
                actor=row.actor,
            ),
            row.case_id,
            row.subject,
        )
        for row in connection.execute(query)
    ]

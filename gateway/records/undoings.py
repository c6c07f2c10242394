"""What a member of staff did in the last minute and may take back.

`offer` notes how, in the transaction of the act; `take` marks it as taken back, in the transaction
that does so. Detail is JSON-able and names things by number or name, no address. Rows are kept a
day. Raises LookupError for one that is not there, is not theirs, is over or was taken back already.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, Row, delete, insert, select, update

from gateway.records import audit
from gateway.records.tables import undoings

SECONDS = 60
KEPT = 86_400


@dataclass(frozen=True, slots=True)
class Undoing:
    """One act; `at` and `ends_at` are Unix seconds."""

    id: int
    staff: int
    action: str
    detail: Mapping[str, object]
    at: int
    ends_at: int


def offer(
    connection: Connection, staff: int, action: str, detail: Mapping[str, object], now: float
) -> int:
    """Note what the member of staff with that number did; the undoing's number."""
    connection.execute(delete(undoings).where(undoings.c.at < now - KEPT))
    row = {
        "staff": staff,
        "action": action,
        "detail": json.dumps(dict(detail), sort_keys=True),
        "at": int(now),
        "ends_at": int(now) + SECONDS,
    }
    made = connection.execute(insert(undoings), row).inserted_primary_key
    assert made is not None  # noqa: S101 - a single-row insert always has one
    return int(made[0])


def standing(connection: Connection, staff: int, now: float) -> list[Undoing]:
    """What they may still take back, the latest first."""
    query = (
        select(undoings)
        .where(undoings.c.staff == staff, undoings.c.ends_at > now, undoings.c.undone_at.is_(None))
        .order_by(undoings.c.id.desc())
    )
    return [_decoded(row) for row in connection.execute(query)]


def take(connection: Connection, number: int, staff: int, actor: str, now: float) -> Undoing:
    """Mark one as taken back; what it did is the caller's to reverse in the same transaction."""
    query = select(undoings).where(
        undoings.c.id == number,
        undoings.c.staff == staff,
        undoings.c.ends_at > now,
        undoings.c.undone_at.is_(None),
    )
    row = connection.execute(query).first()
    if row is None:
        raise LookupError("it cannot be undone any more")
    change = update(undoings).where(undoings.c.id == number)
    connection.execute(change.values(undone_at=int(now)))
    undoing = _decoded(row)
    detail = {"act": undoing.action, **undoing.detail}
    audit.append(connection, at=now, actor=actor, action="act.undone", detail=detail)
    return undoing


def _decoded(row: Row[tuple[object, ...]]) -> Undoing:
    return Undoing(row.id, row.staff, row.action, json.loads(row.detail), row.at, row.ends_at)

"""A case as its row: the whole value as JSON, with the columns that lists and clocks ask for.

`load` gives a case under its number, `insert` and `save` write it. Raise LookupError for a number
that is none. What changes a case is `gateway.records.case_change`.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable
from dataclasses import dataclass, replace

from sqlalchemy import Connection, bindparam, func, insert, literal_column, select, update

from gateway.records.prepared import Prepared
from gateway.records.tables import cases
from policies.sanctions.case import Case, from_plain, to_plain
from policies.sanctions.words import Phase

TRACKING_OCTETS = 16
_row = cases.c
# Made once: making them costs more than running them.
_STATE = Prepared(select(_row.state).where(_row.id == bindparam("number")))
_FOLDING = Prepared(
    select(_row.id, _row.state).where(
        _row.ladder == bindparam("ladder"),
        _row.tenant == bindparam("tenant"),
        _row.mailing == bindparam("mailing"),
        _row.mailing != literal_column("''"),  # as the index has it, which is not used else
        _row.notified_at.is_(None),
        _row.closed_at.is_(None),
    )
)
_ON_PROBATION = Prepared(
    select(_row.id, _row.state).where(
        _row.tenant == bindparam("tenant"),
        _row.phase == Phase.PROBATION.value,
        _row.closed_at.is_(None),
    )
)
_SAVE = Prepared(update(cases).where(_row.id == bindparam("number")))


@dataclass(frozen=True, slots=True)
class Clocks:
    """What only the engine can tell of a case: when it next moves by itself (Unix s), and the
    percent of the usual volume that it leaves its tenant."""

    next_at: float | None
    volume: int


def load_case(connection: Connection, number: int) -> Case:
    """The case with this number; LookupError."""
    state = _STATE.scalar(connection, {"number": number})
    if state is None:
        raise LookupError(f"there is no case C-{number:06d}")
    return decode(number, state)


def decode(number: int, state: str) -> Case:
    """The case in a row's JSON."""
    return replace(from_plain(json.loads(state)), id=number)


def folding(connection: Connection, ladder: str, tenant: str, mailing: str) -> Case | None:
    """The case that takes a further fact of this mailing, if there is one."""
    own = {"ladder": ladder, "tenant": tenant, "mailing": mailing}
    row = _FOLDING.first(connection, own)
    return None if row is None else decode(row.id, row.state)


def last_of_mailing(connection: Connection, ladder: str, tenant: str, mailing: str) -> Case | None:
    """The newest case of this mailing, wherever it stands."""
    query = select(_row.id, _row.state).where(
        _row.ladder == ladder, _row.tenant == tenant, _row.mailing == mailing, _row.mailing != ""
    )
    row = connection.execute(query.order_by(_row.id.desc()).limit(1)).first()
    return None if row is None else decode(row.id, row.state)


def running(connection: Connection, tenant: str) -> Iterable[Case]:
    """The tenant's cases that are not over, oldest first."""
    query = select(_row.id, _row.state).where(_row.tenant == tenant, _row.closed_at.is_(None))
    return [decode(row.id, row.state) for row in connection.execute(query.order_by(_row.id))]


def due_cases(connection: Connection, now: float, limit: int) -> list[int]:
    """Cases for which something is to happen by itself by now, the longest due first."""
    query = select(_row.id).where(_row.next_at <= int(now), _row.closed_at.is_(None))
    return list(connection.execute(query.order_by(_row.next_at, _row.id).limit(limit)).scalars())


def history(connection: Connection, ladder: str, tenant: str) -> int:
    """How many counted cases the tenant has had in this ladder."""
    query = select(func.count()).where(
        _row.tenant == tenant, _row.ladder == ladder, _row.counted == 1
    )
    return int(connection.execute(query).scalar() or 0)


def insert_case(connection: Connection, case: Case, clocks: Clocks) -> Case:
    """Store a new case; the same with its number."""
    values = _columns(case, clocks) | {"tracking": os.urandom(TRACKING_OCTETS)}
    made = connection.execute(insert(cases), values).inserted_primary_key
    assert made is not None  # noqa: S101 - a single-row insert always has one
    return replace(case, id=int(made[0]))


def on_probation(connection: Connection, tenant: str) -> list[Case]:
    """The tenant's cases that are lifted on probation."""
    found = _ON_PROBATION.all(connection, {"tenant": tenant})
    return [decode(row.id, row.state) for row in found]


def save_case(connection: Connection, case: Case, clocks: Clocks) -> None:
    """Store a case as it stands now."""
    _SAVE.run(connection, {**_columns(case, clocks), "number": case.id})


def _columns(case: Case, clocks: Clocks) -> dict[str, object]:
    return {
        "ladder": case.ladder,
        "step": case.step,
        "tenant": case.tenant,
        "mailing": case.mailing,
        "policy": case.policy,
        "phase": case.phase.value,
        "counted": int(case.counted),
        "open_items": len(case.open_items),
        "volume": clocks.volume,
        "opened_at": int(case.opened_at),
        "notified_at": _whole(case.notified_at),
        "closed_at": _whole(case.closed_at),
        "due_at": _whole(case.due_at),
        "review_due_at": _whole(case.review_due_at),
        "next_at": _whole(clocks.next_at),
        "state": json.dumps(to_plain(case), sort_keys=True, separators=(",", ":")),
    }


def _whole(instant: float | None) -> int | None:
    # Rounded up: a clock that has run out by its column has run out by the case too.
    return None if instant is None else math.ceil(instant)

"""Bounces as staff look at them: those of one person, and whom the ones in a storm are about.

`bounces_of` takes a person's keys and gives the latest bounces, newest first; `touched_by` takes a
storm's number and says how many recipients of which tenants it holds. Texts of servers have their
addresses masked already. Reads only.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from gateway.records.tables import bounces
from policies.returned.classes import BounceClass
from policies.returned.storms import BounceState
from policies.returned.words import Action
from policies.sanctions.words import Grade

_row = bounces.c


@dataclass(frozen=True, slots=True)
class SeenBounce:
    """A bounce on record. `due_at` is when one that is pending will be believed, `storm` the number
    of the storm that it came in; `grade` None: the next hop's own reply."""

    number: int
    at: int
    tenant: str
    stream: str
    mailing: str
    provider: str
    ref: str
    action: Action
    bounce_class: BounceClass
    code: int
    enhanced: str
    text: str
    way: str
    grade: Grade | None
    state: BounceState
    due_at: int | None
    storm: int | None


@dataclass(frozen=True, slots=True)
class Touched:
    """How many recipients of which tenants, in how many bounces."""

    bounces: int
    recipients: int
    tenants: tuple[str, ...]


def bounces_of(
    connection: Connection, keys: Collection[bytes], limit: int = 50
) -> list[SeenBounce]:
    """The latest under any of these keys."""
    query = select(bounces).where(_row.key.in_(keys)).order_by(_row.id.desc()).limit(limit)
    return [
        SeenBounce(
            number=row.id,
            at=row.at,
            tenant=row.tenant,
            stream=row.stream,
            mailing=row.mailing,
            provider=row.provider,
            ref=row.ref,
            action=Action(row.action),
            bounce_class=BounceClass(row._mapping["class"]),
            code=row.code,
            enhanced=row.enhanced,
            text=row.text,
            way=row.way,
            grade=None if row.grade is None else Grade(row.grade),
            state=BounceState(row.state),
            due_at=row.due_at,
            storm=row.storm,
        )
        for row in connection.execute(query)
    ]


def touched_by(connection: Connection, number: int) -> Touched:
    """What a storm holds now."""
    held = (_row.storm == number) & (_row.state == BounceState.HELD.value)
    count = select(func.count(), func.count(_row.key.distinct())).where(held)
    amount, recipients = connection.execute(count).one()
    names = select(_row.tenant).where(held).distinct().order_by(_row.tenant)
    return Touched(int(amount), int(recipients), tuple(connection.execute(names).scalars()))

"""Who leads: the name of the node whose jobs run for all, kept in the records for people to see.

What makes it the leader is the lock of `gateway.records.leader_lock`, not this note.
"""

from __future__ import annotations

from sqlalchemy import Connection, delete, insert, select

from gateway.records.tables import meta

_NAME = "jobs:leader"


def note_leader(connection: Connection, node: str) -> None:
    """From now on `node` leads."""
    connection.execute(delete(meta).where(meta.c.name == _NAME))
    connection.execute(insert(meta), {"name": _NAME, "value": node})


def leader_of(connection: Connection) -> str:
    """The node that led last; "" when none ever did."""
    return connection.scalar(select(meta.c.value).where(meta.c.name == _NAME)) or ""

"""Finding records of the audit trail: by who, what, where, about whom and since when.

Records come newest first, of those with a lower number than `before`. `keys` are all that an
address may stand under; a scope takes its streams in. Read-only.
"""

from __future__ import annotations

import json
from collections.abc import Collection

from sqlalchemy import ColumnElement, Connection, or_, select

from gateway.records.listing import Record
from gateway.records.tables import audit


def search(
    connection: Connection,
    *,
    actor: str = "",
    action: str = "",
    scope: str = "",
    keys: Collection[bytes] = (),
    since: float | None = None,
    before: int | None = None,
    limit: int | None = None,
) -> list[Record]:
    """The records for which all holds that is given; `action` may end in `.` for a whole group."""
    conditions: list[ColumnElement[bool]] = []
    if actor:
        conditions.append(audit.c.actor == actor)
    if action.endswith("."):
        conditions.append(audit.c.action.startswith(action, autoescape=True))
    elif action:
        conditions.append(audit.c.action == action)
    if scope:
        streams = audit.c.scope.startswith(f"{scope}/", autoescape=True)
        conditions.append(or_(audit.c.scope == scope, streams))
    if keys:
        conditions.append(audit.c.key.in_(keys))
    if before is not None:
        conditions.append(audit.c.id < before)
    if since is not None:
        conditions.append(audit.c.at >= since)
    query = select(audit).where(*conditions).order_by(audit.c.id.desc()).limit(limit)
    return [
        Record(row.id, row.at, row.actor, row.action, row.scope, row.key, json.loads(row.detail))
        for row in connection.execute(query)
    ]

"""Lists that come in editions: what the last one of a source does not name any more is over.

`count_gone` says how many entries of a source are in force that a new edition has not renewed,
`lift_gone` ends them in the list owner's capacity, some hundred in a transaction with one audit
record each. All rows of an edition end in the same second: what ends sooner is of an older one.
"""

from __future__ import annotations

from hashlib import sha256

from sqlalchemy import ColumnElement, Connection, func, select, update

from gateway.records import audit, index, opt_outs
from gateway.records.codes import EDITIONS
from gateway.records.database import Database
from gateway.records.drafts import Draft
from gateway.records.opt_outs import Lifted
from gateway.records.streams import scope_texts
from gateway.records.tables import sources, suppressions
from suppression.masking import mask
from suppression.precedence import Lifter

WHY = "not in the list any more"
_BATCH = 200


def count_gone(connection: Connection, default: Draft, ends: int, now: float) -> int:
    """How many entries of the draft's source are in force, but not as long as until `ends`."""
    query = select(func.count()).select_from(suppressions)
    return int(connection.scalar(query.where(_gone(default, ends, now))) or 0)


def lift_gone(database: Database, default: Draft, ends: int, now: float) -> int:
    """End those entries; how many there were. An interrupted call is completed by another one."""
    lifted = 0
    entry = suppressions.c
    columns = (entry.id, entry.key, entry.scope, entry.code, entry.created_at)
    query = select(*columns).where(_gone(default, ends, now)).limit(_BATCH)
    while True:
        with database.transaction() as connection:
            rows = connection.execute(query).all()
            if not rows:
                return lifted
            connection.execute(
                update(suppressions)
                .where(entry.id.in_([row.id for row in rows]))
                .values(lifted_at=int(now), lifted_by=default.audited, lifted_reason=WHY)
            )
            texts = scope_texts(connection)
            digest = sha256()
            for row in rows:
                index.take(connection, row.key, row.scope, row.code, row.id)
                opt_outs.note(
                    connection,
                    Lifted(
                        row.key,
                        texts[row.scope],
                        row.code,
                        row.created_at,
                        default.audited,
                        int(now),
                    ),
                )
                digest.update(b"%b %d %d\n" % (row.key, row.scope, row.code))
            detail = {
                "source": mask(default.source),
                "by": Lifter.LIST_OWNER,
                "why": WHY,
                "entries": len(rows),
                "digest": digest.hexdigest(),
            }
            audit.append(
                connection,
                at=now,
                actor=default.audited,
                action="suppression.edition-ended",
                scope=default.scope,
                detail=detail,
            )
        lifted += len(rows)


def _gone(default: Draft, ends: int, now: float) -> ColumnElement[bool]:
    source = select(sources.c.id).where(
        sources.c.setter == default.setter, sources.c.name == mask(default.source)
    )
    entry = suppressions.c
    return (
        entry.source.in_(source)
        & entry.lifted_at.is_(None)
        & entry.code.in_(EDITIONS)
        & (entry.ends_at > now)
        & (entry.ends_at < ends)
    )

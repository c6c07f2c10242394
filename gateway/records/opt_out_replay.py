"""Bringing into force what the opt-out log has and the database lacks.

`apply` takes one decoded record and makes its change unless it is made already, so that a record
may come twice. What was a person's plain address is not in the log: entries come back under their
keys alone. Runs in a transaction that holds the write lock, over a complete standing index.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, insert, select, true, update

from gateway.records import index
from gateway.records.codes import CONSENTS, DECODED, FIRST_SUPPRESSION
from gateway.records.opt_outs import (
    Begun,
    ConsentEnded,
    Erased,
    Lifted,
    OptOut,
    OptOuts,
    Record,
    Row,
    StreamNumbered,
)
from gateway.records.streams import find_scope, scope_number
from gateway.records.subjects import destroy, next_ids, source_number
from gateway.records.tables import consents, sources, standing_index, streams, suppressions
from suppression.precedence import is_longer
from suppression.standing import Reason

WHY = "as the opt-out log says"
"""The reason of a lift that a restore repeats; the words of then are in the audit trail of then."""
_CHUNK = 500


def apply(connection: Connection, record: Record) -> None:
    """Make the change that `record` tells of."""
    match record:
        case Begun():
            pass
        case StreamNumbered():
            _number(connection, record)
        case OptOut():
            scope = scope_number(connection, record.scope)
            row = Row(record.key, scope, record.code, record.at, record.ends)
            _bring_in(connection, [row], record.setter, record.source)
        case OptOuts():
            numbers = {
                number: scope_number(connection, text) for number, text in record.scopes.items()
            }
            rows = [
                Row(row.key, numbers[row.scope], row.code, row.at, row.ends) for row in record.rows
            ]
            for start in range(0, len(rows), _CHUNK):
                part = rows[start : start + _CHUNK]
                _bring_in(connection, part, record.setter, record.source)
        case Lifted():
            _lift(connection, record)
        case ConsentEnded():
            _end_consents(connection, record)
        case Erased():
            destroy(connection, record.keys, record.scope)


def _number(connection: Connection, record: StreamNumbered) -> None:
    """A token made under a number must never come to name another stream."""
    query = select(streams).where(streams.c.number == record.number)
    known = connection.execute(query).first()
    if known is None:
        row = {"number": record.number, "tenant": record.tenant, "name": record.name}
        connection.execute(insert(streams), row)
    elif (known.tenant, known.name) != (record.tenant, record.name):
        raise ValueError(
            f"number {record.number} is {record.tenant}/{record.name} in the log and "
            f"{known.tenant}/{known.name} in the database"
        )


def _bring_in(connection: Connection, rows: Sequence[Row], setter: str, source: str) -> None:
    standing = standing_index.c
    query = (
        select(standing.key, standing.scope, standing.code, sources.c.setter, standing.ends)
        .join(suppressions, suppressions.c.id == standing.entry)
        .join(sources, sources.c.id == suppressions.c.source)
        .where(standing.key.in_({row.key for row in rows}), standing.code >= FIRST_SUPPRESSION)
    )

    def alike(key: bytes, scope: int, code: int, by: str) -> tuple[bytes, int, int, str]:
        # Whoever set a manual entry lifts it, so each setter's is an entry of its own.
        return key, scope, code, by if DECODED[code][0] is Reason.MANUAL else ""

    known: dict[tuple[bytes, int, int, str], int | None] = {}
    for key, scope, code, by, ends in connection.execute(query):
        same = alike(key, scope, code, by)
        if same not in known or is_longer(ends, known[same]):
            known[same] = ends
    missing = [
        row
        for row in rows
        if (same := alike(row.key, row.scope, row.code, setter)) not in known
        or is_longer(row.ends, known[same])
    ]
    if not missing:
        return
    first = next_ids(connection, suppressions, len(missing))
    number = source_number(connection, setter, source)
    connection.execute(
        insert(suppressions),
        [
            {
                "id": entry,
                "key": row.key,
                "scope": row.scope,
                "code": row.code,
                "source": number,
                "created_at": row.at,
                "ends_at": row.ends,
            }
            for entry, row in enumerate(missing, first)
        ],
    )
    connection.execute(
        insert(standing_index),
        [
            {
                "key": row.key,
                "scope": row.scope,
                "code": row.code,
                "entry": entry,
                "ends": row.ends,
            }
            for entry, row in enumerate(missing, first)
        ],
    )
    index.mark_hashed(connection, {row.code for row in missing})


def _lift(connection: Connection, record: Lifted) -> None:
    scope = find_scope(connection, record.scope)
    if scope is None:
        return
    entry, standing = suppressions.c, standing_index.c
    found = connection.execute(
        select(entry.id)
        .join(standing_index, standing.entry == entry.id)
        .join(sources, sources.c.id == entry.source)
        .where(
            standing.key == record.key,
            standing.scope == scope,
            standing.code == record.code,
            entry.created_at == record.made,
            entry.lifted_at.is_(None),
            sources.c.setter == record.setter if record.setter else true(),
        )
        .order_by(entry.id)
        .limit(1)
    ).scalar()
    if found is None:
        return
    connection.execute(
        update(suppressions)
        .where(entry.id == found)
        .values(lifted_at=record.at, lifted_by=record.by, lifted_reason=WHY)
    )
    index.take(connection, record.key, scope, record.code, found)


def _end_consents(connection: Connection, record: ConsentEnded) -> None:
    scope = find_scope(connection, record.scope)
    if scope is None:
        return
    standing = standing_index.c
    levels = CONSENTS if record.level == 0 else (record.level,)
    found = connection.execute(
        select(consents.c.id, consents.c.level)
        .join(standing_index, standing.entry == consents.c.id)
        .where(
            standing.key == record.key,
            standing.scope == scope,
            standing.code.in_(levels),
            standing.code == consents.c.level,
            consents.c.given_at <= record.at,
        )
    ).all()
    for consent in found:
        connection.execute(
            update(consents)
            .where(consents.c.id == consent.id)
            .values(ended_at=record.at, ended_by=record.by)
        )
        index.take(connection, record.key, scope, consent.level, consent.id)

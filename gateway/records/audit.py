"""The audit trail: who changed what, when and why; append-only and hash-chained.

Each record's digest is SHA-256 over the digest before it and its own fields as canonical JSON, so
that an altered, inserted or missing record shows. Runs over keys, never over plain addresses: those
in texts of staff are masked. A cut-off tail shows only against a `head` noted elsewhere. `append`
must run in the transaction of the change it records.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from hashlib import sha256

from sqlalchemy import Connection, delete, func, insert, select

from gateway.records.prepared import Prepared
from gateway.records.store import remembered
from gateway.records.tables import audit, meta
from suppression.masking import mask_all

CUT = "audit.cut"
_BEGINNING = "audit:beginning"
START = bytes(32)
"""What the first record's digest covers in place of a predecessor."""
_STEP = 1000
# Made once: making them costs more than running them.
_HEAD = Prepared(select(audit.c.id, audit.c.digest).order_by(audit.c.id.desc()).limit(1))
_ADD = Prepared(insert(audit))


def append(
    connection: Connection,
    *,
    at: float,
    actor: str,
    action: str,
    scope: str = "",
    key: bytes | None = None,
    detail: Mapping[str, object] | None = None,
) -> None:
    """Add one record. `action` is a dotted past-tense name; `detail` is JSON-able."""
    known = remembered(connection)
    number, previous = known.get(_HEAD) or head(connection)
    row = {
        "id": number + 1,
        "at": int(at),
        "actor": actor,
        "action": action,
        "scope": scope,
        "key": key,
        "detail": json.dumps(mask_all(detail or {}), sort_keys=True, separators=(",", ":")),
    }
    digest = _digest(previous, row)
    _ADD.run(connection, {**row, "digest": digest})
    known[_HEAD] = number + 1, digest


def head(connection: Connection) -> tuple[int, bytes]:
    """The last record's number and digest; (0, START) when there is none."""
    row = _HEAD.first(connection)
    return (0, START) if row is None else (row.id, row.digest)


def verify(connection: Connection, progress: Callable[[int], None] | None = None) -> int | None:
    """The number of the first record that does not fit its predecessor; None when all do.

    `progress` is told of each thousand records more that do. Where retention has cut the trail, the
    chain begins behind the cut, which a record of the chain must bear witness to.
    """
    number, previous = beginning(connection)
    is_witnessed = not number
    witness = _said(number, previous)
    query = select(audit).where(audit.c.id > number).order_by(audit.c.id)
    with connection.execute(query.execution_options(yield_per=1000)) as records:
        for expected, record in enumerate(records.mappings(), number + 1):
            row = dict(record)
            digest = row.pop("digest")
            if row["id"] != expected or _digest(previous, row) != digest:
                return expected
            previous = digest
            if row["action"] == CUT and json.loads(row["detail"]) == witness:
                is_witnessed = True
            if progress is not None and expected % _STEP == 0:
                progress(_STEP)
    return None if is_witnessed else number + 1


def beginning(connection: Connection) -> tuple[int, bytes]:
    """Number and digest of the last record that was cut off; (0, START) when none was."""
    value = connection.execute(select(meta.c.value).where(meta.c.name == _BEGINNING)).scalar()
    if value is None:
        return 0, START
    number, digest = str(value).split()
    return int(number), bytes.fromhex(digest)


def cut(connection: Connection, before: float, actor: str, now: float) -> int:
    """Let the trail begin behind the records made before `before`; how many those are.

    A new record says where that is and which digest stands there; the old ones are then no part of
    the trail, for `gateway.records.retention` to delete. The last record always stays.
    """
    number, _ = beginning(connection)
    kept = connection.execute(
        select(func.min(audit.c.id)).where(audit.c.id > number, audit.c.at >= before)
    ).scalar()
    upto = (head(connection)[0] if kept is None else int(kept)) - 1
    if upto <= number:
        return 0
    digest = connection.execute(select(audit.c.digest).where(audit.c.id == upto)).scalar_one()
    append(connection, at=now, actor=actor, action=CUT, detail=_said(upto, digest))
    connection.execute(delete(meta).where(meta.c.name == _BEGINNING))
    connection.execute(insert(meta), {"name": _BEGINNING, "value": f"{upto} {digest.hex()}"})
    return upto - number


def _said(upto: int, digest: bytes) -> dict[str, object]:
    return {"upto": upto, "digest": digest.hex()}


def _digest(previous: bytes, row: Mapping[str, object]) -> bytes:
    key = row["key"]
    fields = [
        row["id"],
        row["at"],
        row["actor"],
        row["action"],
        row["scope"],
        key.hex() if isinstance(key, bytes) else None,
        row["detail"],
    ]
    return sha256(previous + json.dumps(fields, separators=(",", ":")).encode()).digest()

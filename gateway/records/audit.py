"""The audit trail: who changed what, when and why; append-only and hash-chained.

Each record's digest is SHA-256 over the digest before it and its own fields as canonical JSON, so
that an altered, inserted or missing record shows. Runs over keys, never over plain addresses: those
in texts of staff are masked. A cut-off tail shows only against a `head` noted elsewhere. `append`
must run in the transaction of the change it records.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256

from sqlalchemy import Connection, insert, select

from gateway.records.tables import audit
from suppression.masking import mask_all

START = bytes(32)
"""What the first record's digest covers in place of a predecessor."""


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
    number, previous = head(connection)
    row = {
        "id": number + 1,
        "at": int(at),
        "actor": actor,
        "action": action,
        "scope": scope,
        "key": key,
        "detail": json.dumps(mask_all(detail or {}), sort_keys=True, separators=(",", ":")),
    }
    connection.execute(insert(audit), {**row, "digest": _digest(previous, row)})


def head(connection: Connection) -> tuple[int, bytes]:
    """The last record's number and digest; (0, START) when there is none."""
    query = select(audit.c.id, audit.c.digest).order_by(audit.c.id.desc()).limit(1)
    row = connection.execute(query).first()
    return (0, START) if row is None else (row.id, row.digest)


def verify(connection: Connection) -> int | None:
    """The number of the first record that does not fit its predecessor; None when all do."""
    previous = START
    records = connection.execution_options(yield_per=1000).execute(select(audit).order_by("id"))
    for expected, record in enumerate(records.mappings(), 1):
        row = dict(record)
        digest = row.pop("digest")
        if row["id"] != expected or _digest(previous, row) != digest:
            return expected
        previous = digest
    return None


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

"""The standing index: one row per entry or consent in force, clustered by key.

It is derived, so it can be rebuilt; until a build is complete it has no generation mark, and
without the mark no look-up takes an empty answer for "nobody is suppressed". Every function runs
in the transaction of the change that it reflects.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, delete, insert, null, select, update

from gateway.records import feed
from gateway.records.codes import CLEARED, FIRST_HASHED, MARK, hash_kind, hash_number
from gateway.records.prepared import Prepared
from gateway.records.store import run
from gateway.records.tables import attestations, consents, meta, standing_index, suppressions
from suppression.hashes import HashKind

GENERATION_KEY = bytes(16)
"""The key of the row that marks a complete index; `entry` is its generation, the scope 0.

Beside it, fetched with it by every look-up: a row for each kind of hashed list there is, its scope
the kind's number below zero.
"""
_GENERATION = "index:generation"
# Made once: making them costs more than running them.
_PUT = Prepared(insert(standing_index))


def attested_key(tenant_number: int) -> bytes:
    """The key of the row that says the tenant has attested consent at least once."""
    return b"attested" + tenant_number.to_bytes(8, "big", signed=True)


def put(
    connection: Connection, key: bytes, scope: int, code: int, entry: int, ends: int | None = None
) -> None:
    """Bring one entry, consent or mark into force."""
    row = {"key": key, "scope": scope, "code": code, "entry": entry, "ends": ends}
    _PUT.run(connection, row)
    mark_hashed(connection, [code])


def mark_hashed(connection: Connection, codes: Iterable[int]) -> None:
    """Note which kinds of hashed lists there are, so that look-ups ask for their keys, too."""
    for number in {hash_number(code) for code in codes} - {0}:
        run(
            connection,
            "INSERT INTO standing_index (key, scope, code, entry) VALUES (?,?,?,0) "
            "ON CONFLICT DO NOTHING",
            (GENERATION_KEY, -number, MARK),
        )


def hashed_kinds(connection: Connection) -> list[HashKind]:
    """The kinds of hashed lists there are."""
    query = select(standing_index.c.scope).where(standing_index.c.key == GENERATION_KEY)
    numbers = connection.execute(query.order_by(standing_index.c.scope)).scalars()
    return [kind for number in numbers if (kind := hash_kind(-number)) is not None]


def mark_attested(connection: Connection, tenant_number: int) -> None:
    """Note a tenant's attestation; once is enough."""
    key = attested_key(tenant_number)
    if not rows_of(connection, [key]):
        put(connection, key, tenant_number, MARK, 0)


def take(connection: Connection, key: bytes, scope: int, code: int, entry: int) -> None:
    """Take one row out of force."""
    connection.execute(
        delete(standing_index).where(
            standing_index.c.key == key,
            standing_index.c.scope == scope,
            standing_index.c.code == code,
            standing_index.c.entry == entry,
        )
    )


def rows_of(connection: Connection, keys: Iterable[bytes]) -> Sequence[tuple[bytes, int, int, int]]:
    """Key, scope, code and entry of every row under `keys`, expired ones included."""
    wanted = tuple(keys)
    marks = ",".join("?" * len(wanted)) or "NULL"
    query = f"SELECT key, scope, code, entry FROM standing_index WHERE key IN ({marks})"  # noqa: S608 - but marks
    return run(connection, query, wanted)


def is_complete(connection: Connection) -> bool:
    """Whether the index carries the mark of the generation that `meta` names."""
    generation = connection.execute(select(meta.c.value).where(meta.c.name == _GENERATION)).scalar()
    marked = connection.execute(
        select(standing_index.c.entry).where(
            standing_index.c.key == GENERATION_KEY, standing_index.c.scope == 0
        )
    ).scalar()
    return generation is not None and marked == int(generation)


def unmark(connection: Connection) -> None:
    """Let no answer of the index be believed until it is rebuilt."""
    connection.execute(delete(meta).where(meta.c.name == _GENERATION))
    connection.execute(
        delete(standing_index).where(
            standing_index.c.key == GENERATION_KEY, standing_index.c.scope == 0
        )
    )


def rebuild(connection: Connection) -> None:
    """Derive the whole index from the durable records, under a new generation.

    What pre-checks have cleared stands in the index only and stays; without it the mail waits.
    An index that follows the log of changes is to begin anew as well: none of this is noted.
    """
    is_followed = feed.disable(connection)
    generation = connection.execute(select(meta.c.value).where(meta.c.name == _GENERATION)).scalar()
    following = int(generation or 0) + 1
    connection.execute(delete(standing_index).where(standing_index.c.code != CLEARED))
    columns = ["key", "scope", "code", "entry", "ends"]
    entry, consent = suppressions.c, consents.c
    for source in (
        select(entry.key, entry.scope, entry.code, entry.id, entry.ends_at)
        .where(entry.lifted_at.is_(None))
        .order_by(entry.key),
        select(consent.key, consent.scope, consent.level, consent.id, null())
        .where(consent.ended_at.is_(None))
        .order_by(consent.key),
    ):
        connection.execute(insert(standing_index).from_select(columns, source))
    hashed = select(entry.code).where(entry.code >= FIRST_HASHED, entry.lifted_at.is_(None))
    mark_hashed(connection, connection.execute(hashed.distinct()).scalars().all())
    finished = select(attestations.c.tenant).where(attestations.c.rows > 0).distinct()
    for tenant in connection.execute(finished).scalars().all():
        mark_attested(connection, tenant)
    put(connection, GENERATION_KEY, 0, MARK, following)
    if generation is None:
        connection.execute(insert(meta), {"name": _GENERATION, "value": str(following)})
    else:
        connection.execute(
            update(meta).where(meta.c.name == _GENERATION).values(value=str(following))
        )
    if is_followed:
        feed.enable(connection)

"""Addresses that complained about a tenant, and which of them it says it has deleted.

`complainers` lists them from the tenant's facts, newest first; `acknowledge` notes the tenant's
word, with an audit record by key for each. An address is known by its key; its plain text comes
from the fact's sealed text and is "" when it was erased. Functions take a connection and commit
nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, func, insert, select

from gateway.records import audit
from gateway.records.subjects import plain_texts
from gateway.records.tables import deletions, facts
from policies.sanctions.words import FactKind
from suppression.keys import Keyring

MOST = 200
"""Listed at most; the oldest of more come when these are acknowledged."""
_row = deletions.c


@dataclass(frozen=True, slots=True)
class Complainer:
    """Somebody who complained; `address` is plain, or "". Instants are Unix seconds."""

    key: bytes
    address: str
    complained_at: int
    deleted_at: int | None


def complainers(
    connection: Connection, keyring: Keyring, tenant: str, *, waiting: bool = False
) -> list[Complainer]:
    """Who complained about the tenant, each once; only those not deleted yet when `waiting`."""
    latest = (
        select(facts.c.key, func.max(facts.c.id).label("id"), func.max(facts.c.at).label("at"))
        .where(
            facts.c.tenant == tenant,
            facts.c.kind.in_([FactKind.COMPLAINT.value, FactKind.COMPLAINT_IGNORED.value]),
            facts.c.key.is_not(None),
        )
        .group_by(facts.c.key)
        .subquery()
    )
    # Only a complaint's own fact has the address sealed.
    sealed = (
        select(func.max(facts.c.subject))
        .where(facts.c.tenant == tenant, facts.c.key == latest.c.key)
        .correlate(latest)
        .scalar_subquery()
    )
    same = (_row.tenant == tenant) & (_row.key == latest.c.key)
    query = (
        select(latest.c.key, latest.c.at, sealed.label("subject"), _row.at.label("deleted_at"))
        .outerjoin(deletions, same)
        .order_by(latest.c.id.desc())
        .limit(MOST)
    )
    if waiting:
        query = query.where(_row.id.is_(None))
    rows = connection.execute(query).all()
    texts = plain_texts(connection, keyring, [row.subject for row in rows if row.subject])
    return [
        Complainer(row.key, texts.get(row.subject or 0, ""), row.at, row.deleted_at) for row in rows
    ]


def acknowledge(
    connection: Connection, tenant: str, keys: Iterable[bytes], actor: str, now: float
) -> int:
    """Note that the tenant has deleted these; how many were new. Keys of nobody who complained
    about this tenant are passed over."""
    wanted = set(keys)
    known = select(facts.c.key).where(
        facts.c.tenant == tenant,
        facts.c.kind.in_([FactKind.COMPLAINT.value, FactKind.COMPLAINT_IGNORED.value]),
        facts.c.key.in_(wanted),
    )
    noted = select(_row.key).where(_row.tenant == tenant, _row.key.in_(wanted))
    new = set(connection.execute(known).scalars()) - set(connection.execute(noted).scalars())
    _insert(connection, tenant, sorted(new), actor, now)
    return len(new)


def _insert(
    connection: Connection, tenant: str, keys: Sequence[bytes], actor: str, now: float
) -> None:
    for key in keys:
        row = {"tenant": tenant, "key": key, "at": int(now), "actor": actor}
        connection.execute(insert(deletions), row)
        audit.append(
            connection, at=now, actor=actor, action="complainer.deleted", scope=tenant, key=key,
            detail={},
        )  # fmt: skip

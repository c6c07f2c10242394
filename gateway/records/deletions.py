"""Addresses that complained about a tenant, and which of them it says it has deleted.

`complainers` lists them from the tenant's facts and from reports of grade B that nobody has decided
yet, newest first; `acknowledge` notes the tenant's word, with an audit record by key for each. An
address is known by its key; its plain text comes from what is sealed and is "" when it was erased.
Functions take a connection and commit nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, exists, insert, null, select, union

from gateway.records import audit
from gateway.records.subjects import plain_texts
from gateway.records.tables import deletions, facts, reports
from policies.sanctions.words import FactKind, Grade
from suppression.keys import Keyring

MOST = 200
"""Listed at most; the oldest of more come when these are acknowledged."""
LOOKED_AT = 2000
"""Complaints of a kind that are looked through for them, the latest first."""
KINDS = (FactKind.COMPLAINT, FactKind.COMPLAINT_IGNORED)
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
    latest: dict[bytes, Any] = {}
    for row in sorted(_complaints(connection, tenant, waiting), key=lambda row: -row.at):
        if len(latest) == MOST:
            break
        latest.setdefault(row.key, row)
    subjects = _sealed(connection, tenant, latest)
    texts = plain_texts(connection, keyring, subjects.values())
    for row in latest.values():
        if row.subject is not None:
            subjects.setdefault(row.key, row.subject)
            texts |= _addresses(connection, keyring, row.subject)
    noted = select(_row.key, _row.at).where(_row.tenant == tenant, _row.key.in_(latest))
    deleted = {row.key: row.at for row in connection.execute(noted)}
    return [
        Complainer(key, texts.get(subjects.get(key, 0), ""), row.at, deleted.get(key))
        for key, row in latest.items()
    ]


def _sealed(connection: Connection, tenant: str, keys: Iterable[bytes]) -> dict[bytes, int]:
    """The sealed address of each: only a complaint's own fact has it, and that may be an old one.

    The tenant is compared here, or SQLite would go through all of its facts by another index.
    """
    query = select(facts.c.key, facts.c.tenant, facts.c.subject).where(
        facts.c.key.in_(list(keys)), facts.c.subject.is_not(None)
    )
    rows = connection.execute(query.order_by(facts.c.id))
    return {row.key: row.subject for row in rows if row.tenant == tenant}


def _complaints(connection: Connection, tenant: str, waiting: bool) -> Iterator[Any]:
    """The latest complaints: a query for each kind, so that an index gives them in order."""
    noted = exists().where(_row.tenant == tenant, _row.key == facts.c.key)
    for kind in KINDS:
        query = select(facts.c.key, facts.c.at, null().label("subject")).where(
            facts.c.tenant == tenant, facts.c.kind == kind.value, facts.c.key.is_not(None)
        )
        if waiting:
            query = query.where(~noted)
        yield from connection.execute(query.order_by(facts.c.at.desc()).limit(LOOKED_AT))
    said = exists().where(_row.tenant == tenant, _row.key == reports.c.key)
    undecided = select(reports.c.key, reports.c.received_at.label("at"), reports.c.subject).where(
        *_undecided(tenant)
    )
    if waiting:
        undecided = undecided.where(~said)
    yield from connection.execute(undecided.order_by(reports.c.id.desc()).limit(LOOKED_AT))


def _undecided(tenant: str) -> tuple[ColumnElement[bool], ...]:
    """Reports with our own token that wait for a person: they stop mail, so the tenant may know."""
    return (
        reports.c.tenant == tenant,
        reports.c.state == "waiting",
        reports.c.grade == Grade.B.value,
        reports.c.key.is_not(None),
    )


def _addresses(connection: Connection, keyring: Keyring, subject: int) -> dict[int, str]:
    """The address within a report's sealed text."""
    opened = plain_texts(connection, keyring, [subject])
    return {number: str(json.loads(text).get("address", "")) for number, text in opened.items()}


def acknowledge(
    connection: Connection, tenant: str, keys: Iterable[bytes], actor: str, now: float
) -> int:
    """Note that the tenant has deleted these; how many were new. Keys of nobody who complained
    about this tenant are passed over."""
    wanted = set(keys)
    known = select(facts.c.key).where(
        facts.c.tenant == tenant,
        facts.c.kind.in_([kind.value for kind in KINDS]),
        facts.c.key.in_(wanted),
    )
    waiting = select(reports.c.key).where(*_undecided(tenant), reports.c.key.in_(wanted))
    noted = select(_row.key).where(_row.tenant == tenant, _row.key.in_(wanted))
    new = set(connection.execute(union(known, waiting)).scalars()) - set(
        connection.execute(noted).scalars()
    )
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

"""What tenants are to be told by webhook: queued with the change itself, sent elsewhere.

`queue` runs inside the transaction of what it tells of, so nothing is told that did not happen and
nothing that happened is forgotten. `mark` notes which tenants want which kinds; for the others
nothing is kept. Rows hold no address, only the number of its subject. The other functions are the
sender's: what is due, and what came of it. They take a connection and commit nothing.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, Select, bindparam, delete, insert, or_, select, update

from gateway.records import audit
from gateway.records.prepared import Prepared
from gateway.records.restriction import restricted_keys
from gateway.records.store import remembered
from gateway.records.streams import find_number, stream_number
from gateway.records.tables import meta, streams, webhook_deliveries
from gateway.words import WebhookKind

TRACKING_OCTETS = 16
_MARK = "webhook:"
_row = webhook_deliveries.c
_WANTED = Prepared(select(meta.c.value).where(meta.c.name == bindparam("mark")))
"""Made once: making it costs more than running it."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One thing to tell a tenant; it is delivered, given up (no `next_at`) or waits until then.

    `id` is what the receiver knows it by, the same at every attempt.
    """

    number: int
    id: str
    tenant: str
    kind: WebhookKind
    subject: int | None
    payload: Mapping[str, object]
    made_at: int
    attempts: int
    next_at: int | None
    delivered_at: int | None
    trouble: str

    @property
    def state(self) -> str:
        """`delivered`, `waiting` or `given up`."""
        if self.delivered_at is not None:
            return "delivered"
        return "given up" if self.next_at is None else "waiting"


def mark(connection: Connection, wanted: Mapping[str, Collection[WebhookKind]], now: float) -> None:
    """From now on queue these kinds for these tenants, and nothing else for anybody.

    What waits for tenants that have no webhook any more is given up.
    """
    remembered(connection).clear()
    marks = {
        f"{_MARK}{stream_number(connection, tenant)}": " ".join(sorted(kinds))
        for tenant, kinds in wanted.items()
    }
    known = {
        row.name: row.value
        for row in connection.execute(select(meta).where(meta.c.name.startswith(_MARK)))
    }
    if known == marks:
        return
    connection.execute(delete(meta).where(meta.c.name.startswith(_MARK)))
    if marks:
        connection.execute(
            insert(meta), [{"name": name, "value": kinds} for name, kinds in marks.items()]
        )
    for gone in known.keys() - marks.keys():
        connection.execute(
            update(webhook_deliveries)
            .where(_row.tenant == int(gone.removeprefix(_MARK)), _row.next_at.is_not(None))
            .values(next_at=None, trouble="the tenant has no webhook any more")
        )
    audit.append(
        connection,
        at=now,
        actor="configuration",
        action="webhook.configured",
        detail={tenant: sorted(kinds) for tenant, kinds in wanted.items()},
    )


def is_wanted(connection: Connection, tenant_number: int, kind: WebhookKind) -> bool:
    """Whether the tenant has a webhook for this kind."""
    known, mark = remembered(connection), f"{_MARK}{tenant_number}"
    if mark not in known:
        known[mark] = str(_WANTED.scalar(connection, {"mark": mark}) or "").split()
    return kind in known[mark]


def queue(
    connection: Connection,
    tenant_number: int,
    kind: WebhookKind,
    key: bytes | None,
    subject: int | None,
    payload: Mapping[str, object],
    now: float,
) -> None:
    """Tell the tenant soon, when it has a webhook for this kind.

    `payload` becomes the call's `data`, together with the address of `subject` (when it is known
    still); it holds nothing personal itself. `key` is whom it is about, None for nobody.
    """
    if not is_wanted(connection, tenant_number, kind):
        return
    row = {
        "tracking": os.urandom(TRACKING_OCTETS),
        "tenant": tenant_number,
        "kind": kind.value,
        "key": key,
        "subject": subject,
        "payload": json.dumps(payload, sort_keys=True, separators=(",", ":")),
        "made_at": int(now),
        "since": int(now),
        "attempts": 0,
        "next_at": int(now),
        "trouble": "",
    }
    connection.execute(insert(webhook_deliveries), row)


def due(connection: Connection, tenant: str, now: float, limit: int) -> list[Delivery]:
    """What is to be sent to a tenant by now, the longest due first.

    What is about people whose data is restricted waits until that ends.
    """
    number = find_number(connection, tenant)
    waiting = _row.next_at.is_not(None) & (_row.next_at <= now) & (_row.tenant == number)
    if hidden := restricted_keys(connection).get(tenant):
        waiting &= _row.key.is_(None) | _row.key.not_in(hidden)
    query = _deliveries().where(waiting).order_by(_row.next_at, _row.id).limit(limit)
    return _decoded(connection, query)


def recent(
    connection: Connection, tenant: str, limit: int, is_open: bool = False
) -> list[Delivery]:
    """The newest deliveries of a tenant ("" for all), only undelivered ones with `is_open`."""
    query = _deliveries().order_by(_row.id.desc()).limit(limit)
    if tenant:
        query = query.where(streams.c.tenant == tenant)
    if is_open:
        query = query.where(_row.delivered_at.is_(None))
    return _decoded(connection, query)


def delivered(connection: Connection, number: int, now: float) -> None:
    """The receiver has answered that it has it."""
    connection.execute(
        update(webhook_deliveries)
        .where(_row.id == number)
        .values(attempts=_row.attempts + 1, next_at=None, delivered_at=int(now), trouble="")
    )


def put_off(connection: Connection, number: int, next_at: float, trouble: str) -> None:
    """It failed and is tried again at `next_at`; `trouble` says why and holds no address."""
    connection.execute(
        update(webhook_deliveries)
        .where(_row.id == number)
        .values(attempts=_row.attempts + 1, next_at=int(next_at), trouble=trouble)
    )


def give_up(connection: Connection, tenant: str, since: float, now: float) -> int:
    """Try no more what has been tried since before `since`; how many, and in the audit trail."""
    stale = [
        _row.tenant == find_number(connection, tenant),
        _row.next_at.is_not(None),
        _row.since <= since,
    ]
    query = select(webhook_deliveries.c.tracking).where(*stale).order_by(_row.id)
    ids = [f"msg_{tracking.hex()}" for tracking in connection.execute(query).scalars()]
    if ids:
        connection.execute(update(webhook_deliveries).where(*stale).values(next_at=None))
        audit.append(
            connection,
            at=now,
            actor="webhooks",
            action="webhook.given-up",
            scope=tenant,
            detail={"count": len(ids), "first": ids[0], "last": ids[-1]},
        )
    return len(ids)


def retry(connection: Connection, tenant: str, id: str, actor: str, now: float) -> int:
    """Try what is not delivered at once, one by its id or all of the tenant ("" for all); count."""
    which = [_row.delivered_at.is_(None), _row.tenant == find_number(connection, tenant)]
    if id:
        which.append(_row.tracking == _tracking(id))
    changed = connection.execute(
        update(webhook_deliveries)
        .where(*which, or_(_row.next_at.is_(None), _row.next_at > now))
        .values(next_at=int(now), since=int(now))
    ).rowcount
    if changed:
        detail = {"count": changed, **({"id": id} if id else {})}
        audit.append(
            connection, at=now, actor=actor, action="webhook.retried", scope=tenant, detail=detail
        )
    return changed


def _deliveries() -> Select[tuple[object, ...]]:
    return select(webhook_deliveries, streams.c.tenant.label("tenant_name")).join(
        streams, streams.c.number == _row.tenant
    )


def _decoded(connection: Connection, query: Select[tuple[object, ...]]) -> list[Delivery]:
    return [
        Delivery(
            number=row["id"],
            id=f"msg_{row['tracking'].hex()}",
            tenant=row["tenant_name"],
            kind=WebhookKind(row["kind"]),
            subject=row["subject"],
            payload=json.loads(row["payload"]),
            made_at=row["made_at"],
            attempts=row["attempts"],
            next_at=row["next_at"],
            delivered_at=row["delivered_at"],
            trouble=row["trouble"],
        )
        for row in connection.execute(query).mappings()
    ]


def _tracking(id: str) -> bytes:
    """The octets of an id; none that exists when it is not one."""
    try:
        return bytes.fromhex(id.removeprefix("msg_"))
    except ValueError:
        return b""

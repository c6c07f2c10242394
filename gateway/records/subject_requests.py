"""What people ask for their own data, and the clock of each request.

A request is recorded with who checked the person's identity and how, is due one month after it came
in, and may be extended once by two months with a reason (GDPR article 12(3)). Its address is stored
sealed. Months are those of the calendar (Regulation 1182/71 article 3): what came on 31 January is
due on the last day of February. Functions take a connection and commit nothing; they raise
`RequestRefused` for what cannot be, LookupError for a number never given.
"""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Select, insert, select, update

from gateway.errors import ConsentryError
from gateway.message.address import parse_mailbox
from gateway.records import audit
from gateway.records.streams import find_scope, scope_number, scope_texts
from gateway.records.subjects import add_subject, plain_texts
from gateway.records.tables import subject_requests
from gateway.words import Address
from suppression.keys import Keyring
from suppression.masking import mask

MONTHS = 1
EXTENSION_MONTHS = 2
DAY = 86_400


class RequestRefused(ConsentryError):
    """A request cannot be recorded, extended or closed like this; the text says why."""


class RequestKind(StrEnum):
    """What a person may ask for (GDPR article)."""

    ACCESS = "access"
    """Article 15."""
    PORTABILITY = "portability"
    """Article 20."""
    RECTIFICATION = "rectification"
    """Article 16."""
    ERASURE = "erasure"
    """Article 17."""
    OBJECTION = "objection"
    """Article 21."""
    RESTRICTION = "restriction"
    """Article 18."""


@dataclass(frozen=True, slots=True)
class SubjectRequest:
    """One request. `address` is masked, "" once erased; instants are Unix seconds."""

    id: int
    kind: RequestKind
    scope: str
    key: bytes
    address: str
    identity: str
    received_at: int
    due_at: int
    extension: str | None
    done_at: int | None
    actor: str
    outcome: str

    def days_left(self, now: float) -> int | None:
        """Whole days until it is due, negative when overdue; None once it is done."""
        return None if self.done_at is not None else int((self.due_at - now) // DAY)


def months_later(at: float, months: int) -> int:
    """The end of the day (UTC) that many calendar months after the day of `at`, Unix seconds."""
    day = datetime.fromtimestamp(at, UTC)
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    last = calendar.monthrange(year, month + 1)[1]
    due = datetime(year, month + 1, min(day.day, last), 23, 59, 59, tzinfo=UTC)
    return int(due.timestamp())


def record(
    connection: Connection,
    keyring: Keyring,
    kind: RequestKind,
    address: Address,
    scope: str,
    identity: str,
    received_at: float,
    actor: str,
    now: float,
) -> int:
    """Note a request; its number. `scope` is `*` or a tenant, `identity` who checked it and how.

    Raises RequestRefused without such a text, or when it is said to come in the future.
    """
    if not identity.strip():
        raise RequestRefused("say who checked the person's identity, and how")
    if received_at > now:
        raise RequestRefused("the request has not been received yet")
    row = {
        "kind": kind.value,
        "scope": scope_number(connection, scope),
        "key": keyring.exact_key(address),
        "subject": add_subject(connection, keyring.seal(address.text)),
        "identity": mask(identity),
        "received_at": int(received_at),
        "due_at": months_later(received_at, MONTHS),
        "actor": actor,
        "outcome": "",
    }
    made = connection.execute(insert(subject_requests), row).inserted_primary_key
    assert made is not None  # noqa: S101 - a single-row insert always has one
    number = int(made[0])
    detail: dict[str, object] = {"request": number, "kind": kind.value, "identity": identity}
    _audit(connection, "subject.requested", scope, keyring.exact_key(address), actor, detail, now)
    return number


def extend(connection: Connection, number: int, why: str, actor: str, now: float) -> int:
    """Give a request two months more, once, for a reason; until when. Raises as above."""
    row = _open(connection, number)
    if row.extension is not None:
        raise RequestRefused(f"request {number} has been extended already")
    if row.due_at < now:
        raise RequestRefused(f"request {number} is overdue; only one in time can be extended")
    if not why.strip():
        raise RequestRefused("an extension needs a reason, which the person is told")
    due = months_later(row.received_at, MONTHS + EXTENSION_MONTHS)
    connection.execute(
        update(subject_requests)
        .where(subject_requests.c.id == number)
        .values(due_at=due, extension=mask(why))
    )
    detail: dict[str, object] = {"request": number, "why": why}
    scope = scope_texts(connection)[row.scope]
    _audit(connection, "subject.request-extended", scope, row.key, actor, detail, now)
    return due


def close(connection: Connection, number: int, outcome: str, actor: str, now: float) -> None:
    """Note that a request is done, and what came of it. Raises as above."""
    row = _open(connection, number)
    if not outcome.strip():
        raise RequestRefused("say what came of the request")
    connection.execute(
        update(subject_requests)
        .where(subject_requests.c.id == number)
        .values(done_at=int(now), outcome=mask(outcome))
    )
    detail: dict[str, object] = {"request": number, "outcome": outcome}
    scope = scope_texts(connection)[row.scope]
    _audit(connection, "subject.request-closed", scope, row.key, actor, detail, now)


def require_open(
    connection: Connection, keyring: Keyring, number: int, kind: RequestKind, address: Address
) -> None:
    """Make sure that `number` is an open request of that kind by that person. Raises as above."""
    row = _open(connection, number)
    keys = keyring.look_up_keys(address)
    if row.kind != kind.value or row.key not in keys:
        raise RequestRefused(f"request {number} is not this person's request for {kind.value}")


def list_requests(
    connection: Connection,
    keyring: Keyring,
    tenant: str = "",
    *,
    with_done: bool = False,
    limit: int | None = None,
) -> list[SubjectRequest]:
    """Open requests of one tenant or of all, the most overdue first; then those done, if asked; at
    most `limit`."""
    query = select(subject_requests).order_by(
        subject_requests.c.done_at.is_not(None), subject_requests.c.due_at, subject_requests.c.id
    )
    if not with_done:
        query = query.where(subject_requests.c.done_at.is_(None))
    if tenant:
        query = query.where(subject_requests.c.scope == find_scope(connection, tenant))
    return _decoded(connection, keyring, query.limit(limit))


def latest_done(
    connection: Connection, keyring: Keyring, tenant: str, limit: int
) -> list[SubjectRequest]:
    """The requests of one tenant, or of all, that were done last."""
    at = subject_requests.c.done_at
    query = select(subject_requests).where(at.is_not(None))
    if tenant:
        query = query.where(subject_requests.c.scope == find_scope(connection, tenant))
    newest_first = query.order_by(at.desc(), subject_requests.c.id.desc())
    return _decoded(connection, keyring, newest_first.limit(limit))


def find_request(connection: Connection, keyring: Keyring, number: int) -> SubjectRequest:
    """The request with this number. Raises LookupError."""
    query = select(subject_requests).where(subject_requests.c.id == number)
    for one in _decoded(connection, keyring, query):
        return one
    raise LookupError(f"no request has the number {number}")


def address_of(connection: Connection, keyring: Keyring, number: int) -> Address | None:
    """Whose request it is; None once they were erased. Raises LookupError."""
    query = select(subject_requests.c.subject).where(subject_requests.c.id == number)
    row = connection.execute(query).first()
    if row is None:
        raise LookupError(f"no request has the number {number}")
    text = plain_texts(connection, keyring, [row.subject]).get(row.subject) if row.subject else None
    return None if text is None else parse_mailbox(text)


def _decoded(
    connection: Connection, keyring: Keyring, query: Select[tuple[Any, ...]]
) -> list[SubjectRequest]:
    rows = connection.execute(query).all()
    texts = scope_texts(connection)
    plain = plain_texts(connection, keyring, [row.subject for row in rows if row.subject])
    return [
        SubjectRequest(
            row.id,
            RequestKind(row.kind),
            texts[row.scope],
            row.key,
            mask(plain.get(row.subject, "")),
            row.identity,
            row.received_at,
            row.due_at,
            row.extension,
            row.done_at,
            row.actor,
            row.outcome,
        )
        for row in rows
    ]


def _open(connection: Connection, number: int) -> _Row:
    query = select(subject_requests).where(subject_requests.c.id == number)
    row = connection.execute(query).first()
    if row is None:
        raise LookupError(f"no request has the number {number}")
    if row.done_at is not None:
        raise RequestRefused(f"request {number} is done already")
    return _Row(row.kind, row.scope, row.key, row.received_at, row.due_at, row.extension)


@dataclass(frozen=True, slots=True)
class _Row:
    kind: str
    scope: int
    key: bytes
    received_at: int
    due_at: int
    extension: str | None


def _audit(
    connection: Connection,
    action: str,
    scope: str,
    key: bytes,
    actor: str,
    detail: dict[str, object],
    now: float,
) -> None:
    audit.append(
        connection, at=now, actor=actor, action=action, scope=scope, key=key, detail=detail
    )

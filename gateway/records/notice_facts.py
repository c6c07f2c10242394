"""What a notice tells of the facts of its case: how many of what and when, refs, who complained.

`particulars` reads it from the records as they are now. Complaining addresses are unsealed for it
alone: those of people whose data is restricted, that were erased, or that the tenant has said it
deleted are left out.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, exists, func, select

from gateway.records.restriction import restricted_keys
from gateway.records.subjects import plain_texts
from gateway.records.tables import deletions, facts, notices
from policies.sanctions.words import FactKind
from suppression.keys import Keyring

MAX_REFS = 20
MAX_ADDRESSES = 200
_row = facts.c


@dataclass(frozen=True, slots=True)
class Seen:
    """Facts of one kind: how many, the first and the last (Unix seconds)."""

    kind: FactKind
    count: int
    first: float
    last: float


@dataclass(frozen=True, slots=True)
class Particulars:
    """The facts of a case in short: the newest refs, and the newest complaining addresses with how
    many there are besides; `thread` has the Message-IDs of its earlier notices."""

    seen: tuple[Seen, ...]
    refs: tuple[str, ...]
    more_refs: bool
    addresses: tuple[str, ...]
    more_addresses: int
    thread: tuple[str, ...]


def particulars(
    connection: Connection, keyring: Keyring, case: int, *, with_addresses: bool
) -> Particulars:
    """Of the case with this number."""
    own = _row.case_id == case
    groups = connection.execute(
        select(_row.kind, func.count(), func.min(_row.at), func.max(_row.at))
        .where(own)
        .group_by(_row.kind)
        .order_by(func.min(_row.at), _row.kind)
    )
    seen = tuple(Seen(FactKind(kind), count, first, last) for kind, count, first, last in groups)
    newest = select(_row.ref).where(own, _row.ref != "").group_by(_row.ref)
    newest = newest.order_by(func.max(_row.id).desc()).limit(MAX_REFS + 1)
    refs = tuple(connection.execute(newest).scalars())
    addresses, more = _addresses(connection, keyring, case) if with_addresses else ((), 0)
    sent = select(notices.c.message_id).where(
        notices.c.case_id == case, notices.c.message_id.is_not(None)
    )
    thread = tuple(connection.execute(sent.order_by(notices.c.id).limit(1)).scalars())
    return Particulars(seen, refs[:MAX_REFS], len(refs) > MAX_REFS, addresses, more, thread)


def _addresses(connection: Connection, keyring: Keyring, case: int) -> tuple[tuple[str, ...], int]:
    complaints = (
        select(_row.subject, _row.tenant, _row.key)
        .where(
            _row.case_id == case,
            _row.kind.in_((FactKind.COMPLAINT.value, FactKind.COMPLAINT_IGNORED.value)),
            _row.subject.is_not(None),
            ~exists().where(deletions.c.tenant == _row.tenant, deletions.c.key == _row.key),
        )
        .order_by(_row.id.desc())
    )
    hidden = restricted_keys(connection)
    numbers = [
        row.subject
        for row in connection.execute(complaints)
        if row.key not in hidden.get(row.tenant, [])
    ]
    shown = plain_texts(connection, keyring, numbers[:MAX_ADDRESSES])
    found = tuple(dict.fromkeys(shown[n] for n in numbers[:MAX_ADDRESSES] if n in shown))
    return found, max(0, len(numbers) - MAX_ADDRESSES)

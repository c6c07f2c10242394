"""Receipts of pre-checks, and what they have cleared.

A receipt is begun before the first look-up, so that calls count towards their limits whatever
becomes of them; it is complete once it has a digest. What a check has cleared stands in the
standing index until the receipt ends, under the newest receipt that asked about the address, so
that the RCPT look-up learns it in the same query. Functions take a connection and commit nothing;
`begin` raises TooMuch.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import accumulate

from sqlalchemy import Connection, bindparam, delete, insert, select, text, update

from gateway.errors import ConsentryError
from gateway.records import audit
from gateway.records.codes import CLEARED
from gateway.records.streams import scope_number, scope_texts, stream_number
from gateway.records.tables import receipts, standing_index
from suppression.pre_check import VALID_SECONDS

TRACKING_OCTETS = 16
DAY, HOUR = 86_400, 3600
_row = receipts.c


class TooMuch(ConsentryError):
    """More pre-checks than the tenant may make; room again in `seconds`."""

    def __init__(self, message: str, seconds: int) -> None:
        super().__init__(message)
        self.seconds = seconds


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a tenant may ask: addresses in 24 hours, lists in an hour."""

    addresses_per_day: int
    calls_per_hour: int


@dataclass(frozen=True, slots=True)
class Receipt:
    """One pre-check; instants are Unix seconds. Valid once complete and until `ends_at`."""

    number: int
    id: str
    scope: str
    asked: int
    cleared: int
    is_complete: bool
    made_at: int
    ends_at: int

    def is_valid(self, now: float) -> bool:
        """Whether what it has cleared counts still."""
        return self.is_complete and now < self.ends_at


def begin(
    connection: Connection,
    scope: str,
    asked: int,
    actor: str,
    now: float,
    allowance: Allowance | None = None,
) -> Receipt:
    """Begin a pre-check of `asked` addresses for a stream (`tenant/stream`)."""
    tenant = stream_number(connection, scope.partition("/")[0])
    if allowance is not None:
        _check(connection, tenant, asked, allowance, now)
    row = {
        "tracking": os.urandom(TRACKING_OCTETS),
        "tenant": tenant,
        "scope": scope_number(connection, scope),
        "asked": asked,
        "cleared": 0,
        "digest": b"",
        "actor": actor,
        "made_at": int(now),
        "ends_at": int(now) + VALID_SECONDS,
    }
    made = connection.execute(insert(receipts), row).inserted_primary_key
    assert made is not None  # noqa: S101 - a single-row insert always has one
    return _one(connection, int(made[0]))


def clear(
    connection: Connection, receipt: Receipt, asked: Collection[bytes], cleared: Collection[bytes]
) -> None:
    """Of the keys `asked` about let those `cleared` pass, and no others, until the receipt ends."""
    scope = scope_number(connection, receipt.scope)
    old = delete(standing_index).where(
        standing_index.c.key == bindparam("old"),
        standing_index.c.scope == scope,
        standing_index.c.code == CLEARED,
    )
    if asked:
        connection.execute(old, [{"old": key} for key in asked])
    if cleared:
        connection.execute(
            insert(standing_index),
            [
                {
                    "key": key,
                    "scope": scope,
                    "code": CLEARED,
                    "entry": receipt.number,
                    "ends": receipt.ends_at,
                }
                for key in cleared
            ],
        )


def finish(
    connection: Connection,
    receipt: Receipt,
    asked: int,
    cleared: int,
    refused: Mapping[str, int],
    digest: bytes,
    actor: str,
    now: float,
) -> Receipt:
    """Complete it. `refused` counts the others by tag."""
    connection.execute(
        update(receipts)
        .where(_row.id == receipt.number)
        .values(asked=asked, cleared=cleared, digest=digest)
    )
    audit.append(
        connection,
        at=now,
        actor=actor,
        action="pre-check.done",
        scope=receipt.scope,
        detail={
            "receipt": receipt.id,
            "asked": asked,
            "cleared": cleared,
            "refused": dict(refused),
            "digest": digest.hex(),
        },
    )
    return _one(connection, receipt.number)


def find(connection: Connection, id: str) -> Receipt | None:
    """The receipt with this id."""
    try:
        tracking = bytes.fromhex(id.removeprefix("rcpt_"))
    except ValueError:
        return None
    number = connection.execute(select(_row.id).where(_row.tracking == tracking)).scalar()
    return None if number is None else _one(connection, int(number))


def purge(connection: Connection, now: float, limit: int) -> int:
    """Remove at most `limit` of what is cleared no more; how many."""
    index = standing_index
    # The code stands in the text, or SQLite would not use the index that is made for it.
    over = (
        select(index.c.key, index.c.scope, index.c.entry)
        .where(text(f"code = {CLEARED}"), index.c.ends <= now)
        .limit(limit)
    )
    rows = [tuple(row) for row in connection.execute(over)]
    if rows:
        connection.execute(
            delete(index).where(
                index.c.key == bindparam("a"),
                index.c.scope == bindparam("b"),
                index.c.code == CLEARED,
                index.c.entry == bindparam("c"),
            ),
            [{"a": key, "b": scope, "c": entry} for key, scope, entry in rows],
        )
    return len(rows)


def _check(
    connection: Connection, tenant: int, asked: int, allowance: Allowance, now: float
) -> None:
    if asked > allowance.addresses_per_day:
        raise TooMuch(f"{allowance.addresses_per_day} addresses a day may be pre-checked", DAY)
    recent = (
        select(_row.made_at, _row.asked)
        .where(_row.tenant == tenant, _row.made_at > int(now) - DAY)
        .order_by(_row.made_at)
    )
    made = [(int(at), int(count)) for at, count in connection.execute(recent)]
    calls = [at for at, _ in made if at > now - HOUR]
    if len(calls) >= allowance.calls_per_hour:
        raise TooMuch(
            f"{allowance.calls_per_hour} lists an hour may be pre-checked",
            _until(calls[-allowance.calls_per_hour] + HOUR, now),
        )
    over = sum(count for _, count in made) + asked - allowance.addresses_per_day
    if over > 0:
        freed = accumulate(count for _, count in made)
        enough = next(at for (at, _), free in zip(made, freed, strict=True) if free >= over)
        raise TooMuch(
            f"{allowance.addresses_per_day} addresses a day may be pre-checked",
            _until(enough + DAY, now),
        )


def _until(instant: float, now: float) -> int:
    return max(1, int(instant - now) + 1)


def _one(connection: Connection, number: int) -> Receipt:
    row = connection.execute(select(receipts).where(_row.id == number)).one()
    return Receipt(
        number=row.id,
        id=f"rcpt_{row.tracking.hex()}",
        scope=scope_texts(connection)[row.scope],
        asked=row.asked,
        cleared=row.cleared,
        is_complete=bool(row.digest),
        made_at=row.made_at,
        ends_at=row.ends_at,
    )

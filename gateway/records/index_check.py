"""Proves that the index in Redis says what the records say, shard by shard, and mends it.

Every key of the records is looked up in the index: one that is missing or differs is noted as a
change, so that its whole value goes the way of all changes. Then the fields of all buckets are
counted against the keys on record at one and the same change: with as many of them, and each right,
there is nothing else in it. What is too much can only be removed by building anew, and so is a
shard that has lost a bucket. Raises StoreUnavailable when a store cannot serve.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection, func, select

from gateway.records import feed
from gateway.records.database import Database
from gateway.records.index_builder import slices
from gateway.records.index_publisher import IndexPublisher, values_of
from gateway.records.tables import standing_index
from gateway.state.redis.index import Head
from gateway.state.redis.keys import SHARDS

LOOKS = 3
"""At what differs: what is just being changed may differ for a moment."""
COUNTS = 20
"""Tries to count while nothing changes."""
_BATCH = 2000


class State(StrEnum):
    """What a check says of a shard."""

    PROVEN = "proven"
    """It says what the records say."""
    UNCOUNTED = "uncounted"
    """All that is on record is in it; there were too many changes to count the rest."""
    SURPLUS = "surplus"
    """It has entries that are not on record."""
    UNUSED = "unused"
    """There is none, or it is not trusted: the records answer."""


@dataclass(frozen=True, slots=True)
class Checked:
    """One shard: its state, keys on record, and how many of them were missing or wrong."""

    shard: int
    state: State
    entries: int = 0
    mended: int = 0


def check_shard(
    database: Database,
    publisher: IndexPublisher,
    shard: int,
) -> Checked:
    """Compare one shard with the records, and mend it."""
    publisher.publish(database)
    head = _head(database, publisher, shard)
    if head is None:
        return Checked(shard, State.UNUSED)
    entries = mended = 0
    for first, below in _ranges(shard):
        for slice_ in slices(database, first, below):
            entries += len(slice_)
            got = publisher.ask(publisher.redis.values, [key for key, _, _ in slice_], head)
            differing = [
                key for (key, value, _), other in zip(slice_, got, strict=True) if value != other
            ]
            mended += _mend(database, publisher, shard, differing)
    for _ in range(COUNTS):
        surplus = _surplus(database, publisher, shard)
        if surplus is None:
            publisher.publish(database)
            continue
        return Checked(shard, State.SURPLUS if surplus else State.PROVEN, entries, mended)
    state = State.UNCOUNTED if _head(database, publisher, shard) else State.UNUSED
    return Checked(shard, state, entries, mended)


def _head(database: Database, publisher: IndexPublisher, shard: int) -> Head | None:
    found = publisher.ask(publisher.redis.heads)[shard]
    with database.reading() as connection:
        is_used = found is not None and found.identity == feed.identity(connection)
    return found if is_used else None


def _mend(
    database: Database,
    publisher: IndexPublisher,
    shard: int,
    keys: list[bytes],
) -> int:
    """Have those of the keys that still differ followed again; how many that were."""
    for _ in range(LOOKS):
        if not keys:
            return 0
        publisher.publish(database)
        head = _head(database, publisher, shard)
        if head is None:
            return 0
        keys = _differing(database, publisher, head, keys)
    for start in range(0, len(keys), _BATCH):
        with database.transaction() as connection:
            feed.note(connection, keys[start : start + _BATCH])
        publisher.publish(database)
    return len(keys)


def _differing(
    database: Database, publisher: IndexPublisher, head: Head, keys: list[bytes]
) -> list[bytes]:
    found = []
    for start in range(0, len(keys), _BATCH):
        part = keys[start : start + _BATCH]
        with database.reading() as connection:
            values = values_of(connection, part)
        got = publisher.ask(publisher.redis.values, part, head)
        found += [
            key for key, other in zip(part, got, strict=True) if values[key] != (other or b"")
        ]
    return found


def _surplus(database: Database, publisher: IndexPublisher, shard: int) -> int | None:
    """How many entries of a shard are not on record; None when something changed meanwhile."""
    with database.reading() as connection:
        n = feed.head(connection)
        before = publisher.ask(publisher.redis.heads)[shard]
        if before is None or before.n != n:
            return None
        sizes = publisher.ask(publisher.redis.sizes, shard, before)
        if publisher.ask(publisher.redis.heads)[shard] != before:
            return None
        if 0 in sizes:
            publisher.ask(publisher.redis.drop, shard)
            return None
        return sum(sizes) - len(sizes) - _count(connection, shard)


def _count(connection: Connection, shard: int) -> int:
    """How many keys of a shard are on record."""
    key = standing_index.c.key
    total = 0
    for first, below in _ranges(shard):
        keys = select(key).where(key >= first).distinct()
        if below is not None:
            keys = keys.where(key < below)
        total += connection.execute(select(func.count()).select_from(keys.subquery())).scalar_one()
    return total


def _ranges(shard: int) -> Iterator[tuple[bytes, bytes | None]]:
    """The ranges of keys that are in a shard: from the first, below the second."""
    for octet in range(shard, 256, SHARDS):
        yield bytes([octet]), bytes([octet + 1]) if octet < 255 else None

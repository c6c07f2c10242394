"""Builds the index in Redis from the records, beside the one in use, and swaps the two.

Keys are read in order, a slice at a time, each slice as the records have it at that moment; what
changes meanwhile is in the log and is brought in at the end, because a change carries the whole
value of its key. A shard is swapped when the new one has come as far as the old. Until then, and
for ever when a build is broken off, nothing of the new one is in use. Raises IndexBusy when another
is building, StoreUnavailable when a store cannot serve.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from gateway.errors import ConsentryError, StoreUnavailable
from gateway.records import feed
from gateway.records.database import Database
from gateway.records.index_publisher import IndexPublisher
from gateway.records.tables import standing_index
from gateway.state.redis.index import BUILDING, Head
from gateway.state.redis.index_layout import buckets_for, pack
from gateway.state.redis.keys import SHARDS

SLICE = 20_000
"""Rows read at once."""
MOST_SWAPS = 200
"""Tries for one shard: each finds less to bring in."""
Progress = Callable[[int, int], None]
"""Told how many of how many rows are done."""


class IndexBusy(ConsentryError):
    """Somebody else builds the index."""


@dataclass(frozen=True, slots=True)
class Built:
    """What a build made: entries, buckets of each shard, and old buckets that were removed."""

    generation: str
    entries: int
    buckets: int
    removed: int


def build(
    database: Database,
    publisher: IndexPublisher,
    progress: Progress = lambda _done, _of: None,
) -> Built:
    """Build the index and put it in use; what was made."""
    who = f"{os.uname().nodename}:{os.getpid()}:{os.urandom(4).hex()}"
    _lock(publisher, who)
    try:
        with database.reading() as connection:
            identity, n = feed.identity(connection), feed.head(connection)
            key = feed.key_at(connection, n) or b""
            rows = connection.execute(select(func.count()).select_from(standing_index)).scalar_one()
        if not identity:
            raise StoreUnavailable("records: no changes are noted, so that no index can follow")
        head = Head(identity, os.urandom(3).hex(), n, buckets_for(rows), key)
        publisher.ask(publisher.redis.begin, head)
        entries = done = 0
        for slice_ in slices(database):
            _lock(publisher, who)
            publisher.ask(publisher.redis.fill, head, [(k, v) for k, v, _ in slice_])
            entries += len(slice_)
            done += sum(count for _, _, count in slice_)
            progress(done, max(rows, done))
        for shard in range(SHARDS):
            _swap(database, publisher, shard, head)
        return Built(head.generation, entries, head.buckets, publisher.ask(publisher.redis.sweep))
    finally:
        publisher.ask(publisher.redis.unlock, who)


def slices(
    database: Database, first: bytes = b"", below: bytes | None = None
) -> Iterator[list[tuple[bytes, bytes, int]]]:
    """Key, packed value and number of rows of every key from `first` on, in order, in slices."""
    is_last = False
    while not is_last:
        with database.reading() as connection:
            found, is_last = _slice(connection, first, below)
        if found:
            yield found
            first = found[-1][0] + b"\0"


def _slice(
    connection: Connection, first: bytes, below: bytes | None
) -> tuple[list[tuple[bytes, bytes, int]], bool]:
    """The slice that begins there, and whether there is none behind it."""
    index = standing_index.c
    query = select(index.key, index.scope, index.code).where(index.key >= first)
    if below is not None:
        query = query.where(index.key < below)
    rows = connection.execute(query.order_by(index.key).limit(SLICE)).fetchall()
    found: defaultdict[bytes, list[tuple[int, int]]] = defaultdict(list)
    for key, scope, code in rows:
        found[bytes(key)].append((scope, code))
    is_last = len(rows) < SLICE
    if not is_last:
        found.popitem()  # its other rows come with the next slice
    return [(key, pack(values), len(values)) for key, values in found.items()], is_last


def _swap(
    database: Database,
    publisher: IndexPublisher,
    shard: int,
    head: Head,
) -> None:
    for _ in range(MOST_SWAPS):
        publisher.follow(database, BUILDING)
        done = publisher.ask(publisher.redis.swap, shard, head)
        if done == 1:
            return
        if done == -1:
            break
    raise StoreUnavailable("Redis: what was built of the index is gone")


def _lock(publisher: IndexPublisher, who: str) -> None:
    holder = publisher.ask(publisher.redis.lock, who)
    if holder != who:
        raise IndexBusy(
            f"the index is being built already, by {holder or 'somebody who just left'}"
        )

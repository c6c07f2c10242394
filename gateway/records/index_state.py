"""What people see of the index in Redis: one row a shard. Raises StoreUnavailable."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.records import feed
from gateway.records.database import Database
from gateway.records.index_publisher import IndexPublisher
from gateway.state.redis.index import BUILDING, Head


@dataclass(frozen=True, slots=True)
class ShardRow:
    """One shard: whether look-ups use it, its generation, last change, and how many it lacks.

    `building` says that another generation of it is being built.
    """

    shard: int
    in_use: bool
    generation: str
    change: int
    behind: int
    buckets: int
    entries: int
    building: bool


def describe(database: Database, publisher: IndexPublisher) -> list[ShardRow]:
    """All shards, counted in Redis."""
    heads = publisher.ask(publisher.redis.heads)
    building = publisher.ask(publisher.redis.heads, BUILDING)
    with database.reading() as connection:
        identity, n = feed.identity(connection), feed.head(connection)
    rows = []
    for shard, (head, built) in enumerate(zip(heads, building, strict=True)):
        used = head if head is not None and head.identity == identity else Head("", "", 0, 0, b"")
        sizes = publisher.ask(publisher.redis.sizes, shard, used)
        rows.append(
            ShardRow(
                shard,
                bool(used.identity),
                used.generation,
                used.n,
                n - used.n,
                used.buckets,
                sum(sizes) - len(sizes),
                built is not None,
            )
        )
    return rows

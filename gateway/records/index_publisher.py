"""Brings what the records have committed into the index in Redis, before anybody is told of it.

`IndexPublisher` is the `Publisher` of a `Database`: the thread that committed waits in `publish`
until every shard in use has every change on record, and the mark of blocks is set. StoreUnavailable
means that the changes are on record but not known to be in the index: look-ups notice by their
number and ask the records, and whoever publishes next brings them in. A shard that no log leads on
from (it lost writes that are purged by now, or the records are older than it) is taken out of use.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from threading import Lock
from typing import Any, TypeVar

from sqlalchemy import Connection, select

from gateway.config.redis import RedisSettings
from gateway.errors import StoreUnavailable
from gateway.records import feed, index
from gateway.records.database import Database
from gateway.records.tables import meta
from gateway.state.redis.blocking import Blocking
from gateway.state.redis.index import HEAD, RedisIndex
from gateway.state.redis.index_layout import pack, shard_of
from gateway.state.redis.keys import Keys

T = TypeVar("T")
STEP = 2000
"""Changes that are taken along at once."""
MOST_ROUNDS = 10_000
"""Rounds of one call: more than any log is long."""
_BLOCKS = "blocks:version"


@dataclass(frozen=True, slots=True)
class Step:
    """Changes up to `to`, which noted `key`, as whole values of all keys that changed."""

    to: int
    key: bytes
    values: Mapping[bytes, bytes]


def values_of(connection: Connection, keys: Iterable[bytes]) -> dict[bytes, bytes]:
    """The packed value of each of these keys, b"" for those without a row."""
    rows: defaultdict[bytes, list[tuple[int, int]]] = defaultdict(list)
    wanted = list(keys)
    for key, scope, code, _ in index.rows_of(connection, wanted):
        rows[bytes(key)].append((scope, code))
    return {key: pack(rows.get(key, ())) for key in wanted}


def next_step(connection: Connection, n: int, key: bytes) -> Step | None:
    """What follows change `n`, which noted `key`; None when the log does not lead on from it."""
    rows = feed.since(connection, n, key, STEP)
    if rows is None:
        return None
    if not rows:
        return Step(n, key, {})
    keys = {key for _, key in rows} - {feed.BLOCKS_KEY}
    return Step(*rows[-1], values_of(connection, keys))


@dataclass(frozen=True, slots=True)
class Reached:
    """Where the log stood when a round began, and whether every shard in use has all of it."""

    identity: str
    head: int
    is_done: bool


class IndexPublisher:
    """Publishes to one index; for any thread but that of an event loop with sessions."""

    def __init__(
        self,
        settings: RedisSettings,
    ) -> None:
        """Raises ConfigurationError when a password or certificate cannot be read."""
        self._blocking = Blocking(settings)
        self.redis = RedisIndex(self._blocking.calls, Keys(settings.prefix))
        self.published: Callable[[str, int], None] = lambda _identity, _n: None
        """Hears the log's identity and how far it is in force, in the thread that published."""
        self._lock = Lock()
        self._blocks: str | None = None

    def ask(self, method: Callable[..., Coroutine[Any, Any, T]], *args: object) -> T:
        """What a method of `redis` gives or raises."""
        return self._blocking.run(partial(method, *args))

    def close(self) -> None:
        """Close the connections to Redis; a later call opens them again."""
        self._blocking.close()

    def last(self, connection: Connection) -> int:
        """The number of the last change on record."""
        return feed.head(connection)

    def publish(self, database: Database) -> None:
        """Bring everything on record up to now into force; StoreUnavailable when it cannot."""
        with self._lock:
            reached = self.follow(database)
            self._tell_blocks(database)
        self.published(reached.identity, reached.head)

    def follow(self, database: Database, name: str = HEAD) -> Reached:
        """Bring every shard in use (`BUILDING`: those that are being built) up to date."""
        for _ in range(MOST_ROUNDS):
            reached = self._round(database, name)
            if reached.is_done:
                return reached
        raise StoreUnavailable("Redis: the index could not be brought up to date")

    def _round(self, database: Database, name: str) -> Reached:
        # Heads first: whatever they have, the records that are read afterwards have, too.
        heads = self.ask(self.redis.heads, name)
        with database.reading() as connection:
            identity, head = feed.identity(connection), feed.head(connection)
            shards = {
                shard: found
                for shard, found in enumerate(heads)
                if found is not None and found.identity == identity
            }
            steps = {
                stands: next_step(connection, *stands)
                for stands in {(found.n, found.key) for found in shards.values()}
            }
        for shard, found in enumerate(heads):
            if found is not None and found.identity not in ("", identity):
                # Who has not yet heard that the log began anew would go on believing it.
                self.ask(self.redis.drop, shard, name)
        is_done = True
        work: list[Coroutine[Any, Any, int]] = []
        for shard, found in shards.items():
            step = steps[found.n, found.key]
            if step is None:
                self.ask(self.redis.drop, shard, name)
            elif step.to > found.n:
                values = {k: value for k, value in step.values.items() if shard_of(k) == shard}
                work.append(self.redis.apply(shard, found, step.to, step.key, values, name))
        if work:
            reached = self.ask(_all, work)
            is_done = min(reached) >= head
        return Reached(identity, head, is_done)

    def _tell_blocks(self, database: Database) -> None:
        with database.reading() as connection:
            version = connection.execute(select(meta.c.value).where(meta.c.name == _BLOCKS))
            now = version.scalar()
        if now is not None and now != self._blocks:
            self.ask(self.redis.tell_blocks, str(now))
            self._blocks = str(now)


async def _all(work: list[Coroutine[Any, Any, int]]) -> list[int]:
    return list(await asyncio.gather(*work))

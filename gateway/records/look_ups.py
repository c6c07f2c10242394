"""Look-ups of an SMTP worker, publishing of any process, wired for what keeps records and index.

    look_ups = open_look_ups(config, database, keyring, state.calls if redis else None)
    await look_ups.start()      # after the calls have started
    look_ups.standings, look_ups.blocks     # policies.ports.Standings and Blocks
    await look_ups.close()

| configured | standings | blocks |
|---|---|---|
| SQLite | `SqliteStandings` | `BlockList` |
| SQLite with an index | `IndexStandings` over it | `BlockList` |
| PostgreSQL | `PostgresStandings` | `SharedBlocks` |
| PostgreSQL with an index | `IndexStandings` over it | `SharedBlocks` |

`attach` has what a process commits published to the index, if there is one. What a table row does
not need is not imported. Raises StoreUnavailable when the records cannot be read at the start.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from sqlalchemy import select

from gateway.config.model import GatewayConfig
from gateway.errors import StoreUnavailable
from gateway.records import feed
from gateway.records.blocks import BlockList
from gateway.records.database import Database
from gateway.records.standings import RecordsStandings, SqliteStandings
from gateway.records.tables import meta
from policies.ports import Blocks, Clock
from suppression.keys import Keyring

if TYPE_CHECKING:  # only loaded where they are configured
    from gateway.records.index_publisher import IndexPublisher
    from gateway.records.postgres_reader import PostgresReader
    from gateway.records.watch import RecordsWatch
    from gateway.state.redis.calls import Calls

_DATABASE = "database:id"


class WorkerBlocks(Blocks, Protocol):
    """`policies.ports.Blocks`, and whether a mailing was ended."""

    def is_ended(self, mailing: str) -> bool:
        """Whether a case's first notice has ended this mailing, as of the last look-up."""


@dataclass(slots=True)
class LookUps:
    """The look-ups, and what runs beside them. Used on one event loop."""

    standings: RecordsStandings
    blocks: WorkerBlocks
    hear: Callable[[bytes | None], None] = lambda _version: None
    """To be told the version of blocks that came with each MAIL's claim."""
    _close_blocks: Callable[[], None] = lambda: None
    _reader: PostgresReader | None = None
    _watch: RecordsWatch | None = None
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def start(self) -> None:
        """Begin to watch; records that cannot be read now are no error."""
        if self._watch is not None:
            with suppress(StoreUnavailable):
                await self._watch.look()
            self._tasks.append(asyncio.create_task(self._watch.run(), name="records watch"))

    def listen(self, publisher: IndexPublisher | None) -> None:
        """Know at once of what this process publishes."""
        if publisher is not None and self._watch is not None:
            publisher.published = self._watch.heard

    async def close(self) -> None:
        """End what runs and let go of what is open."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.standings.close()
        self._close_blocks()
        if self._reader is not None:
            await self._reader.close()


def open_look_ups(
    config: GatewayConfig,
    database: Database,
    keyring: Keyring,
    calls: Calls | None = None,
    clock: Clock = time.time,
    observe: Callable[[float], None] = lambda _seconds: None,
    answered: Callable[[int, int], None] = lambda _by_index, _by_records: None,
) -> LookUps:
    """The look-ups over an open database; `calls` where there is Redis.

    `observe` hears the seconds of each look-up, `answered` for how many addresses index and records
    have answered.
    """
    own = (lambda _seconds: None) if config.has_index else observe
    if config.postgresql is None:
        blocks = BlockList(database.path)
        records = SqliteStandings(database.path, keyring, clock, own)
        made = LookUps(records, blocks, _close_blocks=blocks.close)
    else:
        from gateway.records.postgres_reader import PostgresReader
        from gateway.records.postgres_standings import PostgresStandings
        from gateway.records.shared_blocks import SharedBlocks
        from gateway.records.watch import RecordsWatch

        if calls is None:
            raise ValueError("nodes that share records share a Redis")
        reader = PostgresReader(config.postgresql, _identity(database))
        watch = RecordsWatch(reader, calls.epochs)
        shared = SharedBlocks(reader, watch)
        standings = PostgresStandings(reader, keyring, clock, own)
        made = LookUps(standings, shared, shared.hear, _reader=reader, _watch=watch)
    if not config.has_index or calls is None or config.redis is None:
        return made

    from gateway.records.index_standings import IndexStandings
    from gateway.records.watch import SqliteWatch
    from gateway.state.redis.index import RedisIndex
    from gateway.state.redis.keys import Keys

    made.standings = IndexStandings(
        RedisIndex(calls, Keys(config.redis.prefix)),
        made._watch or SqliteWatch(database.path),
        made.standings,
        keyring,
        clock,
        observe,
        answered,
    )
    return made


@asynccontextmanager
async def records_standings(
    database: Database, keyring: Keyring, clock: Clock
) -> AsyncIterator[RecordsStandings]:
    """A look-up that asks the records alone, for who has time, such as a pre-check."""
    place = database.store.place
    if isinstance(place, Path):
        own = SqliteStandings(place, keyring, clock)
        try:
            yield own
        finally:
            own.close()
        return
    from gateway.records.postgres_reader import PostgresReader
    from gateway.records.postgres_standings import PostgresStandings

    reader = PostgresReader(place, _identity(database))
    try:
        yield PostgresStandings(reader, keyring, clock)
    finally:
        await reader.close()


def _identity(database: Database) -> str:
    with database.reading() as connection:
        found = connection.execute(select(meta.c.value).where(meta.c.name == _DATABASE))
        return str(found.scalar_one())


def attach(database: Database, config: GatewayConfig) -> IndexPublisher | None:
    """Have all that `database` commits published, where the configuration has anything to follow.

    Call it once after opening, in every process that writes. Else the log is ended, if it was kept.
    """
    redis = config.redis
    is_followed = redis is not None and (config.has_index or config.postgresql is not None)
    with database.reading() as connection:
        is_noted, identity = feed.is_enabled(connection), feed.identity(connection)
    if redis is None or not is_followed:
        if identity:
            with database.transaction() as connection:
                feed.disable(connection)
        return None
    if not is_noted:
        with database.transaction() as connection:
            feed.enable(connection)
    # Loaded where there is Redis only.
    from gateway.records.index_publisher import IndexPublisher

    publisher = IndexPublisher(redis)
    database.publisher = publisher
    return publisher

"""What the leader of the jobs does for stores that are shared: Redis, and an index in it.

Every second the tenants' windows and mailings go from Redis to the records, and the index is
brought up to date with what others committed and could not publish; every minute one of its shards
is proved, so that all are within a quarter of an hour, and what every shard has leaves the log of
changes. Loaded only where `redis` is configured. Raises ConfigurationError.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence

from gateway.config.model import GatewayConfig
from gateway.jobs import Job
from gateway.metrics import ProcessMetrics, Reading
from gateway.metrics_declared import INDEX_ENTRIES, INDEX_MENDED, INDEX_PROVEN_AT, INDEX_SHARDS
from gateway.records.database import Database
from gateway.records.index_keeper import IndexKeeper
from gateway.records.index_publisher import IndexPublisher
from gateway.records.windows import WindowRecords
from gateway.state.redis.state import RedisState

FOLLOW_EVERY, CHECK_EVERY, PURGE_EVERY = 1.0, 60.0, 60.0
"""Seconds."""


class SharedJobs:
    """Kept by the jobs process, leader or not; its jobs run where the leader is."""

    def __init__(
        self, config: GatewayConfig, database: Database, tenants: Callable[[], Iterable[str]]
    ) -> None:
        assert config.redis is not None  # noqa: S101 - looked at by who makes one
        saved = WindowRecords(database)
        self._state = RedisState.open(config.redis, config.node, 0, saved, tenants)
        self.work = (("windows saved", self._state.checkpoint.run),)
        self._keeper: IndexKeeper | None = None
        if isinstance(database.publisher, IndexPublisher):
            self._keeper = IndexKeeper(database, database.publisher, config.has_index)

    @property
    def jobs(self) -> Sequence[Job]:
        """What is done for an index, if there is one."""
        keeper = self._keeper
        if keeper is None:
            return ()
        return (
            _job("index followed", FOLLOW_EVERY, keeper.follow),
            _job("index proved", CHECK_EVERY, keeper.check),
            _job("changes forgotten", PURGE_EVERY, keeper.purge),
        )

    def watch(self, metrics: ProcessMetrics, is_leader: Callable[[], bool]) -> None:
        """Show what the last checks have found, as long as it is we who make them."""

        def led(read: Reading) -> Reading:
            return lambda: read() if is_leader() else {}

        if self._keeper is not None:
            metrics.watch(INDEX_SHARDS, led(self._keeper.shards))
            metrics.watch(INDEX_ENTRIES, led(self._keeper.entries))
            metrics.watch(INDEX_PROVEN_AT, led(self._keeper.proven_at))
            metrics.watch(INDEX_MENDED, led(self._keeper.mended_total))

    async def start(self) -> None:
        """Connect; a server that is away is no error."""
        await self._state.start()

    async def close(self) -> None:
        """Give up all connections."""
        await self._state.close()

    def describe(self) -> dict[str, object]:
        """How Redis stands, for `consentry status`."""
        return self._state.describe()


def _job(name: str, pause: float, work: Callable[[], int]) -> Job:
    async def run() -> int:
        return await asyncio.to_thread(work)

    return Job(name, pause, run)

"""Looks after the index in Redis: brings it up to date, builds it, proves it, and clears its log.

One process does this for all nodes, from threads that may wait. `follow` is to be called every
second, `check` and `purge` now and then; each says how much it did. What the last checks found is
read by `shards`, `entries`, `proven_at` and `mended` for metrics. All raise StoreUnavailable.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping

from gateway.records import feed
from gateway.records.database import Database
from gateway.records.index_builder import Built, IndexBusy, build
from gateway.records.index_check import Checked, State, check_shard
from gateway.records.index_publisher import IndexPublisher
from gateway.state.redis.index import BUILDING, HEAD
from gateway.state.redis.index_layout import is_crowded
from gateway.state.redis.keys import SHARDS

KEEP = 600.0
"""Seconds that a change stays in the log although every shard has it."""
PURGE_STEP = 5000
"""Changes that are forgotten in one transaction."""


class IndexKeeper:
    """Keeps the index of one gateway; without `has_index` it only clears the log of changes."""

    def __init__(
        self,
        database: Database,
        publisher: IndexPublisher,
        has_index: bool,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._publisher = publisher
        self._has_index = has_index
        self._clock = clock
        self._monotonic = monotonic
        self._checked: dict[int, Checked] = {}
        self._proven: dict[int, float] = {}
        self._next = 0
        self._applied: deque[tuple[float, int]] = deque()
        self.mended = 0
        """Entries that were missing or wrong, and are right now."""

    def follow(self) -> int:
        """Bring every shard up to date; build all anew when one is not in use. Entries built."""
        self._publisher.publish(self._database)
        if not self._has_index:
            return 0
        with self._database.reading() as connection:
            identity = feed.identity(connection)
        heads = self._publisher.ask(self._publisher.redis.heads)
        if all(head is not None and head.identity == identity for head in heads):
            return 0
        return self._build()

    def check(self) -> int:
        """Prove the next shard; build all anew when that is what it needs. Entries mended."""
        if not self._has_index:
            return 0
        shard, self._next = self._next, (self._next + 1) % SHARDS
        checked = check_shard(self._database, self._publisher, shard)
        self.note(checked)
        head = self._publisher.ask(self._publisher.redis.heads)[shard]
        crowded = head is not None and is_crowded(checked.entries * SHARDS, head.buckets)
        if checked.state in (State.UNUSED, State.SURPLUS) or crowded:
            self._build()
        return checked.mended

    def note(self, checked: Checked) -> None:
        """Have the metrics tell what a check found."""
        self._checked[checked.shard] = checked
        self.mended += checked.mended
        if checked.state is State.PROVEN:
            self._proven[checked.shard] = self._clock()

    def purge(self) -> int:
        """Forget changes that every shard has had for `KEEP` seconds; how many."""
        with self._database.reading() as connection:
            identity, applied = feed.identity(connection), feed.head(connection)
        for name in (HEAD, BUILDING):
            for head in self._publisher.ask(self._publisher.redis.heads, name):
                if head is not None and head.identity == identity:
                    applied = min(applied, head.n)
        now = self._monotonic()
        self._applied.append((now, applied))
        below = 0
        while self._applied and self._applied[0][0] <= now - KEEP:
            below = self._applied.popleft()[1]
        gone = 0
        while below:
            with self._database.transaction() as connection:
                step = feed.purge(connection, below, PURGE_STEP)
            gone += step
            if step < PURGE_STEP:
                break
        return gone

    # ---- for metrics --------------------------------------------------------------------------

    def shards(self) -> Mapping[tuple[str, ...], float]:
        """How many shards are in each state, by the last check of each."""
        found = [checked.state for checked in self._checked.values()]
        return {(state.value,): float(found.count(state)) for state in State}

    def entries(self) -> Mapping[tuple[str, ...], float]:
        """Entries, by the last checks."""
        return {(): float(sum(checked.entries for checked in self._checked.values()))}

    def proven_at(self) -> Mapping[tuple[str, ...], float]:
        """Since when (Unix seconds) every shard has been proven at least once more; 0 for never."""
        return {(): min(self._proven.values()) if len(self._proven) == SHARDS else 0.0}

    def mended_total(self) -> Mapping[tuple[str, ...], float]:
        """Entries that were mended since the start."""
        return {(): float(self.mended)}

    def _build(self) -> int:
        try:
            built: Built = build(self._database, self._publisher)
        except IndexBusy:
            return 0  # somebody ran the command
        return built.entries

"""Believing bounces when their time has come, and counting what waits for a person.

`Settling` gives the leader's two jobs: every second the bounces that have waited for the span of a
storm are believed, or held when it came (`gateway.records.bounces.settle`); twice a minute what
waits is counted, for metrics. Raises StoreUnavailable, and tries again after the next pause.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gateway.events import Emit, Event
from gateway.jobs import Job
from gateway.metrics import ProcessMetrics, Reading
from gateway.metrics_declared import BOUNCES_HELD, REPORTS_WAITING, STORMS_HELD
from gateway.records.bounces import BounceTerms, settle
from gateway.records.case_rules import Rules
from gateway.records.database import Connection, Database
from gateway.records.feedback_counts import Waiting, is_due, waiting
from policies.ports import Clock

SETTLE_EVERY, COUNT_EVERY = 1.0, 30.0
"""Seconds."""


class Settling:
    """`terms` gives what is in force at each look; `jobs` are for whoever leads."""

    def __init__(
        self,
        database: Database,
        terms: Callable[[], tuple[Rules, BounceTerms]],
        emit: Emit,
        clock: Clock,
    ) -> None:
        self._database = database
        self._terms = terms
        self._emit = emit
        self._clock = clock
        self._waiting: Waiting | None = None

    @property
    def jobs(self) -> Sequence[Job]:
        """Both."""
        return (
            Job("bounces settled", SETTLE_EVERY, self.settle),
            Job("returned mail counted", COUNT_EVERY, self.count),
        )

    def watch(self, metrics: ProcessMetrics, is_leader: Callable[[], bool]) -> None:
        """Show what was counted last, as long as it is we who count."""

        def led(read: Callable[[Waiting], dict[tuple[str, ...], float]]) -> Reading:
            def now() -> dict[tuple[str, ...], float]:
                counted = self._waiting if is_leader() else None
                return {} if counted is None else read(counted)

            return now

        metrics.watch(STORMS_HELD, led(lambda counted: {(): counted.storms}))
        metrics.watch(BOUNCES_HELD, led(lambda counted: {(): counted.held}))
        metrics.watch(
            REPORTS_WAITING,
            led(
                lambda counted: {
                    ("undecided",): counted.undecided,
                    ("unmatched",): counted.unmatched,
                }
            ),
        )

    async def settle(self) -> int:
        """Everything whose time has come; 0, for the events tell of it."""
        while await self._settle_some():
            pass
        return 0

    async def _settle_some(self) -> bool:
        (rules, terms), now = self._terms(), self._clock()

        def look(connection: Connection) -> bool:
            return is_due(connection, now)

        def work(connection: Connection) -> tuple[Event, ...]:
            return settle(connection, rules, terms, now)

        if not await self._database.read(look):
            return False
        events = await self._database.write(work)
        for event in events:
            self._emit(event)
        return bool(events)

    async def count(self) -> int:
        """Count what waits; 0, for nothing is done."""
        self._waiting = await self._database.read(waiting)
        return 0

"""Everything that runs now and then: what each node does for itself, and what the leader does.

Each node keeps its own journal, which no other can read: its index, the outcomes followed out of
it, the heads of the hash chains noted in it, its files past their time; with SQLite also the
database's log. The leader of all nodes sends notices, confirmation mails and webhooks, believes
bounces that have waited long enough, lets the clocks of cases act, and removes records past their
time. Every second the seat (`gateway.leader`) is asked for; whoever gets it begins afresh, so what
a dead leader left under way is taken up as its sender does it after any crash, and a leader that
loses it stops before anything else. Hosted by the web process, or by a process of its own
(`gateway.jobs_process`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.background import keep_running
from gateway.config.load import Loaded
from gateway.errors import StoreUnavailable
from gateway.events import Emit, Event
from gateway.feedback.outcomes import Outcomes
from gateway.feedback.settling import Settling
from gateway.jobs import Job, head_job, log_job, run_jobs
from gateway.journal_index import index_job
from gateway.leader import Seat
from gateway.metrics import ProcessMetrics
from gateway.metrics_declared import JOBS_LEADER
from gateway.notices.gather import House as NoticeHouse
from gateway.notices.rounds import NoticeRounds
from gateway.opt_in.rounds import House, Rounds
from gateway.pre_check.check import ended_job
from gateway.privacy.purge import journal_job, purge_job
from gateway.processes import JOURNAL_FOLDER
from gateway.records.bounces import BounceTerms
from gateway.records.case_rules import Rules
from gateway.records.database import Database
from gateway.records.event_index import EventIndex
from gateway.records.leader import leader_of, note_leader
from gateway.sanctions.ticker import Ticker
from gateway.webhooks.call import Endpoint, endpoints
from gateway.webhooks.sender import Sender
from policies.ports import Clock
from suppression.keys import Keyring

if TYPE_CHECKING:  # only loaded where Redis is configured
    from gateway.shared_jobs import SharedJobs

ASK_EVERY = 1.0
"""Seconds between two looks at the seat."""


@dataclass(frozen=True, slots=True)
class JobTerms:
    """What one configuration says of jobs."""

    loaded: Loaded
    keyring: Keyring
    rules: Rules
    receivers: Mapping[str, Endpoint]
    house: House
    notices: NoticeHouse

    @classmethod
    def of(cls, loaded: Loaded, keyring: Keyring, rules: Rules) -> JobTerms:
        """Raises ConfigurationError for keys or passwords that cannot be read."""
        return cls(
            loaded,
            keyring,
            rules,
            endpoints(loaded.tenants),
            House.of(loaded, keyring),
            NoticeHouse.of(loaded, rules),
        )


class Jobs:
    """All jobs of one node. `start`, `adopt` with each configuration, `close` at the end."""

    def __init__(
        self,
        database: Database,
        terms: JobTerms,
        index: EventIndex,
        seat: Seat,
        emit: Emit,
        clock: Clock,
        shared: SharedJobs | None = None,
    ) -> None:
        """`shared` is what the leader does for stores that are shared."""
        self._database = database
        self._terms = terms
        self._index = index
        self._seat = seat
        self._emit = emit
        self._clock = clock
        self._shared = shared
        config = terms.loaded.config
        journal = config.state_dir / JOURNAL_FOLDER
        self._outcomes = Outcomes(database, journal, config.node, self._in_force, emit, clock)
        self._settling = Settling(database, self._in_force, emit, clock)
        self._led: _Led | None = None
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def is_leader(self) -> bool:
        """Whether this node does what only one may do."""
        return self._led is not None

    def describe(self) -> dict[str, object]:
        """For `consentry status`: whether this node leads, and who did last."""
        with self._database.reading() as connection:
            noted = leader_of(connection)
        node = self._terms.loaded.config.node if self.is_leader else noted
        return {"leads": self.is_leader, "leader": node}

    def watch(self, metrics: ProcessMetrics) -> None:
        """Show who leads, and how far the jobs are."""
        metrics.watch(JOBS_LEADER, lambda: {(): float(self.is_leader)})
        self._outcomes.watch(metrics)
        self._settling.watch(metrics, lambda: self.is_leader)

    async def start(self) -> None:
        """Begin; if the seat is free, as the leader."""
        await self._ask()
        own = run_jobs(self._own(), self._emit, self._clock)
        asking = keep_running("leader", self._keep_asking, self._emit, self._clock)
        self._tasks = [asyncio.create_task(own), asyncio.create_task(asking)]

    def adopt(self, terms: JobTerms) -> None:
        """Work by a new configuration from now on."""
        self._terms = terms
        if self._led is not None:
            self._led.adopt(terms)

    async def close(self) -> None:
        """End what runs, and let another lead."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._stop_leading()
        await asyncio.to_thread(self._seat.leave)

    def _own(self) -> list[Job]:
        database, emit, clock = self._database, self._emit, self._clock
        jobs = [
            head_job(database, emit, clock),
            journal_job(database, lambda: (self._terms.loaded.config, self._terms.keyring), clock),
            index_job(self._index),
            self._outcomes.job(),
        ]
        place = database.store.place
        return [*jobs, log_job(place)] if isinstance(place, Path) else jobs

    def _in_force(self) -> tuple[Rules, BounceTerms]:
        return self._terms.rules, BounceTerms.of(self._terms.loaded.config.feedback)

    async def _keep_asking(self) -> None:
        while True:
            await asyncio.sleep(ASK_EVERY)
            await self._ask()

    async def _ask(self) -> None:
        """Lead when the seat is ours, and stop when it is not."""
        try:
            is_ours = await asyncio.to_thread(self._seat.hold)
        except StoreUnavailable:
            is_ours = False  # the records, or the way to them, are gone: another may have it
        if not is_ours:
            await self._stop_leading()
        elif self._led is None:
            led = _Led(
                self._database,
                self._terms,
                self._settling.jobs,
                self._emit,
                self._clock,
                self._shared,
            )
            try:
                await led.start()
            except StoreUnavailable:
                await led.close()  # and again in a second
                return
            self._led = led
            if self._database.store.is_shared:
                node = self._terms.loaded.config.node
                self._emit(Event("jobs.leading", self._clock(), detail={"node": node}))

    async def _stop_leading(self) -> None:
        led, self._led = self._led, None
        if led is not None:
            await led.close()


class _Led:
    """What the leader does, from when it got the seat to when it lost it."""

    def __init__(
        self,
        database: Database,
        terms: JobTerms,
        jobs: Sequence[Job],
        emit: Emit,
        clock: Clock,
        shared: SharedJobs | None,
    ) -> None:
        self._database = database
        self._terms = terms
        self._emit = emit
        self._clock = clock
        self._sender = Sender(database, emit, clock)
        self._sender.adopt(terms.receivers, terms.keyring)
        self._rounds = Rounds(database, terms.house, emit, clock)
        self._notices = NoticeRounds(database, terms.notices, emit, clock)
        ticker = Ticker(database, lambda: self._terms.rules, emit, clock)
        self._jobs = [
            purge_job(database, lambda: self._terms.loaded.config, emit, clock),
            ended_job(database, clock),
            self._sender.job(),
            self._rounds.job(),
            self._notices.job(),
            ticker.job(),
            *jobs,
            *(shared.jobs if shared is not None else ()),
        ]
        self._work = shared.work if shared is not None else ()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Note who leads, where others could, and begin. Raises StoreUnavailable."""
        node = self._terms.loaded.config.node
        if self._database.store.is_shared:
            await self._database.write(lambda c: note_leader(c, node))
        await self._sender.mark()
        work = [
            run_jobs(self._jobs, self._emit, self._clock),
            *(keep_running(name, one, self._emit, self._clock) for name, one in self._work),
        ]
        self._tasks = [asyncio.create_task(one) for one in work]

    def adopt(self, terms: JobTerms) -> None:
        self._terms = terms
        self._sender.adopt(terms.receivers, terms.keyring)
        self._rounds.adopt(terms.house)
        self._notices.adopt(terms.notices)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._sender.close()
        await self._rounds.close()
        await self._notices.close()

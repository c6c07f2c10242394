"""The wiring of an SMTP worker: configuration → parts → run → drain. It holds no logic.

Read this first: every part of the gateway is made here, in the order in which they need each other,
and handed to those that use it. `run_smtp` is the process's entry; its siblings' are
`gateway.web.server` and `gateway.jobs_process`. Which stores it works with `gateway.stores` says.
What each part does is in its own file; docs/flow.md walks through them.
"""

from __future__ import annotations

import asyncio
import gc
import signal
import time
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

import uvloop

from gateway.background import keep_running
from gateway.config.load import Loaded, check_reload, load
from gateway.control import ControlServer
from gateway.delivery import Delivery
from gateway.enforcement import Enforcement
from gateway.errors import ConsentryError
from gateway.events import Event
from gateway.gauges import watch_gauges
from gateway.journal import Journal
from gateway.ledger.intents import Intents
from gateway.ledger.ledger import Ledger
from gateway.metrics import Metrics, heartbeat
from gateway.processes import SMTP, Process, intents_left
from gateway.records.case_rules import Rules
from gateway.records.keyring import open_keyring
from gateway.records.opening import open_records
from gateway.records.policy_versions import remember
from gateway.records.streams import numbering
from gateway.refs import new_ref
from gateway.relay.hops import NextHops
from gateway.sanctions.book import CaseBook
from gateway.sanctions.rules import rules_of
from gateway.smtp.authentication import Authenticator
from gateway.smtp.listeners import Listeners
from gateway.smtp.memory import MemoryBudget
from gateway.smtp.services import Services
from gateway.smtp.watch import Watch
from gateway.snapshot import Prepared, prepare
from gateway.sockets import Sockets
from gateway.state.clock import steady_clock
from gateway.stores import Work, open_stores
from gateway.worker_control import handlers
from policies.bytes import ByteWarnings
from policies.ports import Clock
from policies.registry import Parts
from suppression.case_links import case_link
from suppression.tokens import Tokens

DRAIN_MARGIN = 60.0
"""Seconds that messages past their dot may take beyond `drain_seconds`."""


class Gateway:
    """One SMTP process. `start`, then `run` until told to stop, then `stop`."""

    def __init__(
        self,
        loaded: Loaded,
        clock: Clock = time.time,
        steady: Clock | None = None,
        process: Process = SMTP,
    ) -> None:
        """`clock` dates events and stamps; `steady`, which never jumps, says what is over. Unix s.

        Raises ConfigurationError, StoreUnavailable and JournalUnwritable.
        """
        self.loaded = loaded
        self._clock = clock
        self._process = process
        config, state_dir = loaded.config, loaded.config.state_dir
        state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.metrics = Metrics(process.name)
        self.journal = Journal(
            state_dir / "journal",
            process.journal,
            config.journal.max_bytes,
            config.journal.keep_files,
            observers=(self.metrics.count,),
        )
        self.database = open_records(config, is_service=True)
        self.keyring = open_keyring(self.database, config.keyring)
        self.stores = open_stores(
            config,
            process,
            self.database,
            self.keyring,
            steady,
            lambda: self.loaded.tenants,
            self.metrics.look_up_seconds.observe,
            self.metrics.count_look_ups,
        )
        self.holds, rates = self.stores.holds, self.stores.rates
        standings, blocks = self.stores.look_ups.standings, self.stores.look_ups.blocks
        self._standings = standings
        self.intents = Intents(
            state_dir / process.intents,
            fsync=config.ledger.fsync,
            left=intents_left(config) if process == SMTP else (),
        )
        steady = steady or steady_clock()
        self.ledger = Ledger(self.stores.ledger, self.intents, steady, self.stores.flights)
        self.budget = MemoryBudget(config.session.memory_bytes)
        self.watch = Watch(lambda: self.budget.is_tight)
        self.authenticator = Authenticator(rates, clock, blocks=blocks)
        self._parts = Parts(
            hostname=config.hostname,
            rates=rates,
            blocks=blocks,
            case_page=self._case_page,
            refusals_per_hour=config.session.refusals_per_hour,
        )
        self._number = numbering(self.database)
        self._rules = self._remember(rules_of(loaded, self.keyring))
        book = CaseBook(self.database, lambda: self._rules, clock)
        enforcement = Enforcement(rates, blocks, book, self.emit, clock)
        prepared = self._prepare(loaded)
        self.snapshot = prepared.snapshot
        self.hops = NextHops(prepared.hops, self.emit)
        self.delivery = Delivery(
            self.ledger,
            self.hops,
            Tokens(self.keyring),
            self.emit,
            self.metrics,
            clock,
            ByteWarnings(rates, self._warn),
            enforcement.delivered,
        )
        self.services = Services(
            current=lambda: self.snapshot,
            authenticator=self.authenticator,
            holds=self.holds,
            enforcement=enforcement,
            delivery=self.delivery,
            hops=self.hops,
            budget=self.budget,
            watch=self.watch,
            emit=self.emit,
            metrics=self.metrics,
            is_writable=lambda: self.journal.is_writable,
            new_ref=new_ref,
            clock=clock,
        )
        self.listeners = Listeners(self.services, Sockets(state_dir, process.name))
        self.control = ControlServer(state_dir / process.socket, handlers(self))
        self._prepared = prepared
        self._tasks: set[asyncio.Task[None]] = set()
        self._ended = asyncio.Event()
        self._reloading = asyncio.Lock()
        self.started_at = clock()

    # ---- life ---------------------------------------------------------------------------------

    async def start(self) -> None:
        """Restore what the last process left, then listen."""
        await self.stores.start()
        unknown = await self.ledger.open()
        self._apply_limits()
        wanted = self._prepared.listeners
        self.listeners.apply(wanted, self.listeners.bind(wanted))
        self.watch.start()
        await self.control.start()
        own: list[Work] = [
            ("ledger", self.ledger.run),
            ("heartbeat", partial(heartbeat, self.metrics.loop_lag.observe)),
            ("next hops", self.hops.check),
        ]
        for name, work in (*own, *self.stores.work):
            self._spawn(keep_running(name, work, self.emit, self._clock))
        watch_gauges(self.metrics, self.watch, self.budget, self.hops, self.journal, self.stores)
        counts = {"copies_unknown": unknown, "opt_outs_replayed": self.database.opt_outs.replayed}
        self.emit(
            Event(
                "process.started", self._clock(), detail={"process": self._process.name, **counts}
            )
        )

    async def run(self) -> None:
        """Serve until drained or told to by a signal."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGHUP, self._on_hangup)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.drain)
        await self._ended.wait()

    async def stop(self) -> None:
        """End what runs and write what is left."""
        self.watch.stop()
        for connection in list(self.watch):
            connection.abort()
        await self.control.close()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.listeners.close()
        await self.hops.close()
        self.authenticator.close()
        with suppress(ConsentryError):
            await self.ledger.close()
        await self.stores.close()
        self.emit(Event("process.stopped", self._clock(), detail={"process": self._process.name}))
        self.journal.close()
        self.database.close()

    def emit(self, event: Event) -> None:
        """Every event passes here; it carries the hash of the configuration in force."""
        if not event.config:
            event.config = self.loaded.hash
        self.journal.emit(event)

    # ---- configuration ------------------------------------------------------------------------

    async def reload(self) -> tuple[str, ...]:
        """Put the files' present content in force as a whole; its warnings.

        Raises ConfigurationError and StoreUnavailable, and leaves the old configuration in force.
        """
        async with self._reloading:  # two at once could put the older one in force last
            return await self._reload_alone()

    async def _reload_alone(self) -> tuple[str, ...]:
        try:
            # Files, YAML and new streams' numbers are read in a thread: sessions go on meanwhile.
            loaded = await asyncio.to_thread(load, self.loaded.path)
            check_reload(self.loaded, loaded)
            keyring = await asyncio.to_thread(open_keyring, self.database, loaded.config.keyring)
            rules = await asyncio.to_thread(lambda: self._remember(rules_of(loaded, keyring)))
            prepared = await asyncio.to_thread(self._prepare, loaded)
            added = await asyncio.to_thread(self.listeners.bind, prepared.listeners)
            try:
                await self.hops.reconfigure(prepared.hops)
            except ConsentryError:
                self.listeners.discard(added)
                raise
        except ConsentryError as problem:
            detail: dict[str, object] = {"errors": str(problem).splitlines()}
            self.emit(Event("config.refused", self._clock(), detail=detail))
            raise
        # Nothing can fail from here on: it is all in force, or none of it.
        self.loaded, self._prepared, self.snapshot = loaded, prepared, prepared.snapshot
        self.keyring, self.delivery.tokens, self._rules = keyring, Tokens(keyring), rules
        self._standings.adopt(keyring)
        self.listeners.apply(prepared.listeners, added)
        self._apply_limits()
        self.authenticator.forget()
        self.emit(
            Event("config.reloaded", self._clock(), detail={"warnings": list(loaded.warnings)})
        )
        return loaded.warnings

    def _prepare(self, loaded: Loaded) -> Prepared:
        config = loaded.config
        parts = replace(
            self._parts,
            hostname=config.hostname,
            refusals_per_hour=config.session.refusals_per_hour,
        )
        return prepare(loaded, parts, self._standings, self._number, self._policy_failed)

    def _remember(self, rules: Rules) -> Rules:
        """Have the records know which policies go for whom from now on."""
        with self.database.transaction() as connection:
            remember(connection, rules, self._clock())
        return rules

    def _case_page(self, tenant: str, tracking: bytes) -> str:
        """Where the tenant reads about a case of its own; asked at refusals only."""
        terms = self.snapshot.tenants.get(tenant)
        if terms is None or not self._rules.link:
            return ""
        return case_link(self._rules.link, self.delivery.tokens, terms.number, tracking)

    def _apply_limits(self) -> None:
        config = self.loaded.config
        self.watch.max_connections = config.session.max_connections
        self.watch.max_per_client = config.session.per_address
        self.budget.total = config.session.memory_bytes

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # ---- told by parts ------------------------------------------------------------------------

    def _warn(self, tenant: str, percent: int, used: int, limit: int) -> None:
        detail: dict[str, object] = {"percent": percent, "used": used, "limit": limit}
        self.emit(Event("limit.warned", self._clock(), tenant=tenant, detail=detail))

    def _policy_failed(self, policy: str, what: str) -> None:
        detail: dict[str, object] = {"policy": policy, "what": what}
        self.emit(Event("policy.failed", self._clock(), detail=detail))

    def _on_hangup(self) -> None:
        self._spawn(self._reload_quietly())

    def drain(self) -> None:
        """Take no more mail, and end when what is open has ended."""
        self._spawn(self._drain_and_end())

    async def _reload_quietly(self) -> None:
        # The refusal is an event already; a signal has nobody to answer to.
        with suppress(ConsentryError):
            await self.reload()

    async def _drain_and_end(self) -> None:
        self.listeners.close()
        grace = self.loaded.config.drain_seconds
        self.watch.drain(grace)
        loop = asyncio.get_running_loop()
        last = loop.time() + grace + DRAIN_MARGIN
        # Once in a life, so polling is simpler than an event that two parts would have to set.
        while self._is_busy() and loop.time() < last:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        self._ended.set()

    def _is_busy(self) -> bool:
        return self.listeners.is_opening or bool(len(self.watch) or self.delivery.in_progress)


async def _serve(loaded: Loaded, process: Process) -> None:
    gateway = Gateway(loaded, process=process)
    try:
        await gateway.start()
        # What was made so far lives to the end: the collector need not look at it again and again.
        gc.collect()
        gc.freeze()
        await gateway.run()
    finally:
        await gateway.stop()


def run_smtp(loaded: Loaded, process: Process) -> None:
    """Run an SMTP process under uvloop until it is drained. Raises ConfigurationError."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(loaded, process))

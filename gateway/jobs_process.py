"""The jobs process: wiring of `gateway.jobs_host` to records and journal, and its life.

`run_jobs_process` is its entry. There is one on each node with Redis; without, the web process has
the jobs. SIGHUP and the control verb `reload` put the configuration's present content in force,
SIGTERM ends it, and another node leads a second later. Raises ConfigurationError when it cannot
start as configured.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Mapping
from contextlib import suppress

import uvloop

from gateway.config.load import Loaded, check_reload, load
from gateway.control import ControlServer
from gateway.errors import ConsentryError
from gateway.events import Event
from gateway.jobs_host import Jobs, JobTerms
from gateway.journal import Journal
from gateway.leader import open_seat
from gateway.metrics import ProcessMetrics, heartbeat
from gateway.processes import JOBS
from gateway.records.case_rules import Rules
from gateway.records.event_index import EventIndex
from gateway.records.keyring import open_keyring
from gateway.records.opening import open_records
from gateway.records.policy_versions import remember
from gateway.sanctions.rules import rules_of
from gateway.shared_jobs import SharedJobs
from gateway.sockets import Sockets


class JobsProcess:
    """One jobs process. `start`, then `run` until told to stop, then `stop`."""

    def __init__(self, loaded: Loaded) -> None:
        self._loaded = loaded
        config, state_dir = loaded.config, loaded.config.state_dir
        self.metrics = ProcessMetrics(JOBS.name)
        self.journal = Journal(
            state_dir / "journal",
            JOBS.journal,
            config.journal.max_bytes,
            config.journal.keep_files,
            observers=(self.metrics.count,),
        )
        self.metrics.watch_journal(lambda: self.journal.is_writable, lambda: self.journal.dropped)
        self.database = open_records(config, is_service=True)
        self._index = EventIndex(state_dir / "journal", state_dir / "journal-index.sqlite")
        seat = open_seat(config)
        terms = self._terms(loaded)
        self._remember(terms.rules)
        self._keyring = terms.keyring
        self._shared = SharedJobs(config, self.database, lambda: self._loaded.tenants)
        self.jobs = Jobs(
            self.database, terms, self._index, seat, self._emit, time.time, self._shared
        )
        self._shared.watch(self.metrics, lambda: self.jobs.is_leader)
        self.jobs.watch(self.metrics)
        self._control = ControlServer(
            state_dir / JOBS.socket,
            {
                "status": self._status,
                "metrics": self._metrics,
                "reload": self._answer_reload,
                "rotate": self.journal.answer_rotate,
            },
        )
        self._ended = asyncio.Event()
        self._started_at = time.time()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin with the jobs."""
        await self._shared.start()
        await self.jobs.start()
        await self._control.start()
        self._tasks = [asyncio.create_task(heartbeat(self.metrics.loop_lag.observe))]
        Sockets(self._loaded.config.state_dir, JOBS.name).ready(())
        replayed = self.database.opt_outs.replayed
        detail: dict[str, object] = {"process": JOBS.name, "opt_outs_replayed": replayed}
        self._emit(Event("process.started", time.time(), detail=detail))

    async def run(self) -> None:
        """Work until SIGTERM or SIGINT."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGHUP, self._on_hangup)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._ended.set)
        await self._ended.wait()

    async def stop(self) -> None:
        """End what runs and write what is left."""
        await self._control.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.jobs.close()
        await self._shared.close()
        self._index.close()
        self.database.close()
        self._emit(Event("process.stopped", time.time(), detail={"process": JOBS.name}))
        self.journal.close()

    def reload(self) -> tuple[str, ...]:
        """Put the files' present content in force; its warnings. The old stays on any error."""
        try:
            loaded = load(self._loaded.path)
            check_reload(self._loaded, loaded)
            terms = self._terms(loaded)
            self._remember(terms.rules)
        except ConsentryError as problem:
            detail: dict[str, object] = {"errors": str(problem).splitlines()}
            self._emit(Event("config.refused", time.time(), detail=detail))
            raise
        self._loaded, self._keyring = loaded, terms.keyring
        self.jobs.adopt(terms)
        warnings = list(loaded.warnings)
        self._emit(Event("config.reloaded", time.time(), detail={"warnings": warnings}))
        return loaded.warnings

    def _terms(self, loaded: Loaded) -> JobTerms:
        keyring = open_keyring(self.database, loaded.config.keyring)
        return JobTerms.of(loaded, keyring, rules_of(loaded, keyring))

    def _remember(self, rules: Rules) -> None:
        """Have the records know which policies go for whom from now on."""
        with self.database.transaction() as connection:
            remember(connection, rules, time.time())

    def _emit(self, event: Event) -> None:
        event.config = self._loaded.hash
        self.journal.emit(event)

    def _on_hangup(self) -> None:
        with suppress(ConsentryError):  # told in the journal; a signal has nobody to answer to
            self.reload()

    # ---- asked over the control socket --------------------------------------------------------

    async def _status(self, _request: Mapping[str, object]) -> object:
        return {
            "started": self._started_at,
            "config": self._loaded.hash,
            "keyring": self._keyring.describe(),
            "tasks": len(asyncio.all_tasks()),
            **self.jobs.describe(),
            "stores": {"records": self.database.store.name, "state": self._shared.describe()},
        }

    async def _metrics(self, _request: Mapping[str, object]) -> object:
        return self.metrics.text()

    async def _answer_reload(self, _request: Mapping[str, object]) -> object:
        warnings = self.reload()
        return {"config": self._loaded.hash, "warnings": list(warnings)}


async def _serve(loaded: Loaded) -> None:
    process = JobsProcess(loaded)
    try:
        await process.start()
        await process.run()
    finally:
        await process.stop()


def run_jobs_process(loaded: Loaded) -> None:
    """Run the jobs process under uvloop until it is told to end."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(loaded))

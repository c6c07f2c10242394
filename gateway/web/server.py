"""The web process: wiring of the pages to records, journal and the SMTP workers, and its life.

`run_web` is its entry, its siblings' are `gateway.app` and `gateway.jobs_process`; without Redis it
hosts the jobs itself. SIGHUP and the control verb `reload` put the
configuration's present content in force, except where it listens; SIGTERM ends it after the
requests under way. Raises ConfigurationError when it cannot start as configured.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace

import uvloop

from gateway.config.load import Loaded, check_reload, load, not_yet
from gateway.control import ControlServer
from gateway.errors import ConsentryError, StoreUnavailable
from gateway.events import Event
from gateway.feedback.intake import Intake
from gateway.feedback.listener import FeedbackListener
from gateway.feedback.terms import Terms
from gateway.jobs_host import Jobs, JobTerms
from gateway.journal import Journal
from gateway.leader import open_seat
from gateway.metrics import WebMetrics, heartbeat
from gateway.metrics_merge import Totals
from gateway.node import Health, ask_all, health_of
from gateway.processes import JOBS, WEB, processes_of, workers_of
from gateway.records.case_rules import Rules
from gateway.records.event_index import EventIndex
from gateway.records.keyring import open_keyring
from gateway.records.opening import open_records
from gateway.records.policy_versions import remember
from gateway.sanctions.rules import rules_of
from gateway.sender_dns.check import SenderDns
from gateway.sockets import Sockets, key_of
from gateway.web.api.app import api_app
from gateway.web.api.parts import ApiParts
from gateway.web.app import web_app
from gateway.web.desk.app import desk_app
from gateway.web.desk.live import Live
from gateway.web.desk.parts import DeskParts
from gateway.web.http import HttpServer
from gateway.web.parts import WebParts
from gateway.web.recipients import Recipients
from gateway.web.status.app import status_app
from gateway.web.status.parts import StatusParts
from suppression.keys import Keyring
from suppression.tokens import Tokens

WEB_NAME, FEEDBACK_NAME = "web.listen", "feedback.listen"
ASK_SECONDS = 3.0


class WebProcess:
    """One web process. `start`, then `run` until told to stop, then `stop`."""

    def __init__(self, loaded: Loaded) -> None:
        self._loaded = loaded
        config, state_dir = loaded.config, loaded.config.state_dir
        self.metrics = WebMetrics()
        self._totals = Totals(state_dir / "totals.json")
        self.journal = Journal(
            state_dir / "journal",
            WEB.journal,
            config.journal.max_bytes,
            config.journal.keep_files,
            observers=(self.metrics.count,),
        )
        self.metrics.watch_journal(lambda: self.journal.is_writable, lambda: self.journal.dropped)
        self.database = open_records(config, is_service=True)
        self._sockets = Sockets(state_dir, WEB.name)
        self._index = EventIndex(state_dir / "journal", state_dir / "journal-index.sqlite")
        self._keyring = open_keyring(self.database, config.keyring)
        self._rules = self._remember(rules_of(loaded, self._keyring))
        terms = JobTerms.of(loaded, self._keyring, self._rules)
        self._jobs: Jobs | None = None
        if JOBS not in processes_of(config):
            seat = open_seat(config)
            jobs = Jobs(self.database, terms, self._index, seat, self._emit, time.time)
            jobs.watch(self.metrics)
            self._jobs = jobs
        taken = Terms.of(loaded, terms.notices)
        self._intake = Intake(self.database, self._index, taken, self._emit, time.time)
        self._intake.watch(self.metrics)
        self._feedback: FeedbackListener | None = None
        self._sender_dns = SenderDns(config.sender_dns)
        self._parts = self._make_parts(loaded, self._keyring, self._rules)
        self._api_parts = self._make_api_parts(loaded, self._keyring)
        self._desk_parts = self._make_desk_parts(loaded, self._keyring, self._rules)
        self._status_parts = self._make_status_parts(terms)
        self._live = Live()
        mounted = {
            "/v1": api_app(lambda: self._api_parts),
            "/desk": desk_app(lambda: self._desk_parts, self._live),
            "/status": status_app(lambda: self._status_parts),
        }
        self._http = HttpServer(web_app(lambda: self._parts, mounted))
        self._control = ControlServer(
            state_dir / WEB.socket,
            {
                "status": self._status,
                "reload": self._answer_reload,
                "rotate": self.journal.answer_rotate,
            },
        )
        self._started_at = time.time()
        self._tasks: list[asyncio.Task[None]] = []

    # ---- life ---------------------------------------------------------------------------------

    async def start(self) -> None:
        """Listen; ConfigurationError when the address cannot be had."""
        config = self._loaded.config
        self._socket = self._sockets.take(WEB_NAME, config.web.listen)
        used = [key_of(WEB_NAME, config.web.listen)]
        if self._jobs is not None:
            await self._jobs.start()
        await self._control.start()
        if config.feedback is not None:
            listener = self._sockets.take(FEEDBACK_NAME, config.feedback.listen)
            used.append(key_of(FEEDBACK_NAME, config.feedback.listen))
            with suppress(StoreUnavailable):  # the index is there from the first report on
                await asyncio.to_thread(self._index.advance)
            self._feedback = FeedbackListener(config, self._intake, listener)
            await self._feedback.start()
        self._tasks = [asyncio.create_task(heartbeat(self.metrics.loop_lag.observe))]
        self._sockets.ready(used)
        self._emit(
            Event(
                "process.started",
                time.time(),
                detail={"process": "web", "opt_outs_replayed": self.database.opt_outs.replayed},
            )
        )

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGHUP, self._on_hangup)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._end)
        await self._http.serve(sockets=[self._socket])

    def _end(self) -> None:
        self._live.close()
        self._http.end()

    async def stop(self) -> None:
        """End what runs and write what is left."""
        await self._control.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._feedback is not None:
            await self._feedback.close()
        if self._jobs is not None:
            await self._jobs.close()
        self._index.close()
        self.database.close()
        self._emit(Event("process.stopped", time.time(), detail={"process": "web"}))
        self.journal.close()

    def _emit(self, event: Event) -> None:
        event.config = self._loaded.hash
        self.journal.emit(event)

    # ---- configuration ------------------------------------------------------------------------

    def reload(self) -> tuple[str, ...]:
        """Put the files' present content in force; its warnings. The old stays on any error."""
        try:
            loaded = load(self._loaded.path)
            check_reload(self._loaded, loaded)
            keyring = open_keyring(self.database, loaded.config.keyring)
            rules = rules_of(loaded, keyring)
            parts = self._make_parts(loaded, keyring, rules)
            api_parts = self._make_api_parts(loaded, keyring)
            desk_parts = self._make_desk_parts(loaded, keyring, rules)
            terms = JobTerms.of(loaded, keyring, rules)
            taken = Terms.of(loaded, terms.notices)
            status_parts = self._make_status_parts(terms)
            self._remember(rules)
        except ConsentryError as problem:
            detail: dict[str, object] = {"errors": str(problem).splitlines()}
            self._emit(Event("config.refused", time.time(), detail=detail))
            raise
        warnings = loaded.warnings + not_yet(self._loaded, loaded)
        self._loaded, self._parts, self._api_parts = loaded, parts, api_parts
        self._keyring, self._desk_parts, self._rules = keyring, desk_parts, rules
        self._status_parts = status_parts
        if self._jobs is not None:
            self._jobs.adopt(terms)
        self._intake.adopt(taken)
        self._emit(Event("config.reloaded", time.time(), detail={"warnings": list(warnings)}))
        return warnings

    def _remember(self, rules: Rules) -> Rules:
        """Have the records know which policies go for whom from now on."""
        with self.database.transaction() as connection:
            remember(connection, rules, time.time())
        return rules

    def _make_parts(self, loaded: Loaded, keyring: Keyring, rules: Rules) -> WebParts:
        return WebParts(
            tokens=Tokens(keyring),
            recipients=Recipients(
                self.database, keyring, self.journal, self._emit, loaded.tenants, rules
            ),
            proxies=loaded.config.web.proxy_from,
            health=self._health,
            metrics=self._merged_metrics,
            is_https=loaded.config.web.link.startswith("https://"),
        )

    def _make_api_parts(self, loaded: Loaded, keyring: Keyring) -> ApiParts:
        return ApiParts(self.database, keyring, loaded, time.time, self._emit, self._intake)

    def _make_desk_parts(self, loaded: Loaded, keyring: Keyring, rules: Rules) -> DeskParts:
        database, emit, index = self.database, self._emit, self._index
        dns = self._sender_dns.under(loaded.config.sender_dns)
        return DeskParts(database, keyring, loaded, time.time, emit, index, lambda: rules, dns)

    def _make_status_parts(self, terms: JobTerms) -> StatusParts:
        database, emit, index = self.database, self._emit, self._index
        loaded, keyring, house = terms.loaded, terms.keyring, terms.notices
        return StatusParts(database, keyring, loaded, house, time.time, emit, index)

    def _on_hangup(self) -> None:
        with suppress(ConsentryError):  # told in the journal; a signal has nobody to answer to
            self.reload()

    # ---- what the pages ask for ---------------------------------------------------------------

    async def _health(self, patience: float) -> Health:
        config = self._loaded.config
        workers = workers_of(config)
        health = health_of(await ask_all(config.state_dir, workers, "health", patience=patience))
        own = []
        if not self.journal.is_writable:
            own.append("web: the journal cannot be written")
        if trouble := self.database.opt_outs.problem():
            own.append(f"web: {trouble}")
        return replace(
            health, is_ready=health.is_ready and not own, problems=(*health.problems, *own)
        )

    async def _merged_metrics(self) -> str:
        config = self._loaded.config
        others = [process for process in processes_of(config) if process != WEB]
        said = await ask_all(config.state_dir, others, "metrics", patience=ASK_SECONDS)
        texts = {one.name: text for one, text in said.items() if isinstance(text, str)}
        self.metrics.up = {one.name: one.name in texts for one in others}
        return self._totals.merge(texts | {WEB.name: self.metrics.text()})

    # ---- asked over the control socket --------------------------------------------------------

    async def _status(self, _request: Mapping[str, object]) -> object:
        return {
            "started": self._started_at,
            "config": self._loaded.hash,
            "keyring": self._keyring.describe(),
            "listen": str(self._loaded.config.web.listen),
            "connections": self._http.connections,
            "tasks": len(asyncio.all_tasks()),
            **({"jobs": self._jobs.describe()} if self._jobs is not None else {}),
        }

    async def _answer_reload(self, _request: Mapping[str, object]) -> object:
        warnings = self.reload()
        return {"config": self._loaded.hash, "warnings": list(warnings)}


async def _serve(loaded: Loaded) -> None:
    process = WebProcess(loaded)
    try:
        await process.start()
        await process.run()
    finally:
        await process.stop()


def run_web(loaded: Loaded) -> None:
    """Run the web process under uvloop until it is told to end."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(loaded))

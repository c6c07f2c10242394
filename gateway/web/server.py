"""The web process: wiring of the pages to records, journal and the SMTP process, and its life.

`run_web` is its entry, its sibling's is `gateway.app`. SIGHUP and the control verb `reload` put the
configuration's present content in force, except where it listens; SIGTERM ends it after the
requests under way. Raises ConfigurationError when it cannot start as configured.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import uvloop

from gateway.config.load import Loaded, load
from gateway.config.model import GatewayConfig
from gateway.config.values import Endpoint
from gateway.control import SMTP_SOCKET, WEB_SOCKET, ControlError, ControlServer, ask
from gateway.errors import ConfigurationError, ConsentryError
from gateway.events import Event
from gateway.feedback.intake import Intake
from gateway.feedback.listener import FeedbackListener
from gateway.jobs import Job, head_job, run_jobs, standard_jobs
from gateway.journal import Journal
from gateway.journal_index import index_job
from gateway.metrics import WebMetrics, heartbeat, merge
from gateway.notices.gather import House as NoticeHouse
from gateway.notices.rounds import NoticeRounds
from gateway.opt_in.rounds import House, Rounds
from gateway.pre_check.check import ended_job
from gateway.privacy.purge import purge_job
from gateway.records.case_rules import Rules
from gateway.records.database import open_database
from gateway.records.event_index import EventIndex
from gateway.records.keyring import open_keyring
from gateway.records.policy_versions import remember
from gateway.sanctions.rules import rules_of
from gateway.sanctions.ticker import Ticker
from gateway.sender_dns.check import SenderDns
from gateway.web.api.app import api_app
from gateway.web.api.parts import ApiParts
from gateway.web.app import web_app
from gateway.web.desk.app import desk_app
from gateway.web.desk.live import Live
from gateway.web.desk.parts import DeskParts
from gateway.web.health import problems_of
from gateway.web.http import HttpServer
from gateway.web.parts import WebParts
from gateway.web.recipients import Recipients
from gateway.web.status.app import status_app
from gateway.web.status.parts import StatusParts
from gateway.webhooks.call import endpoints
from gateway.webhooks.sender import Sender
from suppression.keys import Keyring
from suppression.tokens import Tokens

ASK_SECONDS = 3.0


class WebProcess:
    """One web process. `start`, then `run` until told to stop, then `stop`."""

    def __init__(self, loaded: Loaded) -> None:
        self._loaded = loaded
        config, state_dir = loaded.config, loaded.config.state_dir
        self._smtp = state_dir / SMTP_SOCKET
        self.metrics = WebMetrics()
        self.journal = Journal(
            state_dir / "journal",
            "web",
            config.journal.max_bytes,
            config.journal.keep_files,
            observers=(self.metrics.count,),
        )
        self.metrics.watch_journal(lambda: self.journal.is_writable, lambda: self.journal.dropped)
        self.database = open_database(config.database, config.opt_out_log, is_thorough=True)
        self._sender = Sender(self.database, self._emit, time.time)
        self._index = EventIndex(state_dir / "journal", state_dir / "journal-index.sqlite")
        self._keyring = open_keyring(self.database, config.keyring)
        self._sender.adopt(endpoints(loaded.tenants), self._keyring)
        house = House.of(loaded, self._keyring)
        self._rounds = Rounds(self.database, house, self._emit, time.time)
        self._rules = self._remember(rules_of(loaded, self._keyring))
        self._ticker = Ticker(self.database, lambda: self._rules, self._emit, time.time)
        notices = NoticeHouse.of(loaded, self._rules)
        self._notices = NoticeRounds(self.database, notices, self._emit, time.time)
        self._intake = Intake(self.database, notices, self._emit, time.time)
        self._feedback: FeedbackListener | None = None
        self._sender_dns = SenderDns(config.sender_dns)
        self._parts = self._make_parts(loaded, self._keyring, self._rules)
        self._api_parts = self._make_api_parts(loaded, self._keyring)
        self._desk_parts = self._make_desk_parts(loaded, self._keyring, self._rules)
        self._status_parts = self._make_status_parts(loaded, self._keyring, notices)
        self._live = Live()
        mounted = {
            "/v1": api_app(lambda: self._api_parts),
            "/desk": desk_app(lambda: self._desk_parts, self._live),
            "/status": status_app(lambda: self._status_parts),
        }
        self._http = HttpServer(web_app(lambda: self._parts, mounted))
        self._control = ControlServer(
            state_dir / WEB_SOCKET,
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
        self._socket = listen(self._loaded.config.web.listen)
        await self._sender.mark()
        await self._control.start()
        if self._loaded.config.feedback is not None:
            self._feedback = FeedbackListener(self._loaded.config, self._intake)
            await self._feedback.start()
        self._tasks = [
            asyncio.create_task(heartbeat(self.metrics.loop_lag.observe)),
            asyncio.create_task(run_jobs(self._jobs(), self._emit, time.time)),
        ]
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
        await self._sender.close()
        await self._rounds.close()
        await self._notices.close()
        self._index.close()
        self.database.close()
        self._emit(Event("process.stopped", time.time(), detail={"process": "web"}))
        self.journal.close()

    def _jobs(self) -> list[Job]:
        head = head_job(self.database, self._emit, time.time)
        purge = purge_job(self.database, self._kept, self._emit, time.time)
        standard = standard_jobs(self.database.path)
        ended = ended_job(self.database, time.time)
        found = index_job(self._index)
        senders = [self._sender.job(), self._rounds.job(), self._notices.job(), self._ticker.job()]
        return [*standard, head, purge, ended, found, *senders]

    def _kept(self) -> tuple[GatewayConfig, Keyring]:
        config = self._loaded.config
        return config, open_keyring(self.database, config.keyring)

    def _emit(self, event: Event) -> None:
        event.config = self._loaded.hash
        self.journal.emit(event)

    # ---- configuration ------------------------------------------------------------------------

    def reload(self) -> tuple[str, ...]:
        """Put the files' present content in force; its warnings. The old stays on any error."""
        try:
            loaded = load(self._loaded.path)
            keyring = open_keyring(self.database, loaded.config.keyring)
            rules = rules_of(loaded, keyring)
            parts = self._make_parts(loaded, keyring, rules)
            api_parts = self._make_api_parts(loaded, keyring)
            desk_parts = self._make_desk_parts(loaded, keyring, rules)
            receivers = endpoints(loaded.tenants)
            house = House.of(loaded, keyring)
            notices = NoticeHouse.of(loaded, rules)
            status_parts = self._make_status_parts(loaded, keyring, notices)
            self._remember(rules)
        except ConsentryError as problem:
            detail: dict[str, object] = {"errors": str(problem).splitlines()}
            self._emit(Event("config.refused", time.time(), detail=detail))
            raise
        warnings = loaded.warnings
        if loaded.config.web.listen != self._loaded.config.web.listen:
            warnings += (f"{loaded.path}: web.listen: takes effect after a restart",)
        if loaded.config.feedback != self._loaded.config.feedback:
            warnings += (f"{loaded.path}: feedback: takes effect after a restart",)
        self._loaded, self._parts, self._api_parts = loaded, parts, api_parts
        self._keyring, self._desk_parts, self._rules = keyring, desk_parts, rules
        self._status_parts = status_parts
        self._sender.adopt(receivers, keyring)
        self._rounds.adopt(house)
        self._notices.adopt(notices)
        self._intake.adopt(notices)
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
            problems=self._problems,
            metrics=self._merged_metrics,
            is_https=loaded.config.web.link.startswith("https://"),
        )

    def _make_api_parts(self, loaded: Loaded, keyring: Keyring) -> ApiParts:
        return ApiParts(self.database, keyring, loaded, time.time, self._emit)

    def _make_desk_parts(self, loaded: Loaded, keyring: Keyring, rules: Rules) -> DeskParts:
        smtp, index = self._smtp, self._index
        dns = self._sender_dns.under(loaded.config.sender_dns)
        return DeskParts(
            self.database, keyring, loaded, time.time, self._emit, smtp, index, lambda: rules, dns
        )

    def _make_status_parts(
        self, loaded: Loaded, keyring: Keyring, house: NoticeHouse
    ) -> StatusParts:
        database, emit, index = self.database, self._emit, self._index
        return StatusParts(database, keyring, loaded, house, time.time, emit, index)

    def _on_hangup(self) -> None:
        with suppress(ConsentryError):  # told in the journal; a signal has nobody to answer to
            self.reload()

    # ---- what the pages ask for ---------------------------------------------------------------

    async def _problems(self) -> list[str]:
        try:
            problems = problems_of(await ask(self._smtp, "health", patience=ASK_SECONDS))
        except ControlError as error:
            return [f"the SMTP process does not answer: {error}"]
        if not self.journal.is_writable:
            problems.append("the web process's journal cannot be written")
        if trouble := self.database.opt_outs.problem():
            problems.append(trouble)
        return problems

    async def _merged_metrics(self) -> str:
        try:
            smtp = [str(await ask(self._smtp, "metrics", patience=ASK_SECONDS))]
        except ControlError:
            smtp = []
        self.metrics.smtp_up.set(len(smtp))
        return merge([*smtp, self.metrics.text()])

    # ---- asked over the control socket --------------------------------------------------------

    async def _status(self, _request: Mapping[str, object]) -> object:
        return {
            "started": self._started_at,
            "config": self._loaded.hash,
            "keyring": self._keyring.describe(),
            "listen": str(self._loaded.config.web.listen),
            "connections": self._http.connections,
            "tasks": len(asyncio.all_tasks()),
        }

    async def _answer_reload(self, _request: Mapping[str, object]) -> object:
        warnings = self.reload()
        return {"config": self._loaded.hash, "warnings": list(warnings)}


def listen(endpoint: Endpoint) -> socket.socket:
    """A listening socket on `endpoint`."""
    family = socket.AF_INET6 if ":" in endpoint.host else socket.AF_INET
    try:
        return socket.create_server((endpoint.host, endpoint.port), family=family, backlog=512)
    except OSError as error:
        raise ConfigurationError(f"web.listen: {endpoint}: {error.strerror or error}") from error


async def _serve(path: Path) -> None:
    process = WebProcess(load(path))
    try:
        await process.start()
        await process.run()
    finally:
        await process.stop()


def run_web(path: Path) -> None:
    """Run the web process under uvloop until it is told to end."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(path))

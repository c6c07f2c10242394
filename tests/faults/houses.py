"""Gateways to break: a real `consentry serve` whose parts can be got at, and one in this process.

`Served` adds to the end-to-end harness the child processes by name, their crashes and limits.
`Inside` runs the SMTP process's `Gateway` on a uvloop loop in a thread, so that a test may hand in
clocks, shorten constants and look at the parts; `run` and `call` reach into that loop.
"""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import socket
import sqlite3
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import uvloop

from gateway.app import Gateway as SmtpProcess
from gateway.config.load import load
from gateway.control import SMTP_SOCKET, ask
from gateway.ledger.entry import entry_keys
from gateway.message.received import Receiver
from policies.ports import Clock
from tests.e2e.gateway import Gateway
from tests.e2e.ports import LOOPBACK
from tests.faults.waiting import eventually

T = TypeVar("T")

WEEKLY = "weekly@acme.test"
"""The sender whose mail goes to acme's list stream; all other mail goes to its default stream."""
STREAMS = {
    "news": {"kind": "transactional", "default": True},
    "weekly": {"kind": "list", "mail_from": [WEEKLY]},
}
"""Streams that a protected recipient is protected from: nothing is verified."""


class Served(Gateway):
    """A running gateway whose children can be found, killed and starved."""

    def child(self, part: str) -> int:
        """The process id of the child of that name; waits for a new one after a crash."""
        return eventually(lambda: self._child(part))

    def _child(self, part: str) -> int:
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        for pid in children:
            try:
                words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            except (FileNotFoundError, ProcessLookupError):
                continue
            if _role_in(words) == part:
                return int(pid)
        return 0

    def crash(self, part: str) -> None:
        """`kill -9` a child and wait until its successor listens."""
        old = self.child(part)
        os.kill(old, signal.SIGKILL)
        eventually(lambda: self._child(part) not in (0, old))
        self.wait_until_served()

    @property
    def is_listening(self) -> bool:
        """Whether the SMTP process takes connections."""
        with socket.socket() as probe:
            return probe.connect_ex((LOOPBACK, self.open)) == 0

    @contextmanager
    def full_disk(self, *parts: str) -> Iterator[None]:
        """No write to any file of these children succeeds (EFBIG)."""
        pids = [self.child(part) for part in parts]
        before = [resource.prlimit(pid, resource.RLIMIT_FSIZE) for pid in pids]
        for pid, (_, hard) in zip(pids, before, strict=True):
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, hard))
        try:
            yield
        finally:
            for pid, limits in zip(pids, before, strict=True):
                resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)

    @property
    def octets(self) -> int:
        """Octets of acme's daily limit that are used."""
        used: int = self.status["bytes_24h"]["acme"]
        return used

    @property
    def status(self) -> Any:
        """What the SMTP process says of itself."""
        return self.ask("status")

    def ask(self, verb: str) -> Any:
        """The SMTP process's answer over its control socket; raises ControlError."""
        return asyncio.run(ask(self.folder / "state" / SMTP_SOCKET, verb))

    def unsubscribe(self, link: str) -> int:
        """Click once; the status of the answer."""
        request = urllib.request.Request(link, data=b"List-Unsubscribe=One-Click")
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as refusal:
            return refusal.code

    @property
    def database(self) -> Path:
        """The records."""
        return self.folder / "state/consentry.db"

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What the records hold, as any other process sees it."""
        connection = sqlite3.connect(self.database, timeout=60)
        try:
            return connection.execute(query).fetchall()
        finally:
            connection.close()

    def state_of(self, octets: bytes, stream: str, sender: str, recipient: str) -> str:
        """What the ledger says of one copy of a message; "" for nothing."""
        receiver = Receiver()
        receiver.add(octets)
        (key,) = entry_keys(stream, sender, receiver.finish().digest, [recipient])
        return dict(self.rows("SELECT key, state FROM ledger")).get(key, "")

    def event(self, kind: str, **wanted: object) -> dict[str, Any]:
        """The last journalled event of that kind whose members are as wanted; waits for it."""

        def find() -> dict[str, Any] | None:
            found = None
            for event in self.events():
                if event["kind"] == kind and wanted.items() <= event.items():
                    found = event
            return found

        event = eventually(find)
        assert event is not None
        return event


def _role_in(words: list[bytes]) -> str:
    """Which process a command line is for: `smtp`, `smtp-2`, `web`, `jobs`; "" for no other."""
    if b"--role" not in words:
        return ""
    number = words[words.index(b"--worker") + 1].decode()
    role = words[words.index(b"--role") + 1].decode()
    return role if number == "1" else f"{role}-{number}"


class Inside:
    """The SMTP process's gateway in a thread; a context manager. Its `events` are kept."""

    def __init__(
        self, harness: Gateway, *, clock: Clock = time.time, steady: Clock | None = None
    ) -> None:
        self.port = harness.open
        self.harness = harness
        self.events: list[Any] = []
        self._clocks = (clock, steady)
        self._ready: Future[SmtpProcess] = Future()
        self._end: asyncio.Event
        self._loop: asyncio.AbstractEventLoop
        self._thread = threading.Thread(target=self._main, name="gateway")

    def __enter__(self) -> Inside:
        self.harness.write()
        self._thread.start()
        self.gateway = self._ready.result(60)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(60)
        assert not self._thread.is_alive()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of a coroutine on the gateway's loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    def call(self, work: Callable[[], T]) -> T:
        """The result of a function called on the gateway's loop."""

        async def once() -> T:
            return work()

        return self.run(once())

    @property
    def spent(self) -> float:
        """Seconds of a processor's time that the gateway's loop has had."""
        assert self._thread.ident is not None
        return time.clock_gettime(time.pthread_getcpuclockid(self._thread.ident))

    def event(self, kind: str) -> Any:
        """The last event of that kind; waits for one."""
        return eventually(lambda: next((e for e in reversed(self.events) if e.kind == kind), None))

    def _main(self) -> None:
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(self._serve())
        except BaseException as error:
            if self._ready.done():
                raise
            self._ready.set_exception(error)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._end = asyncio.Event()
        clock, steady = self._clocks
        gateway = SmtpProcess(load(self.harness.config), clock, steady)
        write = gateway.journal.emit

        def emit(event: Any) -> None:
            self.events.append(event)
            write(event)

        gateway.journal.emit = emit  # type: ignore[method-assign]
        await gateway.start()
        self._ready.set_result(gateway)
        try:
            await self._end.wait()
        finally:
            await gateway.stop()

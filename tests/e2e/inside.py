"""A gateway in this process, each worker on a thread of its own, whose clock a test may move.

Everything else is as in `tests.e2e.gateway`: its configuration, its listeners (but the web, which
is another process), its database, its journal, and `consentry` commands beside it. With several
`workers` the sockets are kept as the supervisor keeps them, so that any of them may accept.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Coroutine
from contextlib import ExitStack
from typing import Any, TypeVar

import uvloop

from gateway import app
from gateway.config.load import Loaded, load
from gateway.processes import Process, workers_of
from gateway.socket_keeper import SocketKeeper
from gateway.state.redis.holds import RedisHolds
from policies.claims import Usage
from tests.e2e.gateway import Gateway

T = TypeVar("T")


class Thread:
    """An event loop in a thread."""

    def __init__(self) -> None:
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """What a coroutine gives there."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    def end(self) -> None:
        """End loop and thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class MovableClock:
    """The wall clock, ahead by as much as the test says."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


class InsideGateway(Gateway):
    """A context manager like `Gateway`; `clock` is both the wall clock and the windows'."""

    @property
    def clock(self) -> MovableClock:
        """The clock it goes by."""
        return self._clock

    def start(self) -> None:
        """Start it and wait until it listens."""
        self._clock = MovableClock()
        loaded = load(self.config)
        loaded.config.state_dir.mkdir(mode=0o700, exist_ok=True)
        self._keeping = Thread()
        self._keeper = SocketKeeper(loaded.config.state_dir, lambda _pid: None)
        self._keeping.run(self._keeper.start())
        self._workers = {process: Thread() for process in workers_of(loaded.config)}
        self.inners = [
            thread.run(self._make(loaded, process)) for process, thread in self._workers.items()
        ]
        self.inner = self.inners[0]
        self.on_loop(self._trust_redis())

    def stop(self) -> None:
        """End it and its threads."""
        with ExitStack() as stack:
            stack.callback(self._keeping.end)
            stack.callback(lambda: self._keeping.run(self._keeper.close()))
            for inner, thread in zip(self.inners, self._workers.values(), strict=True):
                stack.callback(thread.end)
                thread.run(inner.stop())

    def on_loop(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the first worker's loop."""
        return next(iter(self._workers.values())).run(work)

    def usage(self, tenant: str) -> Usage:
        """What a tenant has now."""
        (usage,) = self.on_loop(self.inner.holds.usage([tenant]))
        return usage

    def bytes_used(self, window: str) -> int:
        """Octets used or set aside in the byte window of a tenant (or `tenant/stream`)."""
        return self.usage(window).octets

    def line(self, tenant: str) -> tuple[int, int]:
        """How many batches of a tenant's are open, and how many wait for one."""
        usage = self.usage(tenant)
        return usage.open, usage.waiting

    async def _trust_redis(self) -> None:
        """Have batches granted at once. A Redis that does not know a tenant may have lost what was
        held: it grants nothing for a lease's time, in which holders say what they have. Here are
        none, and a test may come whose limits are shorter than that."""
        holds = self.inner.holds
        if isinstance(holds, RedisHolds):
            for tenant in map(holds.tenant, self.settings.tenants):
                await holds.heal(tenant)
                await holds.calls.send("HSET", tenant.keys.holds, "ready", 0)

    async def _make(self, loaded: Loaded, process: Process) -> app.Gateway:
        inner = app.Gateway(loaded, self._clock, self._clock, process)
        await inner.start()
        return inner

"""A gateway in this process, on a thread of its own, whose clock a test may move.

Everything else is as in `tests.e2e.gateway`: its configuration, its listeners (but the web, which
is another process), its database, its journal, and `consentry` commands beside it.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Coroutine
from typing import Any, TypeVar

import uvloop

from gateway import app
from gateway.config.load import load
from policies.claims import Usage
from tests.e2e.gateway import Gateway

T = TypeVar("T")


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
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self.inner = self.on_loop(self._make())

    def stop(self) -> None:
        """End it and its thread."""
        try:
            self.on_loop(self.inner.stop())
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    def on_loop(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the gateway's loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

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

    async def _make(self) -> app.Gateway:
        inner = app.Gateway(load(self.config), self._clock, self._clock)
        await inner.start()
        return inner

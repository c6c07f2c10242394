"""One server's connection, kept up: what waits to be sent, and whether the server is well.

All calls of one turn of the event loop go out in one write. A call pushed while the first
connection is being made waits for it; after a failure calls fail at once (the circuit is open)
and a new connection is tried every `PROBE_EVERY` seconds, the first one immediately. Every
`LOOK_EVERY` seconds the server is asked who it is, so that a connection that leads nowhere, or to
what is no primary any more, does not stay. Each new connection and each new epoch is told, for what
was held must be made whole before anybody is granted anything.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

from gateway.errors import StoreUnavailable
from gateway.state.redis.connect import Unfit, learn
from gateway.state.redis.wire import NotDone, Receiver, Wire

PROBE_EVERY = 0.1
"""Seconds between the beginnings of two tries of a server that is not well."""
LOOK_EVERY = 1.0


class Call(Receiver, Protocol):
    """Something to be sent, which packs itself for the server that it goes to."""

    def pack(self, wire: Wire) -> bytes:
        """The command as octets."""


class Link:
    """Keeps one `Wire` up. `start` it on the loop that uses it."""

    def __init__(
        self, name: str, dial: Callable[[], Awaitable[Wire]], tell: Callable[[], None]
    ) -> None:
        """`tell` is called when it is connected, and when its epoch is another."""
        self.name = name
        self.wire: Wire | None = None
        self.trouble = ""
        """Why calls fail at once; "" when they do not."""
        self.was_unfit = False
        """True once the server was seen to throw keys away."""
        self._dial = dial
        self._tell = tell
        self._queue: list[Call] = []
        self._is_scheduled = False
        self._task: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tried = asyncio.Event()
        self._learning: asyncio.Task[None] | None = None

    @property
    def is_ready(self) -> bool:
        """True when a call would go out now."""
        return self.wire is not None and not self.wire.closed.done()

    def start(self) -> None:
        """Begin to connect."""
        self._loop = asyncio.get_running_loop()
        self._task = self._loop.create_task(self._keep_up(), name=f"redis {self.name}")

    async def settled(self) -> None:
        """Back when connected, or when the first try has failed."""
        await self._tried.wait()

    async def close(self) -> None:
        """Close the connection; all that wait fail."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        self._break("Redis: closed")

    def push(self, call: Call) -> None:
        """Send with all other calls of this turn of the loop."""
        if self.wire is None and self.trouble:
            call.fail(NotDone(self.trouble))
            return
        self._queue.append(call)
        if not self._is_scheduled and self._loop is not None:
            self._is_scheduled = True
            self._loop.call_soon(self._flush)

    def drop(self, reason: str) -> None:
        """Close the connection, because it leads to the wrong server or to one that is not well."""
        if self.wire is not None:
            self.wire.close(reason)

    async def learn(self) -> None:
        """Learn the server's epoch anew, with all who ask in this turn: a thousand tenants that are
        healed together ask once. Raises StoreUnavailable."""
        if self.wire is None:
            raise StoreUnavailable(self.trouble or "Redis: not connected")
        if self._learning is None:
            loop = asyncio.get_running_loop()
            self._learning = loop.create_task(self._learn(self.wire), name="redis epoch")
            self._learning.add_done_callback(_heard)
            loop.call_soon(self._next)
        await asyncio.shield(self._learning)

    def _next(self) -> None:
        """Who asks from now on may know of something later than what was asked."""
        self._learning = None

    async def _learn(self, wire: Wire) -> None:
        before = wire.epoch
        await learn(wire)
        if wire.epoch != before:
            self._tell()

    def _flush(self) -> None:
        self._is_scheduled = False
        wire = self.wire
        if wire is None or not self._queue:
            return
        calls, self._queue = self._queue, []
        wire.send(b"".join([call.pack(wire) for call in calls]), calls)

    async def _keep_up(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            begun = loop.time()
            try:
                wire = await self._dial()
            except StoreUnavailable as problem:
                self._refused(problem)
            else:
                self.wire, self.trouble = wire, ""
                self._tried.set()
                self._flush()
                self._tell()
                try:
                    await self._look_after(wire)
                    self._break(f"Redis: {wire.reason}")
                except StoreUnavailable as problem:
                    self._refused(problem)
                finally:
                    self.wire = None
                    wire.close("closed")
            if (left := begun + PROBE_EVERY - loop.time()) > 0:
                await asyncio.sleep(left)

    async def _look_after(self, wire: Wire) -> None:
        """Until it is closed, or StoreUnavailable when the server will not do any more."""
        while not wire.closed.done():
            await asyncio.wait((wire.closed,), timeout=LOOK_EVERY)
            if not wire.closed.done():
                await self._learn(wire)

    def _refused(self, problem: StoreUnavailable) -> None:
        self.was_unfit = self.was_unfit or isinstance(problem, Unfit)
        self._tried.set()
        self._break(str(problem))

    def _break(self, trouble: str) -> None:
        self.wire = None
        self.trouble = trouble
        queue, self._queue = self._queue, []
        problem = NotDone(trouble)
        for call in queue:
            call.fail(problem)


def _heard(asked: asyncio.Task[None]) -> None:
    """Whoever asked may be gone by now: a failure is no news to the event loop."""
    if not asked.cancelled():
        asked.exception()

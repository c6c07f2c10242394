"""One connection to one Redis server: commands out, answers in the same order.

Knows RESP (by hiredis) and nothing of what is asked. Whoever sends gives a `Receiver` with each
command; it hears the answer, an error that the server sent, or that the connection is gone. A
connection whose oldest unanswered command is older than `timeout` is closed and never used again,
so that no answer can ever reach another's question. One timer serves all commands.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol, cast

import hiredis

from gateway.errors import StoreUnavailable

Reply = None | int | float | bytes | list["Reply"] | hiredis.ReplyError
Arg = bytes | str | int | float

_MORE = object()
"""What the reader gives when the answer is not complete yet."""


pack = cast("Callable[[tuple[Arg, ...]], bytes]", hiredis.pack_command)
"""A command as octets."""


class NotDone(StoreUnavailable):
    """What was asked was surely not carried out."""


class Receiver(Protocol):
    """Who asked."""

    sent_at: float

    def hear(self, wire: Wire, reply: Reply) -> None:
        """The answer; an error of the server's is a value, too."""

    def fail(self, problem: StoreUnavailable) -> None:
        """There will be no answer; whether it was carried out is not known."""


class Wire(asyncio.Protocol):
    """A connection that is up until `closed` is done."""

    def __init__(self, loop: asyncio.AbstractEventLoop, timeout: float) -> None:
        self._loop = loop
        self._timeout = timeout
        self._reader = hiredis.Reader(notEnoughData=_MORE)
        self._waiting: deque[Receiver] = deque()
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._reason = "connection lost"
        self.closed: asyncio.Future[None] = loop.create_future()
        self.epoch = ""
        """Which life of which server this is; see `connect`."""
        self.ahead: float | None = None
        """Server's Unix seconds less our monotonic ones, when last asked."""
        self.scripts: set[str] = set()
        """Digests of the scripts that the server surely knew."""

    @property
    def reason(self) -> str:
        """Why it was closed."""
        return self._reason

    @property
    def unanswered(self) -> int:
        """Commands that wait for their answer."""
        return len(self._waiting)

    def send(self, octets: bytes, receivers: Sequence[Receiver]) -> None:
        """Send packed commands; one receiver for each, in order."""
        transport = self._transport
        if transport is None or transport.is_closing():
            problem = NotDone(f"Redis: {self._reason}")
            for receiver in receivers:
                receiver.fail(problem)
            return
        now = self._loop.time()
        for receiver in receivers:
            receiver.sent_at = now
        self._waiting.extend(receivers)
        transport.write(octets)
        if self._timer is None:
            self._timer = self._loop.call_later(self._timeout, self._check)

    def close(self, reason: str) -> None:
        """Use it no more: all that wait fail."""
        if not self.closed.done():
            self._reason = reason
            if self._transport is not None:
                self._transport.abort()
            self._end()

    # ---- what the event loop calls -------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is up."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Give each complete answer to whoever asked."""
        reader, waiting = self._reader, self._waiting
        try:
            reader.feed(data)
            while not self.closed.done() and (reply := reader.gets()) is not _MORE:
                if not waiting:
                    self.close("an answer that nobody asked for")
                    return
                waiting.popleft().hear(self, reply)
        except hiredis.ProtocolError as problem:
            self.close(f"not the Redis protocol: {problem}")

    def connection_lost(self, problem: Exception | None) -> None:
        """The connection is gone."""
        if problem is not None:
            self._reason = str(problem) or type(problem).__name__
        self._end()

    # ---- inside --------------------------------------------------------------------------------

    def _check(self) -> None:
        """Close when the oldest command has waited too long, else look again when it will have."""
        self._timer = None
        if not self._waiting:
            return
        left = self._waiting[0].sent_at + self._timeout - self._loop.time()
        if left <= 0:
            self.close(f"no answer within {self._timeout:g} s")
        else:
            self._timer = self._loop.call_later(left, self._check)

    def _end(self) -> None:
        if self.closed.done():
            return
        self.closed.set_result(None)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        problem = StoreUnavailable(f"Redis: {self._reason}")
        waiting, self._waiting = self._waiting, deque()
        for receiver in waiting:
            receiver.fail(problem)

"""The I/O shell of one customer connection: octets between the transport and the engine.

Holds no SMTP knowledge beyond "feed the engine, wake the session". Time limits are not timers of
their own: `Watch` sweeps all connections once a second and compares monotonic times, so that an
idle connection costs nothing and a busy one no timer per wait. Raises `Gone` in the session when
the customer has left and `Expired` when a limit is over. The customer's leaving cancels nothing
but what the session does `while_here`.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Coroutine
from enum import Enum, auto
from typing import Protocol, TypeVar

from gateway.reply import Reply
from gateway.smtp.engine import Engine, Event

T = TypeVar("T")

READ_AHEAD = 131_072
"""Octets read ahead of a busy session before the transport is told to wait."""
WRITE_AHEAD = 200
"""Replies queued before a customer that pipelines must read some."""
WRITE_STALL = 60.0
"""Seconds a customer may refuse to read its replies."""
DATA_SILENCE = 180.0
"""Seconds without an octet of message data (RFC 5321 section 4.5.3.2.5 asks for 3 minutes)."""
SLOW_GRACE, SLOW_RATE = 60.0, 100
"""Message data may be slower than so many octets a second for that many seconds."""
PRESSED_GRACE, PRESSED_RATE = 10.0, 1024
"""The same while memory or connections run short."""
TLS_GOODBYE, CLOSE_PATIENCE = 3.0, 10.0
"""Seconds for the customer's close_notify, and for the whole end of a connection."""
SLICE = 0.005
"""Seconds a session may keep the loop before others have their turn."""


class Gone(Exception):
    """The customer closed the connection."""


class Expired(Exception):
    """A time limit is over; `reply` is what the customer is told."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(str(reply))
        self.reply = reply


class Waiting(Enum):
    """What a connection waits for."""

    NOTHING = auto()
    COMMAND = auto()
    DATA = auto()


class Overdue(Enum):
    """Which limit of time is over."""

    SILENCE = auto()
    BATCH = auto()
    ANSWER = auto()
    READER = auto()


class Keeper(Protocol):
    """Who sweeps the open connections (see `watch.py`)."""

    def add(self, connection: Connection) -> None:
        """A connection is open."""

    def remove(self, connection: Connection) -> None:
        """A connection is closed."""


class Connection(asyncio.Protocol):
    """One customer connection; `serve` is the session's coroutine, run as one task."""

    __slots__ = (
        "_awake_since",
        "_closing_since",
        "_paused_reading",
        "_stalled_since",
        "_task",
        "_tied",
        "_verdict",
        "_waiter",
        "_writer_waiter",
        "answer_by",
        "batch_idle",
        "client",
        "data_octets",
        "data_since",
        "engine",
        "has_heard",
        "heard_at",
        "idle_limit",
        "is_contended",
        "is_gone",
        "keeper",
        "loop",
        "on_answer_due",
        "out",
        "serve",
        "transport",
        "waiting",
        "waiting_since",
    )

    def __init__(
        self,
        engine: Engine,
        client: str,
        keeper: Keeper,
        serve: Callable[[Connection], Coroutine[object, object, None]],
        idle_limit: float,
    ) -> None:
        self.engine = engine
        self.client = client
        self.keeper = keeper
        self.serve = serve
        self.idle_limit = idle_limit
        self.loop = asyncio.get_running_loop()
        self.transport: asyncio.Transport | None = None
        self.out: list[bytes] = []
        self.is_gone = False
        self.has_heard = False
        """Octets have come since the last reply was written, so the customer has read it."""
        self.is_contended = False
        self.batch_idle = 0.0
        self.waiting = Waiting.NOTHING
        self.waiting_since = 0.0
        self.heard_at = self.loop.time()
        self.data_since = 0.0
        self.data_octets = 0
        self.answer_by = 0.0
        self.on_answer_due: Callable[[], None] | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._writer_waiter: asyncio.Future[None] | None = None
        self._verdict: Reply | None = None
        self._paused_reading = False
        self._stalled_since = 0.0
        self._closing_since = 0.0
        self._awake_since = self.loop.time()
        self._task: asyncio.Task[None] | None = None
        self._tied = False

    def __repr__(self) -> str:
        return f"<Connection {self.client} {self.engine.state.name} waits {self.waiting.name}>"

    # ---- asyncio.Protocol -----------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the session; with implicit TLS this comes after the handshake."""
        self.transport = transport  # type: ignore[assignment]  # always a stream transport here
        if self._task is None:
            if not self.client:
                self.client = peer_of(transport)
            self.keeper.add(self)
            self._task = self.loop.create_task(self.serve(self))

    def data_received(self, data: bytes) -> None:
        """Feed the engine and wake the session."""
        self.heard_at = self.loop.time()
        self.has_heard = True
        self.engine.feed(data)
        if self.waiting is Waiting.DATA:
            self.data_octets += len(data)
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)
        # Also while the session is being woken: a loop can hand us megabytes before it runs.
        if self.engine.buffered > READ_AHEAD and not self._paused_reading:
            self._pause_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """The customer has left, or we closed."""
        self.is_gone = True
        self.keeper.remove(self)
        self._wake()
        if self._tied and self._task is not None:
            self._task.cancel()

    def pause_writing(self) -> None:
        """The customer does not read its replies."""
        self._stalled_since = self.loop.time()

    def resume_writing(self) -> None:
        """The customer reads again."""
        self._stalled_since = 0.0
        waiter = self._writer_waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    # ---- for the session ------------------------------------------------------------------

    async def next_event(self, waiting: Waiting = Waiting.COMMAND) -> Event:
        """The next event of the engine; replies queued so far go out before waiting for it."""
        # Set once for the whole command: octets that do not complete it buy no more time.
        self.waiting_since = self.loop.time()
        if len(self.out) > WRITE_AHEAD:
            await self._writable()
        while True:
            event = self.engine.next_event()
            if event is not None:
                return event
            await self._readable(waiting)

    def send(self, octets: bytes) -> None:
        """Queue a reply; it goes out when the session waits, or with `flush`."""
        self.out.append(octets)

    def flush(self) -> None:
        """Write the queued replies in one go."""
        if self.out:
            self.has_heard = False
        if self.out and not self.is_gone and self.transport is not None:
            self.transport.write(b"".join(self.out))
        self.out.clear()

    def expire(self, reply: Reply) -> None:
        """End the wait of the session with `reply`."""
        self._verdict = reply
        self._wake()

    async def breathe(self) -> None:
        """Let others have the loop when the session has had it for long without waiting."""
        if self.loop.time() - self._awake_since > SLICE:
            await asyncio.sleep(0)
            self._awake_since = self.loop.time()

    def rested(self) -> None:
        """The session has waited for others, who had the loop meanwhile."""
        self._awake_since = self.loop.time()

    async def while_here(self, work: Awaitable[T]) -> T:
        """The result of `work`, which is given up with `Gone` when the customer leaves first."""
        self._tied = True
        try:
            return await work
        except asyncio.CancelledError:
            if not self.is_gone or self._task is None:
                raise
            self._task.uncancel()
            raise Gone from None
        finally:
            self._tied = False

    async def start_tls(self, context: ssl.SSLContext, patience: float) -> None:
        """Handshake as the server. Raises `Gone` when it fails; nothing is sent in the clear."""
        if self.transport is None or self.is_gone:
            raise Gone
        self.flush()
        try:
            transport = await self.loop.start_tls(
                self.transport,
                self,
                context,
                server_side=True,
                ssl_handshake_timeout=patience,
                ssl_shutdown_timeout=TLS_GOODBYE,
            )
        except (OSError, ssl.SSLError) as problem:
            raise Gone from problem
        if transport is None or self.is_gone:
            raise Gone
        self.transport = transport

    def close(self) -> None:
        """Write what is queued and close; the watch aborts what does not end soon."""
        self.flush()
        self._closing_since = self.loop.time()
        if self.transport is not None and not self.is_gone:
            self.transport.close()

    def abort(self) -> None:
        """Close at once; what is queued is lost."""
        if self.transport is not None:
            self.transport.abort()

    def check(self, now: float, is_pressed: bool) -> Overdue | None:
        """Which limit is over at the monotonic time `now`, if any; called by the watch."""
        if self._stalled_since and now - self._stalled_since > WRITE_STALL:
            return Overdue.READER
        if self._closing_since and now - self._closing_since > CLOSE_PATIENCE:
            return Overdue.READER
        if self.answer_by and now > self.answer_by:
            return Overdue.ANSWER
        if self.waiting is Waiting.NOTHING:
            return None
        if self.waiting is Waiting.COMMAND:
            silent = now - self.waiting_since
            if self.is_contended and silent > self.batch_idle:
                return Overdue.BATCH
            return Overdue.SILENCE if silent > self.idle_limit else None
        silent, spent = now - self.heard_at, now - self.data_since
        # Whom others wait for must hurry as if memory were short: octets now and then are no mail.
        is_slow = self.data_octets < PRESSED_RATE * spent
        if self.is_contended and (
            silent > self.batch_idle or (is_slow and spent > PRESSED_GRACE + self.batch_idle)
        ):
            return Overdue.BATCH
        if silent > DATA_SILENCE or (is_pressed and is_slow and spent > PRESSED_GRACE):
            return Overdue.SILENCE
        if spent > SLOW_GRACE and self.data_octets < SLOW_RATE * spent:
            return Overdue.SILENCE
        return None

    # ---- inside ---------------------------------------------------------------------------

    async def _readable(self, waiting: Waiting) -> None:
        self.flush()
        if self._verdict is not None:
            raise Expired(self._verdict)
        if self.is_gone:
            raise Gone
        if self._stalled_since:
            await self._writable()
            # Whatever ended the wait, it may also have ended the session.
            return
        if self._paused_reading and self.transport is not None:
            self._paused_reading = False
            self.transport.resume_reading()
        self.waiting = waiting
        self._waiter = self.loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None
            self.waiting = Waiting.NOTHING
            self._awake_since = self.loop.time()
        if self._verdict is not None:
            raise Expired(self._verdict)
        # Not `Gone` yet: what came before the customer left is still judged; a final dot counts.

    async def _writable(self) -> None:
        """Write what is queued, and wait while the customer does not read."""
        self.flush()
        if self._stalled_since and not self.is_gone:
            self._writer_waiter = self.loop.create_future()
            await self._writer_waiter
            self._writer_waiter = None

    def _pause_reading(self) -> None:
        if self.transport is not None and not self.is_gone:
            self._paused_reading = True
            self.transport.pause_reading()

    def _wake(self) -> None:
        for waiter in (self._waiter, self._writer_waiter):
            if waiter is not None and not waiter.done():
                waiter.set_result(None)


def peer_of(transport: asyncio.BaseTransport) -> str:
    """The peer's address as text; "" when the transport has none."""
    peer = transport.get_extra_info("peername")
    return str(peer[0]) if isinstance(peer, tuple) and peer else ""

"""One TCP connection to a next hop: opening it (TLS, EHLO, AUTH) and exchanging commands on it.

The asyncio shell around `engine.Engine`. One exchange runs at a time; it never raises for what the
next hop does: it gives the replies that came, and when those are fewer than asked for, `ending`
says why the connection is over. Deadlines are a number that the pool's sweep compares with the
clock, so an exchange costs no timer. A connection never comes back from an ending.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from ssl import SSLContext
from time import monotonic
from typing import cast

from gateway.framing import dot_stuff
from gateway.relay.engine import Engine, Garbled, Offers, Place, auth_plain, auth_text
from gateway.relay.outcome import HopReply, Trouble
from gateway.relay.settings import NextHopSettings, Tls

WRITE_BUFFER = 262_144
"""Octets that wait for a slow next hop before the message's next block is held back."""
SLICE = 131_072
"""Octets of a message handed to the transport at once."""
MAX_RESETS = 50
"""RSETs without a delivery between; Postfix counts them as junk and slows down after 100."""

Command = tuple[bytes, Place]


class End(Enum):
    """Why a connection is over."""

    LOST = "connection lost"
    FAREWELL = "the next hop closed with 421"
    SILENT = "no answer in time"
    GARBLED = "garbled answer"
    DROPPED = "dropped by the gateway"


@dataclass(frozen=True, slots=True)
class Ending:
    """The end of a connection."""

    end: End
    detail: str = ""

    @property
    def may_replay(self) -> bool:
        """True when the same commands may fare better on another connection."""
        return self.end in (End.LOST, End.FAREWELL)

    def __str__(self) -> str:
        return f"{self.end.value}: {self.detail}" if self.detail else self.end.value


class Unusable(Exception):
    """A connection could not be opened; `trouble` says whether the next hop refuses us."""

    def __init__(self, trouble: Trouble, text: str) -> None:
        super().__init__(text)
        self.trouble = trouble
        self.text = text


class Connection(asyncio.Protocol):
    """One connection to `settings`. `on_end` is called once, when it is over for any reason.

    `refusals`, `messages` and `resets` count what its retirement depends on; `is_dirty` says that
    a transaction is open on it, which a RSET must end before another begins.
    """

    def __init__(self, settings: NextHopSettings, on_end: Callable[[Connection], None]) -> None:
        self.settings = settings
        self.ending: Ending | None = None
        self.deadline = math.inf
        self.refusals = 0
        self.messages = 0
        self.resets = 0
        self.is_dirty = False
        self.is_encrypted = False
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._engine = Engine((settings.host, settings.server_name))
        self._transport: asyncio.Transport | None = None
        self._replies: list[HopReply] = []
        self._wanted = 0
        self._waiter: asyncio.Future[list[HopReply]] | None = None
        self._is_paused = False
        self._writable: asyncio.Future[None] | None = None

    def __repr__(self) -> str:
        state = str(self.ending) if self.ending else f"{self.messages} messages"
        return f"<Connection {self.settings.name} {state}, {self.refusals} refusals>"

    @property
    def offers(self) -> Offers:
        """What the next hop's EHLO announced."""
        return self._engine.offers

    @property
    def room(self) -> int:
        """Refused commands this connection may still collect."""
        return self.settings.refusals_per_connection - self.refusals

    @property
    def is_spent(self) -> bool:
        """True when no further transaction should begin on it."""
        return (
            self.room <= 0
            or self.messages >= self.settings.messages_per_connection
            or self.resets >= MAX_RESETS
        )

    # ---- opening ------------------------------------------------------------------------------

    async def open(self, context: SSLContext | None) -> None:
        """Connect, start TLS, say EHLO and sign in; raises `Unusable`."""
        settings, times = self.settings, self.settings.timeouts
        is_implicit = settings.implicit_tls and context is not None
        greeted = self._begin((Place.GREETING,), math.inf)
        try:
            async with asyncio.timeout(times.connect):
                await self._loop.create_connection(
                    lambda: self,
                    settings.host,
                    settings.port,
                    ssl=context if is_implicit else None,
                    server_hostname=self._tls_name if is_implicit else None,
                )
        except OSError as error:  # TimeoutError and every TLS error are OSErrors
            raise Unusable(Trouble.AWAY, f"connect: {error or type(error).__name__}") from error
        self.is_encrypted = is_implicit
        if not greeted.done():
            self.deadline = monotonic() + times.greeting
        greeting = self._one(await greeted)
        if not greeting.is_positive:
            raise _refused("greeting", greeting)
        await self._greet()
        if context is not None and not self.is_encrypted:
            await self._start_tls(context)
        if settings.username:
            await self._sign_in()

    @property
    def _tls_name(self) -> str:
        return self.settings.server_name or self.settings.host

    async def _ask(self, command: bytes, place: Place) -> HopReply:
        return self._one(await self.exchange(((command, place),), self.settings.timeouts.command))

    def _one(self, replies: list[HopReply]) -> HopReply:
        if replies:
            return replies[0]
        farewell = self._engine.farewell
        raise Unusable(Trouble.AWAY, str(farewell.text if farewell else self.ending))

    async def _greet(self) -> None:
        name = self.settings.hostname.encode()
        reply = await self._ask(b"EHLO " + name + b"\r\n", Place.EHLO)
        if reply.code in (500, 502):  # a server from before RFC 1869
            reply = await self._ask(b"HELO " + name + b"\r\n", Place.HELO)
        if not reply.is_positive:
            raise _refused("EHLO", reply)

    async def _start_tls(self, context: SSLContext) -> None:
        must = self.settings.tls is Tls.VERIFY
        if not self.offers.starttls:
            if must:
                raise Unusable(Trouble.AWAY, "STARTTLS is not offered")
            return
        reply = await self._ask(b"STARTTLS\r\n", Place.STARTTLS)
        if not reply.is_positive:
            if must:
                raise _refused("STARTTLS", reply)
            return
        # Octets behind the 220 would be read as replies inside TLS: the engine has ended the
        # connection when there were any, and what still comes breaks the handshake.
        if self.ending is not None:
            raise Unusable(Trouble.AWAY, str(self.ending))
        transport = cast(asyncio.Transport, self._transport)
        try:
            upgraded = await self._loop.start_tls(
                transport,
                self,
                context,
                server_hostname=self._tls_name,
                ssl_handshake_timeout=self.settings.timeouts.connect,
            )
        except OSError as error:
            raise Unusable(Trouble.AWAY, f"TLS: {error or type(error).__name__}") from error
        if upgraded is None or self.ending is not None:
            raise Unusable(Trouble.AWAY, f"TLS: {self.ending or End.LOST.value}")
        self._adopt(upgraded)
        self.is_encrypted = True
        self._engine = Engine((self.settings.host, self.settings.server_name))
        await self._greet()

    async def _sign_in(self) -> None:
        settings = self.settings
        if not self.is_encrypted and settings.tls is not Tls.NONE:
            raise Unusable(
                Trouble.AWAY, "TLS is not offered, and the password will not go in clear"
            )
        if "PLAIN" in self.offers.auth:
            reply = await self._ask(auth_plain(settings.username, settings.password), Place.AUTH)
        elif "LOGIN" in self.offers.auth:
            reply = await self._ask(b"AUTH LOGIN\r\n", Place.AUTH)
            for text in (settings.username, settings.password):
                if reply.code == 334:
                    reply = await self._ask(auth_text(text), Place.AUTH)
        else:
            raise Unusable(Trouble.REFUSES_US, "neither AUTH PLAIN nor AUTH LOGIN is offered")
        if reply.code != 235:
            raise _refused("AUTH", reply)

    # ---- exchanging ---------------------------------------------------------------------------

    def exchange(
        self, commands: Sequence[Command], seconds: float
    ) -> asyncio.Future[list[HopReply]]:
        """Write all `commands` at once; their replies, fewer when the connection ends before."""
        replies = self._begin([place for _, place in commands], monotonic() + seconds)
        self.write(b"".join([octets for octets, _ in commands]))
        return replies

    async def converse(self, commands: Sequence[Command], seconds: float) -> list[HopReply]:
        """`exchange` with a next hop that may lack PIPELINING: then one command at a time.

        Stops behind a refused MAIL, whose reply is the last one given.
        """
        if self.offers.pipelining or len(commands) == 1:
            return await self.exchange(commands, seconds)
        replies: list[HopReply] = []
        for command in commands:
            got = await self.exchange((command,), seconds)
            replies += got
            if not got or (command[1] is Place.MAIL and not got[0].is_positive):
                break
        return replies

    def submit(
        self, command: Command, seconds: float, then: Callable[[list[HopReply]], None]
    ) -> None:
        """One exchange nobody waits for; `then` is called with its replies."""
        self.exchange((command,), seconds).add_done_callback(lambda done: then(done.result()))

    def answer_later(self, then: Callable[[list[HopReply]], None]) -> None:
        """Give the running exchange's replies to `then` instead of a waiter that has left."""
        self._waiter = self._loop.create_future()
        self._waiter.add_done_callback(lambda done: then(done.result()))
        self._settle()

    def write(self, data: bytes) -> None:
        """Hand octets to the transport; nothing happens on a connection that has ended."""
        if self.ending is None and self._transport is not None:
            self._transport.write(data)

    async def drain(self, seconds: float) -> None:
        """Wait until a slow next hop has read enough for more to be written, or it has ended."""
        if self._is_paused and self.ending is None:
            self.deadline = monotonic() + seconds
            self._writable = self._loop.create_future()
            await self._writable
            self.deadline = math.inf

    async def write_message(self, header: bytes, body: Sequence[bytes], seconds: float) -> bytes:
        """Write all of a message but its last slice, which is given back with the dot behind it.

        `body` is line-aligned blocks; the next hop may take `seconds` to read each slice. Ends
        early, with nothing to write, when the connection does.
        """
        pending = [dot_stuff(header)]
        size = len(pending[0])
        for block in body:
            if size + len(block) > SLICE:
                self.write(b"".join(pending))
                pending.clear()
                size = 0
                await self.drain(seconds)
                if self.ending is not None:
                    return b""
            pending.append(dot_stuff(block))
            size += len(block)
        pending.append(b".\r\n")
        return b"".join(pending)

    def expect_dot(self, seconds: float) -> asyncio.Future[list[HopReply]]:
        """The reply to the final dot, whose octets the caller is about to write itself.

        Should the waiter be cancelled, `answer_later` still gets the reply.
        """
        return self._begin((Place.DOT,), monotonic() + seconds)

    def _begin(self, places: Sequence[Place], deadline: float) -> asyncio.Future[list[HopReply]]:
        self._replies = []
        self._wanted = len(places)
        self._engine.expect(places)
        self.deadline = deadline
        self._waiter = waiter = self._loop.create_future()
        if self.ending is not None:
            self._settle()
        return waiter

    def _settle(self) -> None:
        if len(self._replies) >= self._wanted or self.ending is not None:
            self.deadline = math.inf
            if self._waiter is not None and not self._waiter.done():
                self._waiter.set_result(self._replies)

    # ---- ending -------------------------------------------------------------------------------

    def end(self, end: End, detail: str = "") -> None:
        """End it now, without a word to the next hop. Further calls do nothing."""
        if self.ending is not None:
            return
        self.ending = Ending(end, detail)
        if self._transport is not None:
            self._transport.abort()
        self._settle()
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)
        self._on_end(self)

    def quit(self) -> None:
        """Take leave with QUIT; it ends when the next hop has answered, or at its deadline."""
        self.submit((b"QUIT\r\n", Place.QUIT), 5.0, lambda _: self.end(End.DROPPED, "QUIT"))

    # ---- asyncio.Protocol -----------------------------------------------------------------------

    def _adopt(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=WRITE_BUFFER)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""
        self._adopt(transport)
        if self.ending is not None:
            self._transport.abort()  # type: ignore[union-attr]

    def data_received(self, data: bytes) -> None:
        """Called by the loop; replies that complete the exchange wake its waiter."""
        if self.ending is not None:
            return
        try:
            self._replies += self._engine.receive(data)
        except Garbled as error:
            self._replies = []
            self.end(End.GARBLED, str(error))
            return
        if self._engine.farewell is not None:
            self.end(End.FAREWELL, self._engine.farewell.text)
        else:
            self._settle()

    def pause_writing(self) -> None:
        """Called by the loop when the next hop does not read as fast as we write."""
        self._is_paused = True

    def resume_writing(self) -> None:
        """Called by the loop when it has caught up."""
        self._is_paused = False
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the loop."""
        self.end(End.LOST, str(exc) if exc else "")


def _refused(what: str, reply: HopReply) -> Unusable:
    trouble = Trouble.REFUSES_US if reply.code >= 500 else Trouble.AWAY
    return Unusable(trouble, f"{what}: {reply.code} {reply.enhanced} {reply.text}".strip())

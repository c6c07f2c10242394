"""Slow clients of five kinds, in a process of their own, and when each was dismissed.

`SlowClients(plan)` is a context manager: entered, all are connected and have begun to be slow;
`dismissed` gives, by kind, after how many seconds each of those who are gone was sent away. All
but the half handshakes speak on the listener without TLS; those that send message data sign in.
"""

from __future__ import annotations

import asyncio
import base64
import multiprocessing
import socket
import ssl
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from types import TracebackType

import uvloop

from tests.e2e.gateway import PASSWORD
from tests.e2e.ports import LOOPBACK

COMMAND, DATA, HANDSHAKE, DEAF, SILENT = KINDS = (
    "an octet a second in a command",
    "an octet a second in a message",
    "half a TLS handshake",
    "never reads its replies",
    "connected and silent",
)


@dataclass(frozen=True, slots=True)
class Plan:
    """`each` clients of every kind; `login` may open as many batches."""

    smtp: int
    smtps: int
    login: str
    each: int


class SlowClients:
    """The process."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        context = multiprocessing.get_context("spawn")
        self._here, there = context.Pipe()
        self._process = context.Process(target=_main, args=(plan, there), daemon=True)

    def __enter__(self) -> SlowClients:
        self._process.start()
        self._here.recv()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.join()

    def dismissed(self) -> dict[str, list[float]]:
        """Seconds from being slow to being sent away, of those who are gone."""
        self._here.send("report")
        found = self._here.recv()
        assert isinstance(found, dict)
        return found


class _Crowd:
    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.gone: dict[str, list[float]] = {kind: [] for kind in KINDS}
        self.begun = asyncio.Semaphore(0)
        self._began: dict[int, float] = {}
        self._loop = asyncio.get_running_loop()

    async def be(
        self, kind: str, act: Callable[[socket.socket], Coroutine[None, None, None]], port: int
    ) -> None:
        """One client of `kind` until it is sent away."""
        with socket.socket() as own:
            if kind == DEAF:  # buffers as small as they get, or megabytes fit into the kernel's
                own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                own.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
            own.setblocking(False)
            await self._loop.sock_connect(own, (LOOPBACK, port))
            with suppress(OSError):
                await act(own)
            self.gone[kind].append(round(self._loop.time() - self._began[own.fileno()], 1))

    async def command(self, own: socket.socket) -> None:
        """EHLO with a name that never ends."""
        await self._loop.sock_sendall(own, b"EHLO ")
        self._begin(own)
        await self._trickle(own)

    async def data(self, own: socket.socket) -> None:
        """A message that never ends."""
        await self._sign_in(own)
        sender = f"news@{self.plan.login}.test"
        envelope = f"MAIL FROM:<{sender}>\r\nRCPT TO:<anna@inbox.test>\r\nDATA\r\n"
        await self._say(own, envelope.encode(), b"354")
        self._begin(own)
        await self._trickle(own)

    async def handshake(self, own: socket.socket) -> None:
        """The first half of a ClientHello."""
        outgoing = ssl.MemoryBIO()
        context = ssl.create_default_context()
        half = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost")
        with suppress(ssl.SSLWantReadError):
            half.do_handshake()
        hello = outgoing.read()
        await self._loop.sock_sendall(own, hello[: len(hello) // 2])
        self._begin(own)
        await self._until_closed(own)

    async def deaf(self, own: socket.socket) -> None:
        """Commands with long replies, more of them than fit anywhere."""
        await self._sign_in(own)
        mail = f"MAIL FROM:<news@{self.plan.login}.test>\r\n".encode()
        # A MAIL in between, because only so many commands may come that bring no mail nearer.
        await self._loop.sock_sendall(own, (mail + b"EHLO slow.test\r\n" * 99) * 20)
        self._begin(own)
        # No octet is read: that the other side is gone shows when something is sent.
        while True:
            await asyncio.sleep(1.0)
            await self._loop.sock_sendall(own, b"NOOP\r\n")

    async def silent(self, own: socket.socket) -> None:
        """Nothing."""
        self._begin(own)
        await self._until_closed(own)

    def _begin(self, own: socket.socket) -> None:
        """From here on it is slow, and its deadline runs."""
        self._began[own.fileno()] = self._loop.time()
        self.begun.release()

    async def _sign_in(self, own: socket.socket) -> None:
        secret = base64.b64encode(f"\0{self.plan.login}\0{PASSWORD}".encode())
        await self._say(own, b"EHLO slow.test\r\nAUTH PLAIN " + secret + b"\r\n", b"235")

    async def _say(self, own: socket.socket, octets: bytes, until: bytes) -> None:
        await self._loop.sock_sendall(own, octets)
        heard = b""
        while until not in heard:
            block = await self._loop.sock_recv(own, 65_536)
            if not block:
                raise ConnectionError(heard)
            heard += block

    async def _trickle(self, own: socket.socket) -> None:
        closed = self._loop.create_task(self._until_closed(own))
        while not closed.done():
            await asyncio.wait((closed,), timeout=1.0)
            if not closed.done():
                await self._loop.sock_sendall(own, b"x")

    async def _until_closed(self, own: socket.socket) -> None:
        with suppress(ConnectionError):
            while await self._loop.sock_recv(own, 65_536):
                pass


def _main(plan: Plan, pipe: Connection) -> None:
    uvloop.run(_serve(plan, pipe))


async def _serve(plan: Plan, pipe: Connection) -> None:
    crowd = _Crowd(plan)
    acts = {
        COMMAND: (crowd.command, plan.smtp),
        DATA: (crowd.data, plan.smtp),
        HANDSHAKE: (crowd.handshake, plan.smtps),
        DEAF: (crowd.deaf, plan.smtp),
        SILENT: (crowd.silent, plan.smtp),
    }
    clients = [
        asyncio.create_task(crowd.be(kind, *how))
        for kind, how in acts.items()
        for _ in range(plan.each)
    ]
    for _ in clients:
        await crowd.begun.acquire()
    pipe.send("begun")
    while True:
        await asyncio.to_thread(pipe.recv)
        pipe.send(crowd.gone)

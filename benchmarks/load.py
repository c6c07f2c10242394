"""A load generator: SMTP sessions that send one message after another.

A process of its own, so that it runs on another core than what it measures. It opens its sessions,
then reads a number of seconds a line on standard input, sends for that long and prints one JSON
line: messages, seconds, latencies in milliseconds, and the first reply that was not positive, if
any, which ends the run. Every message and every recipient is another one.

By default connections are kept open and MAIL, RCPT and DATA go out in one write (RFC 2920); the
latency is MAIL to the reply to the final dot. With `--fresh` each message has a connection of its
own with TLS, AUTH and one command at a time, as PHP programs send; the latency is the whole of it.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import ssl
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import cast

import uvloop

HOST = "127.0.0.1"
READERS = 10_000_000
"""Recipients in turn, reader0@inbox.test and so on."""


@dataclass(slots=True)
class Run:
    """One run, shared by all sessions."""

    until: float
    finished: asyncio.Event = field(default_factory=asyncio.Event)
    active: int = 0
    latencies: list[float] = field(default_factory=list)
    refusal: str = ""

    def fail(self, text: str) -> None:
        """End the run over `text`."""
        self.refusal = self.refusal or text
        self.finished.set()

    def leave(self) -> None:
        """A session has sent its last message."""
        self.active -= 1
        if self.active == 0:
            self.finished.set()


@dataclass(frozen=True, slots=True)
class Sender:
    """Whom a session sends for: its AUTH command ("" for none) and its messages in two halves."""

    auth: bytes
    domain: bytes
    head: bytes
    tail: bytes
    ids: Iterator[int]

    def envelope(self, number: int) -> list[bytes]:
        """MAIL, RCPT and DATA of message `number`."""
        size = len(self.head) + 12 + len(self.tail) - 3
        return [
            b"MAIL FROM:<news@%b> SIZE=%d\r\n" % (self.domain, size),
            b"RCPT TO:<reader%d@inbox.test>\r\n" % (number % READERS),
            b"DATA\r\n",
        ]

    def message(self, number: int) -> bytes:
        """Message `number` with its final dot."""
        return b"%b%012d%b" % (self.head, number, self.tail)


class Session(asyncio.Protocol):
    """One connection that answers replies; what it does is its subclasses'."""

    def __init__(self, sender: Sender) -> None:
        self.sender = sender
        self.run: Run | None = None
        self._buffer = b""
        self._expected = [b"220"]
        self._next: Callable[[], None] = self.greet

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.WriteTransport, transport)

    def data_received(self, data: bytes) -> None:
        *lines, self._buffer = (self._buffer + data).split(b"\r\n")
        for line in lines:
            if line[3:4] == b"-":
                continue
            if not self._expected or not line.startswith(self._expected[0]):
                self.fail(line.decode(errors="replace"))
                return
            del self._expected[0]
            if not self._expected:
                self._next()

    def say(self, octets: bytes, expected: list[bytes], following: Callable[[], None]) -> None:
        """Write, and go on with `following` once all `expected` replies are in."""
        self._expected, self._next = expected, following
        self.transport.write(octets)

    def greet(self) -> None:
        """EHLO, then AUTH where the sender has a login."""
        self.say(b"EHLO load.test\r\n", [b"250"], self._sign_in)

    def _sign_in(self) -> None:
        if self.sender.auth:
            self.say(self.sender.auth, [b"235"], self.ready)
        else:
            self.ready()

    def ready(self) -> None:
        """Signed in."""
        raise NotImplementedError

    def fail(self, text: str) -> None:
        """A reply that was not expected, or none."""
        if self.run is not None:
            self.run.fail(text)


class Kept(Session):
    """Stays connected over all runs."""

    def __init__(self, sender: Sender) -> None:
        super().__init__(sender)
        self.signed_in: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._number = 0
        self._began = 0.0

    def ready(self) -> None:
        self.signed_in.set_result(None)

    def fail(self, text: str) -> None:
        if not self.signed_in.done():
            self.signed_in.set_exception(RuntimeError(text))
        super().fail(text)

    def connection_lost(self, error: Exception | None) -> None:
        self.fail("the connection was closed")

    def start(self, run: Run) -> None:
        """Take part in `run`."""
        self.run = run
        self._envelope()

    def _envelope(self) -> None:
        self._began = time.perf_counter()
        assert self.run is not None
        if self._began >= self.run.until:
            self.run.leave()
            self.run = None
            return
        self._number = next(self.sender.ids)
        envelope = b"".join(self.sender.envelope(self._number))
        self.say(envelope, [b"250", b"250", b"354"], self._message)

    def _message(self) -> None:
        self.say(self.sender.message(self._number), [b"250"], self._taken)

    def _taken(self) -> None:
        assert self.run is not None
        self.run.latencies.append(time.perf_counter() - self._began)
        self._envelope()


class Fresh(Session):
    """Lives for one message, a command at a time."""

    def __init__(self, sender: Sender, run: Run) -> None:
        super().__init__(sender)
        self.run = run
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._began = time.perf_counter()
        self._number = next(sender.ids)
        self._commands = sender.envelope(self._number)

    def ready(self) -> None:
        code = b"25" if len(self._commands) > 1 else b"354"
        following = self.ready if len(self._commands) > 1 else self._message
        self.say(self._commands.pop(0), [code], following)

    def _message(self) -> None:
        self.say(self.sender.message(self._number), [b"250"], self._taken)

    def _taken(self) -> None:
        assert self.run is not None
        self.run.latencies.append(time.perf_counter() - self._began)
        self.say(b"QUIT\r\n", [b"221"], self.transport.close)
        self.run = None

    def connection_lost(self, error: Exception | None) -> None:
        self.fail("the connection was closed")
        self.gone.set_result(None)


def new_sender(domain: str, login: str, size: int, ids: Iterator[int]) -> Sender:
    """A sender of messages of `size` octets; `login` is `name:password` or ""."""
    head = (
        f"From: News <news@{domain}>\r\n"
        "To: <reader@inbox.test>\r\n"
        "Subject: A message of the benchmark\r\n"
        "Date: Thu, 20 Nov 2025 10:00:00 +0100\r\n"
        "MIME-Version: 1.0\r\n"
        "Content-Type: text/plain; charset=utf-8\r\n"
        f"Message-ID: <{domain}."
    ).encode()
    tail = f"@{domain}>\r\n\r\n".encode()
    line = b"The quick brown fox jumps over the lazy dog, and again, 0123456789 times.\r\n"
    room = size - len(head) - 12 - len(tail) - 2
    body = (line * (room // len(line) + 1))[:room].rstrip(b"\r\n").ljust(room, b".")
    secret = base64.b64encode(f"\0{login}".replace(":", "\0").encode())
    auth = b"AUTH PLAIN %b\r\n" % secret if login else b""
    return Sender(auth, domain.encode(), head, tail + body + b"\r\n.\r\n", ids)


async def keep_connected(port: int, senders: list[Sender]) -> Callable[[Run], None]:
    """Open a session for each sender; gives what starts them all."""
    loop = asyncio.get_running_loop()
    sessions = []
    for sender in senders:
        _, session = await loop.create_connection(partial(Kept, sender), HOST, port)
        await session.signed_in
        sessions.append(session)

    def start(run: Run) -> None:
        for session in sessions:
            session.start(run)

    return start


async def connect_anew(port: int, senders: list[Sender]) -> Callable[[Run], None]:
    """Gives what starts a line of connections for each sender, one after another."""
    loop = asyncio.get_running_loop()
    # Only the server is measured: checking its certificate would load the other core.
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    lines: set[asyncio.Task[None]] = set()

    async def line(sender: Sender, run: Run) -> None:
        while time.perf_counter() < run.until and not run.refusal:
            session = Fresh(sender, run)
            await loop.create_connection(lambda: session, HOST, port, ssl=context)  # noqa: B023
            await session.gone
        run.leave()

    def start(run: Run) -> None:
        lines.clear()
        lines.update(loop.create_task(line(sender, run)) for sender in senders)

    return start


def figures(seconds: float, run: Run) -> str:
    """A run's line of JSON."""
    cuts = statistics.quantiles(run.latencies, n=100) if len(run.latencies) > 1 else [0.0] * 99
    return json.dumps(
        {
            "messages": len(run.latencies),
            "seconds": seconds,
            "p50": cuts[49] * 1000,
            "p99": cuts[98] * 1000,
            "refusal": run.refusal,
        }
    )


async def main() -> None:
    """Make one run for each number on standard input."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--sessions", type=int, default=20)
    parser.add_argument("--size", type=int, default=4096, help="octets of one message")
    parser.add_argument("--fresh", action="store_true", help="a TLS connection for each message")
    parser.add_argument("--domains", nargs="+", required=True, help="session i sends for domain i")
    parser.add_argument("--logins", nargs="*", default=[], help="login:password of each domain")
    options = parser.parse_args()

    ids = count()
    senders = []
    for index in range(options.sessions):
        which = index % len(options.domains)
        login = options.logins[which] if options.logins else ""
        senders.append(new_sender(options.domains[which], login, options.size, ids))
    start = await (connect_anew if options.fresh else keep_connected)(options.port, senders)
    print("ready", flush=True)
    for line in iter(sys.stdin.readline, ""):
        began = time.perf_counter()
        run = Run(began + float(line), active=len(senders))
        start(run)
        await run.finished.wait()
        print(figures(time.perf_counter() - began, run), flush=True)


if __name__ == "__main__":
    uvloop.run(main())

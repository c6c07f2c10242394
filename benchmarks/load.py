"""A load generator: many SMTP sessions kept open, each sending one message after another.

A process of its own, so that it can be put on another core than what it measures. It signs in,
then reads one number a line on standard input, sends that many messages over all its sessions
together, and prints one JSON line: seconds, latencies in milliseconds (MAIL to the reply to the
final dot), and the first reply that was not positive, if any, which ends the run. Each message is
unique. MAIL, RCPT and DATA go out in one write (RFC 2920).
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count

import uvloop

HOST = "127.0.0.1"
READERS = 1000
"""Recipients in turn, reader0@inbox.test and so on."""


@dataclass(slots=True)
class Run:
    """One run, shared by all sessions: what is left to send, and what was measured."""

    left: int
    finished: asyncio.Event
    active: int = 0
    latencies: list[float] = field(default_factory=list)
    refusal: str = ""


class Session(asyncio.Protocol):
    """One SMTP session of one customer."""

    def __init__(self, domain: str, login: str, size: int, ids: Iterator[int]) -> None:
        self.signed_in = asyncio.get_running_loop().create_future()
        self._domain = domain
        self._login = login
        self._head, self._tail = _message(domain, size)
        self._ids = ids
        self._buffer = b""
        self._expected = [b"220"]
        self._after = self._greet
        self._run: Run | None = None
        self._number = 0
        self._began = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def connection_lost(self, error: Exception | None) -> None:
        self._fail("the connection was closed")

    def data_received(self, data: bytes) -> None:
        *lines, self._buffer = (self._buffer + data).split(b"\r\n")
        for line in lines:
            if line[3:4] == b"-":
                continue
            if not self._expected or not line.startswith(self._expected[0]):
                self._fail(line.decode(errors="replace"))
                return
            del self._expected[0]
            if not self._expected:
                self._after()

    def start(self, run: Run) -> None:
        """Take part in `run`."""
        self._run = run
        run.active += 1
        self._envelope()

    def _fail(self, text: str) -> None:
        if not self.signed_in.done():
            self.signed_in.set_exception(RuntimeError(text))
        elif self._run is not None:
            self._run.refusal = self._run.refusal or text
            self._run.finished.set()

    def _write(self, octets: bytes, expected: list[bytes], after: object) -> None:
        self._expected, self._after = expected, after
        self._transport.write(octets)

    def _greet(self) -> None:
        self._write(b"EHLO load.test\r\n", [b"250"], self._sign_in)

    def _sign_in(self) -> None:
        if not self._login:
            self.signed_in.set_result(None)
            return
        secret = base64.b64encode(f"\0{self._login}".replace(":", "\0").encode())
        self._write(b"AUTH PLAIN " + secret + b"\r\n", [b"235"], self._ready)

    def _ready(self) -> None:
        self.signed_in.set_result(None)

    def _envelope(self) -> None:
        run = self._run
        if run.left == 0:
            self._run = None
            run.active -= 1
            if run.active == 0:
                run.finished.set()
            return
        run.left -= 1
        self._number = next(self._ids)
        self._began = time.perf_counter()
        self._write(
            b"MAIL FROM:<news@%b> SIZE=%d\r\nRCPT TO:<reader%d@inbox.test>\r\nDATA\r\n"
            % (
                self._domain.encode(),
                len(self._head) + len(self._tail) + 12,
                self._number % READERS,
            ),
            [b"250", b"250", b"354"],
            self._message,
        )

    def _message(self) -> None:
        self._write(b"%b%012d%b" % (self._head, self._number, self._tail), [b"250"], self._taken)

    def _taken(self) -> None:
        self._run.latencies.append(time.perf_counter() - self._began)
        self._envelope()


def _message(domain: str, size: int) -> tuple[bytes, bytes]:
    """What stands before and after the message's number; `size` octets with it."""
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
    room = size - len(head) - 12 - len(tail)
    body = (line * (room // len(line) + 1))[: max(room - 2, 0)].rstrip(b"\r\n")
    return head, tail + body + b"\r\n.\r\n"


def _figures(seconds: float, run: Run) -> str:
    cuts = statistics.quantiles(run.latencies or [0.0, 0.0], n=100)
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
    """Open the sessions, then make one run for each number on standard input."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--sessions", type=int, default=20)
    parser.add_argument("--size", type=int, default=4096, help="octets of one message")
    parser.add_argument("--domains", nargs="+", required=True, help="session i sends for domain i")
    parser.add_argument("--logins", nargs="*", default=[], help="login:password of each domain")
    options = parser.parse_args()

    loop = asyncio.get_running_loop()
    ids = count()
    sessions = []
    for index in range(options.sessions):
        which = index % len(options.domains)
        login = options.logins[which] if options.logins else ""
        session = Session(options.domains[which], login, options.size, ids)
        await loop.create_connection(lambda session=session: session, HOST, options.port)
        await session.signed_in
        sessions.append(session)
    for line in iter(sys.stdin.readline, ""):
        run = Run(int(line), asyncio.Event())
        began = time.perf_counter()
        for session in sessions:
            session.start(run)
        await run.finished.wait()
        print(_figures(time.perf_counter() - began, run), flush=True)


if __name__ == "__main__":
    uvloop.run(main())

"""A steady stream of customers and visitors for campaigns, in a process of its own.

`Traffic(plan)` is a context manager: it starts the process, `report` gives what has happened since
it was last asked, leaving waits until all that was sent is answered. Customers of `plan.steady`
keep one session each and share `plan.rate`; those of `plan.callers` connect anew for each message,
with TLS and AUTH; visitors look at unsubscribe pages and unsubscribe, and the address must be
refused from then on. A reply that nobody expected is counted by its text, as is a broken session.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import multiprocessing
import ssl
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType

import uvloop

from gateway.message.address import parse_mailbox
from suppression.keys import Keyring
from suppression.tokens import Purpose, Tokens
from tests.e2e.certificates import HOST
from tests.e2e.gateway import PASSWORD
from tests.e2e.ports import LOOPBACK

READERS = 20_000
"""Recipients in turn, reader0@inbox.test and so on."""
PATIENCE = 60.0
"""Seconds a reply or a page may take."""
LINE = b"The quick brown fox jumps over the lazy dog, and again, 0123456789 times.\r\n"


@dataclass(frozen=True, slots=True)
class Plan:
    """Who sends what. Rates are per second, of all together; `rate` 0 is as fast as it goes."""

    smtp: int
    steady: tuple[str, ...]
    rate: float
    size: int = 4096
    smtps: int = 0
    authority: Path | None = None
    callers: tuple[str, ...] = ()
    call_rate: float = 0.0
    web: int = 0
    view_rate: float = 0.0
    leave_rate: float = 0.0
    keyring: Path | None = None
    lists: Mapping[str, int] = field(default_factory=dict)
    """The number of each customer's list stream, whose sender is weekly@."""


@dataclass(slots=True)
class Tally:
    """What has happened; latencies in seconds, from MAIL to the reply to the dot."""

    taken: int = 0
    copies: int = 0
    refused: int = 0
    """Unsubscribed recipients who were refused, as they must be."""
    calls: int = 0
    views: int = 0
    left: int = 0
    unexpected: Counter[str] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        """Count what `other` has, too."""
        for name in ("taken", "copies", "refused", "calls", "views", "left"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.unexpected += other.unexpected
        self.latencies += other.latencies


class Traffic:
    """The process; sends from `__enter__` to `__exit__`. `total` is what was reported so far."""

    def __init__(self, plan: Plan) -> None:
        self.total = Tally()
        context = multiprocessing.get_context("spawn")
        self._here, there = context.Pipe()
        self._process = context.Process(target=_main, args=(plan, there), daemon=True)

    def __enter__(self) -> Traffic:
        self._process.start()
        self._receive()  # every customer has signed in
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._here.send("stop")
        self.total.add(self._receive())
        self._process.join(PATIENCE)

    def report(self) -> Tally:
        """What has happened since the last report."""
        self._here.send("report")
        tally = self._receive()
        counts = Tally()
        counts.add(tally)
        counts.latencies = []  # an hour of them is for nobody
        self.total.add(counts)
        return tally

    def _receive(self) -> Tally:
        if not self._here.poll(2 * PATIENCE):
            raise TimeoutError("the traffic does not answer")
        tally = self._here.recv()
        assert isinstance(tally, Tally)
        return tally


class Talk:
    """One SMTP session; raises ConnectionError and TimeoutError."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, port: int, name: str, tls: ssl.SSLContext | None = None) -> Talk:
        """Connect and sign in as `name`."""
        host = HOST if tls else None
        talk = cls(*await asyncio.open_connection(LOOPBACK, port, ssl=tls, server_hostname=host))
        await talk.answers(1)
        await talk.say(b"EHLO client.test\r\n", 1)
        secret = base64.b64encode(f"\0{name}\0{PASSWORD}".encode())
        (answer,) = await talk.say(b"AUTH PLAIN " + secret + b"\r\n", 1)
        if not answer.startswith("235"):
            raise ConnectionError(answer)
        return talk

    async def say(self, octets: bytes, count: int) -> list[str]:
        """Send octets and give the `count` replies to them, each with all its lines."""
        self._writer.write(octets)
        return await self.answers(count)

    async def answers(self, count: int) -> list[str]:
        """The next replies."""
        found: list[str] = []
        text = ""
        async with asyncio.timeout(PATIENCE):
            while len(found) < count:
                line = await self._reader.readline()
                if not line.endswith(b"\r\n"):
                    raise ConnectionError(f"closed after {text!r}")
                text += line.decode()
                if line[3:4] != b"-":
                    found.append(text.rstrip())
                    text = ""
        return found

    async def close(self) -> None:
        """QUIT and leave."""
        await self.say(b"QUIT\r\n", 1)
        self._writer.close()


class _Mail:
    """Messages of one customer, each different; every fourth goes to the list."""

    def __init__(self, name: str, plan: Plan, ids: Iterator[int]) -> None:
        self._name = name
        self._ids = ids
        self._has_list = name in plan.lists
        self._text = LINE * (plan.size // len(LINE) - 5)

    def next(self) -> tuple[bytes, int, bytes]:
        """The commands up to DATA, how many recipients they name, and the message."""
        number = next(self._ids)
        is_list = self._has_list and number % 4 == 0
        count = 3 if is_list and number % 40 == 0 else 1
        sender = f"{'weekly' if is_list else 'news'}@{self._name}.test"
        recipients = [f"reader{(number + n) % READERS}@inbox.test" for n in range(count)]
        lines = [f"MAIL FROM:<{sender}>", *(f"RCPT TO:<{one}>" for one in recipients), "DATA", ""]
        message = (
            f"From: News <{sender}>\r\nTo: <{recipients[0]}>\r\nSubject: Number {number}\r\n"
            f"Date: Thu, 20 Nov 2025 10:00:00 +0100\r\nMessage-ID: <{number}@{self._name}.test>\r\n"
            "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
        ).encode()
        return "\r\n".join(lines).encode(), count, message + self._text + b".\r\n"


class _Crowd:
    """Everybody, until told to stop."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.tally = Tally()
        self.stopping = asyncio.Event()
        self.ready = asyncio.Semaphore(0)
        self.gone: dict[str, list[str]] = {name: [] for name in plan.steady}
        """Unsubscribed addresses that nobody has tried yet, by customer."""
        self._ids = itertools.count(time.time_ns())
        self._tls = ssl.create_default_context(cafile=plan.authority) if plan.authority else None

    async def steady(self, name: str) -> None:
        """One customer who keeps a session open."""
        mail = _Mail(name, self.plan, self._ids)
        loop = asyncio.get_running_loop()
        pause = len(self.plan.steady) / self.plan.rate if self.plan.rate else 0.0
        talk: Talk | None = None
        due = loop.time()
        while not self.stopping.is_set():
            try:
                if talk is None:
                    talk = await Talk.open(self.plan.smtp, name)
                    self.ready.release()
                await self._send(talk, mail)
                if self.gone[name]:
                    await self._expect_refusal(talk, name, self.gone[name].pop())
            except (OSError, TimeoutError) as trouble:
                self.tally.unexpected[repr(trouble)] += 1
                talk = None
                await asyncio.sleep(1.0)
            # Who is late by more than a second does not make up for it: no flood after a stall.
            due = max(due + pause, loop.time() - 1.0)
            if due > loop.time():
                await asyncio.sleep(due - loop.time())
        if talk is not None:
            await talk.close()

    async def caller(self, name: str) -> None:
        """One customer who connects anew for each message."""
        mail = _Mail(name, self.plan, self._ids)
        pause = len(self.plan.callers) / self.plan.call_rate
        while not self.stopping.is_set():
            try:
                talk = await Talk.open(self.plan.smtps, name, self._tls)
                self.tally.calls += 1
                await self._send(talk, mail)
                await talk.close()
            except (OSError, TimeoutError) as trouble:
                self.tally.unexpected[repr(trouble)] += 1
            await self._pause(pause)

    async def _send(self, talk: Talk, mail: _Mail) -> None:
        envelope, recipients, message = mail.next()
        began = time.perf_counter()
        replies = await talk.say(envelope, recipients + 2)
        if replies[-1].startswith("354"):
            replies += await talk.say(message, 1)
            self.tally.latencies.append(time.perf_counter() - began)
        else:
            await talk.say(b"RSET\r\n", 1)
        wrong = [reply for reply in replies if reply[0] not in "23"]
        if wrong:
            self.tally.unexpected[wrong[0]] += 1
        else:
            self.tally.taken += 1
            self.tally.copies += recipients

    async def _expect_refusal(self, talk: Talk, name: str, address: str) -> None:
        lines = f"MAIL FROM:<weekly@{name}.test>\r\nRCPT TO:<{address}>\r\nRSET\r\n"
        _, reply, _ = await talk.say(lines.encode(), 3)
        if "[UNSUB]" in reply:
            self.tally.refused += 1
        else:
            self.tally.unexpected[f"to an unsubscribed address: {reply}"] += 1

    async def visitors(self, rate: float, *, leave: bool) -> None:
        """People who look at an unsubscribe page, or who leave."""
        assert self.plan.keyring is not None
        keyring = Keyring.load(self.plan.keyring)
        tokens = Tokens(keyring)
        names = itertools.cycle(name for name in self.plan.steady if name in self.plan.lists)
        for name in names:
            if self.stopping.is_set():
                return
            address = f"leaver{next(self._ids)}@inbox.test"
            key = keyring.exact_key(parse_mailbox(address))
            token = tokens.make(Purpose.UNSUBSCRIBE, self.plan.lists[name], key)
            try:
                status = await self._visit(f"/u/{token}", leave=leave)
            except (OSError, TimeoutError) as trouble:
                status = repr(trouble)
            if status != "200":
                self.tally.unexpected[f"on the web: {status}"] += 1
            elif leave:
                self.tally.left += 1
                self.gone[name].append(address)
            else:
                self.tally.views += 1
            await self._pause(1 / rate)

    async def _visit(self, path: str, *, leave: bool) -> str:
        body = "List-Unsubscribe=One-Click" if leave else ""
        async with asyncio.timeout(PATIENCE):
            reader, writer = await asyncio.open_connection(LOOPBACK, self.plan.web)
            writer.write(
                f"{'POST' if leave else 'GET'} {path} HTTP/1.1\r\nHost: {HOST}\r\n"
                "Content-Type: application/x-www-form-urlencoded\r\n"
                f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}".encode()
            )
            head = await reader.readline()
            await reader.read()
            writer.close()
        return head.decode().split(" ")[1] if head.count(b" ") > 1 else repr(head)

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self.stopping.wait()
        except TimeoutError:
            pass


def _main(plan: Plan, pipe: Connection) -> None:
    uvloop.run(_serve(plan, pipe))


async def _serve(plan: Plan, pipe: Connection) -> None:
    crowd = _Crowd(plan)
    work = [crowd.steady(name) for name in plan.steady]
    if plan.call_rate:
        work += [crowd.caller(name) for name in plan.callers]
    for rate, leave in ((plan.view_rate, False), (plan.leave_rate, True)):
        if rate:
            work.append(crowd.visitors(rate, leave=leave))
    tasks = [asyncio.create_task(one) for one in work]
    for _ in plan.steady:
        await crowd.ready.acquire()
    pipe.send(Tally())
    word = ""
    while word != "stop":
        word = await asyncio.to_thread(pipe.recv)
        if word == "stop":
            crowd.stopping.set()
            await asyncio.gather(*tasks)
        tally, crowd.tally = crowd.tally, Tally()
        pipe.send(tally)

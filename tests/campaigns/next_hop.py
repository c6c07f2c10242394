"""A next hop on one asyncio loop that misbehaves by a script and counts what it has taken.

Fast enough for hundreds of thousands of messages. It listens on several ports (with STARTTLS or
without, with PIPELINING or without) and asks its script at every phase: GREETING, EHLO, MAIL,
RCPT, DATA, BODY (after the 354, before a message octet is read), DOT and RSET. What it took
responsibility for is in `copies`, whom a bounce named is in `bounced`. It has 250 said of exactly
what is in `copies`, but for copies that the script has it keep and not answer. `turns` are the
transactions that ended, from the yes to MAIL until the answer to the dot or to RSET is written or
the connection ends; `overlaps` finds those of one sender domain that were open at once.
"""

from __future__ import annotations

import asyncio
import re
import ssl
import time
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from tests.e2e.certificates import Certificates
from tests.e2e.ports import LOOPBACK, free_port

MOST_OCTETS = 2**22
STALL_SECONDS, HOLD_SECONDS, LATE_SECONDS = 30.0, 2.5, 0.04
WORDS = "by the script"
"""Stands in every refusal, so that a customer can tell it from one of the gateway's own."""

_BARE = re.compile(rb"\r(?!\n)|(?<!\r)\n|\0")
_SUBJECT = re.compile(rb"^Subject: id-(\d+) (\d+)\r?$", re.MULTILINE)
_BOUNCED = re.compile(rb"^Final-Recipient: rfc822; (\S+)\r$", re.MULTILINE)


class Act(Enum):
    """What a step may be instead of a reply."""

    DROP = auto()
    """Break the connection; at the dot, the message is lost."""
    KEEP_AND_DROP = auto()
    """At the dot: take the message, then break the connection without a word."""
    STALL = auto()
    """Say nothing for longer than anybody waits; at the dot, the message is lost."""
    KEEP_AND_STALL = auto()
    LATE = auto()
    """Answer well, after a while; at the dot, the message is taken at once."""
    HOLD = auto()
    """The same, but after a longer while."""
    TWICE = auto()
    """Answer well, and the same again in the same moment."""
    TWICE_LATER = auto()
    """Answer well, and the same again some time later."""
    GARBLE = auto()
    """Say what is no reply; at the dot, the message is taken."""


Step = str | Act
Script = Callable[[str], Step | None]
"""What to do at a phase; None is to answer well."""
KEEPING = (None, Act.KEEP_AND_DROP, Act.KEEP_AND_STALL, Act.LATE, Act.HOLD, Act.TWICE,
           Act.TWICE_LATER, Act.GARBLE)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Port:
    """One port of the next hop and what EHLO announces there."""

    number: int
    tls: bool
    pipelining: bool


@dataclass(frozen=True, slots=True)
class Copy:
    """A message taken. `number` and `is_whole` come from its subject, -1 when it has none of ours;
    `octets` is its size, `at` monotonic seconds."""

    at: float
    number: int
    is_whole: bool
    recipients: tuple[str, ...]
    octets: int
    tls: bool
    sender: str


@dataclass(frozen=True, slots=True)
class Turn:
    """One transaction of a sender domain, on one connection; monotonic seconds."""

    domain: str
    began: float
    ended: float


class Broken(Exception):
    """The script has the connection broken."""


class Left(Exception):
    """The script has taken its leave, with 421."""


class NextHop:
    """Listens on `ports` between `start` and `stop`."""

    def __init__(self, script: Script, certificates: Certificates, ports: Sequence[Port]) -> None:
        self.script = script
        self.ports = ports
        self.copies: list[Copy] = []
        self.turns: list[Turn] = []
        self.bounced: set[str] = set()
        self.to_hold: Counter[str] = Counter()
        """How many of the next messages of a sender domain are held at the dot."""
        self.held = 0
        """How many were."""
        self.bare = 0
        """Bare CR, bare LF and NUL that came in, in commands and messages."""
        self.open = 0
        """Connections."""
        self.steps: Counter[str] = Counter()
        """How often the script has misbehaved, by phase."""
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificates.certificate, certificates.key)
        self._servers: dict[int, asyncio.Server] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen on every port."""
        for port in self.ports:
            await self.appear(port)

    async def appear(self, port: Port) -> None:
        """Listen on one port."""

        def opened(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.ensure_future(_Talk(self, port, reader, writer).run())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        self._servers[port.number] = await asyncio.start_server(
            opened, LOOPBACK, port.number, limit=MOST_OCTETS, backlog=500
        )

    def vanish(self, port: Port) -> None:
        """Refuse connections to one port; those that are open go on."""
        self._servers.pop(port.number).close()

    async def stop(self) -> None:
        """Listen no more and drop every connection."""
        for server in self._servers.values():
            server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def make_ports(count: int) -> list[Port]:
    """Free ports: every other one with STARTTLS, every fourth without PIPELINING."""
    return [Port(free_port(), number % 2 == 0, number % 4 != 3) for number in range(count)]


def overlaps(turns: Sequence[Turn], limit: int = 1) -> list[Turn]:
    """Those that began while `limit` others of their domain were open; a bounce belongs to none."""
    open_now: dict[str, list[float]] = {}
    found = []
    for turn in sorted((one for one in turns if one.domain), key=lambda one: one.began):
        ends = open_now.setdefault(turn.domain, [])
        ends[:] = [end for end in ends if end > turn.began]
        if len(ends) >= limit:
            found.append(turn)
        ends.append(turn.ended)
    return found


class _Talk:
    """One connection."""

    def __init__(
        self, hop: NextHop, port: Port, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._hop = hop
        self._port = port
        self._reader = reader
        self._writer = writer
        self._is_encrypted = False
        self._is_calm = False
        self._sender = ""
        self._recipients: list[str] = []
        self._began = 0.0
        """When the open transaction began; 0 when none is."""

    async def run(self) -> None:
        self._hop.open += 1
        try:
            await self._answer("GREETING", "220 hop.test ESMTP")
            while True:
                await self._command(await self._reader.readuntil(b"\r\n"))
        except Left:
            self._writer.close()
        except (OSError, asyncio.IncompleteReadError, Broken):
            self._writer.transport.abort()
        finally:
            self._end_turn()
            self._hop.open -= 1

    async def _command(self, octets: bytes) -> None:
        self._count_bare(octets)
        line = octets.decode("latin-1")
        address = line[line.find("<") + 1 : line.rfind(">")]
        match verb := line[:4].upper():
            case "EHLO":
                await self._answer(verb, self._offers())
            case "STAR":
                self._say("220 2.0.0 go on")
                await self._writer.start_tls(self._hop._context)
                self._is_encrypted = True
            case "MAIL":
                if await self._answer(verb, "250 2.1.0 Ok"):
                    self._end_turn()
                    self._sender, self._recipients = address, []
                    self._began = time.monotonic()
            case "RCPT":
                if await self._answer(verb, "250 2.1.5 Ok"):
                    self._recipients.append(address)
            case "DATA":
                if not self._recipients:
                    self._say(f"554 5.5.1 no valid recipients {WORDS}")
                elif await self._answer(verb, "354 go on"):
                    await self._message()
            case "RSET":
                self._recipients = []
                await self._answer(verb, "250 2.0.0 Ok")
                self._end_turn()
            case "QUIT":
                self._say("221 2.0.0 Bye")
                raise Left
            case _:
                self._say("502 5.5.2 unknown")

    def _offers(self) -> str:
        offers = ["hop.test", "8BITMIME", "SMTPUTF8"]
        if self._port.pipelining:
            offers.append("PIPELINING")
        if self._port.tls and not self._is_encrypted:
            offers.append("STARTTLS")
        return "".join(f"250-{one}\r\n" for one in offers) + "250 ENHANCEDSTATUSCODES"

    async def _message(self) -> None:
        step = self._step("BODY")
        if step is not None:
            await self._act(step, "")
        data = await self._reader.readuntil(b"\r\n.\r\n")
        recipients, self._recipients = tuple(self._recipients), []
        self._count_bare(data)
        if isinstance(step, str):
            return  # the early refusal was the answer
        step = self._step("DOT")
        domain = self._sender.rpartition("@")[2]
        if self._hop.to_hold[domain] > 0:
            self._hop.to_hold[domain] -= 1
            step = Act.HOLD
        if step in KEEPING:
            self._keep((b"\r\n" + data[:-3]).replace(b"\r\n..", b"\r\n.")[2:], recipients)
        await self._act(step, "250 2.0.0 queued")
        self._end_turn()

    def _end_turn(self) -> None:
        began, self._began = self._began, 0.0
        if began:
            domain = self._sender.rpartition("@")[2]
            self._hop.turns.append(Turn(domain, began, time.monotonic()))

    def _keep(self, raw: bytes, recipients: tuple[str, ...]) -> None:
        hop = self._hop
        header, _, body = raw.partition(b"\r\n\r\n")
        if not self._sender:
            hop.bounced.update(one.decode() for one in _BOUNCED.findall(body))
            return
        found = _SUBJECT.search(header)
        number = int(found[1]) if found else -1
        is_whole = bool(found) and int(found[2]) == zlib.crc32(body)
        hop.copies.append(
            Copy(
                time.monotonic(),
                number,
                is_whole,
                recipients,
                len(raw),
                self._is_encrypted,
                self._sender,
            )
        )

    def _count_bare(self, octets: bytes) -> None:
        ends = octets.count(b"\r\n")
        if octets.count(b"\n") != ends or octets.count(b"\r") != ends or b"\0" in octets:
            self._hop.bare += len(_BARE.findall(octets))

    def _step(self, phase: str) -> Step | None:
        if self._is_calm:
            return None
        step = self._hop.script(phase)
        if step is not None:
            self._hop.steps[phase] += 1
        return step

    async def _answer(self, phase: str, usual: str) -> bool:
        return await self._act(self._step(phase), usual)

    async def _act(self, step: Step | None, usual: str) -> bool:
        """Answer; whether it was a yes."""
        said = usual
        match step:
            case Act.DROP | Act.KEEP_AND_DROP:
                raise Broken
            case Act.STALL | Act.KEEP_AND_STALL:
                # Ends when the gateway gives the connection up.
                async with asyncio.timeout(STALL_SECONDS):
                    await self._reader.read()
                raise Broken
            case Act.GARBLE:
                said = "25 what was the question?"
            case Act.LATE:
                await asyncio.sleep(LATE_SECONDS)
            case Act.HOLD:
                self._hop.held += 1
                await asyncio.sleep(HOLD_SECONDS)
            case Act.TWICE:
                said = f"{usual}\r\n{usual}"
            case Act.TWICE_LATER:
                # The one answer too many may pass for that to a later command, which must then not
                # be a lie: from here on this connection does what it says.
                self._is_calm = True
                asyncio.get_running_loop().call_later(LATE_SECONDS, self._say_again, usual)
            case str():
                said = step
        self._say(said)
        if said.startswith("421"):
            raise Left
        return said[:2] in ("22", "25", "35") and step is not Act.GARBLE

    def _say(self, text: str) -> None:
        self._writer.write(text.encode() + b"\r\n")

    def _say_again(self, text: str) -> None:
        if not self._writer.is_closing():
            self._say(text)

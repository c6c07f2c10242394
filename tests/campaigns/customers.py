"""Customers on one asyncio loop: they send, hang up at the worst moments, and come back.

A `Mail` is tried with the same octets until each of its recipients was answered 250 or 5xx, or its
customer gives up. As mailing software does, the customer goes on with those recipients that are
accepted and comes back for the others. What it was told stands in the mail: whom a 250 was for
(`told`), who was refused for good (`refused`), and in `wrong` every 5xx that nobody deserved.
"""

from __future__ import annotations

import asyncio
import base64
import re
import ssl
import struct
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from random import Random
from socket import SO_LINGER, SOL_SOCKET

from gateway.framing import dot_stuff
from tests.campaigns.next_hop import WORDS
from tests.e2e.certificates import HOST, Certificates
from tests.e2e.gateway import LOGIN, PASSWORD
from tests.e2e.ports import LOOPBACK

PATIENCE = 90.0
"""Seconds a customer waits for one try."""
PER_CONNECTION = 20
"""Mails over one connection at most."""
_TAG = re.compile(r"\[([A-Z0-9-]+)\]")


class Leave(Enum):
    """Where a customer hangs up."""

    MAIL = auto()
    RCPT = auto()
    IN_DATA = auto()
    """In the middle of the message."""
    BEFORE_DOT = auto()
    AT_DOT = auto()
    """The moment the dot is written."""
    BEHIND_DOT = auto()
    """The same, with a QUIT behind the dot."""
    SOON = auto()
    """Some milliseconds after the dot."""


@dataclass(slots=True)
class Mail:
    """One message for some recipients; `octets` without the final dot, not stuffed."""

    number: int
    sender: str
    recipients: tuple[str, ...]
    octets: bytes
    tries: int
    is_flawed: bool = False
    """Holds a bare line ending or a NUL: to be refused, with 550."""
    suppressed: frozenset[str] = frozenset()
    """Those of its recipients who must not be mailed."""
    stream: str = ""
    """`tenant/name`; "" is acme's, by its sender."""
    pending: list[str] = field(default_factory=list)
    told: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)
    is_over: bool = False

    def __post_init__(self) -> None:
        self.pending = list(self.recipients)


@dataclass(frozen=True, slots=True)
class Habits:
    """How customers behave: how many at once, the share of tries that end in hanging up, and the
    seconds between one mail and the next (mean)."""

    customers: int
    hang_ups: float
    pause: float = 0.0


class Crowd:
    """All customers of one run. `run` ends when `mails` is used up and each is over."""

    def __init__(
        self,
        ports: Sequence[tuple[str, int]],
        certificates: Certificates,
        mails: Iterator[Mail],
        habits: Habits,
        seed: int,
        login: str = LOGIN,
    ) -> None:
        """`ports` are listeners by how they encrypt: none, starttls or implicit."""
        self.over: list[Mail] = []
        self.tries = 0
        self.left: Counter[str] = Counter()
        """How often somebody hung up, by where."""
        self.answers: Counter[str] = Counter()
        """What was answered to final dots: code and tag."""
        self._is_told_to_end = False
        self._ports = ports
        self._context = ssl.create_default_context(cafile=certificates.authority)
        self._mails = mails
        self._habits = habits
        self._seed = seed
        self._login = login

    async def run(self) -> None:
        """Send everything."""
        await asyncio.gather(
            *(self._customer(Random(f"{self._seed} {n}")) for n in range(self._habits.customers))
        )

    def end(self) -> None:
        """Begin no further mail; those under way go on to their end."""
        self._is_told_to_end = True

    async def _customer(self, chance: Random) -> None:
        line: _Line | None = None
        for mail in self._mails:
            for _ in range(mail.tries):
                self.tries += 1
                try:
                    async with asyncio.timeout(PATIENCE):
                        if line is None or line.served >= PER_CONNECTION:
                            line = await self._connect(chance)
                        await self._try(line, mail, chance)
                except (OSError, asyncio.IncompleteReadError, _Gone) as reason:
                    self.left[str(reason) if isinstance(reason, _Gone) else "cut off"] += 1
                    if line is not None:
                        line.writer.transport.abort()
                    line = None
                if mail.is_over:
                    break
                await asyncio.sleep(chance.uniform(0.02, 0.3))
            self.over.append(mail)
            if self._is_told_to_end:
                return
            if self._habits.pause:
                await asyncio.sleep(chance.expovariate(1 / self._habits.pause))

    async def _connect(self, chance: Random) -> _Line:
        how, port = chance.choice(self._ports)
        context = self._context if how == "implicit" else None
        reader, writer = await asyncio.open_connection(
            LOOPBACK, port, ssl=context, server_hostname=HOST if context else None
        )
        line = _Line(reader, writer)
        try:
            if (await line.reply())[0] != 220:
                raise _Gone("no greeting")
            await line.ask("EHLO customer.test")
            if how == "starttls":
                await line.ask("STARTTLS")
                await writer.start_tls(self._context, server_hostname=HOST)
                await line.ask("EHLO customer.test")
            if how != "none":
                plain = base64.b64encode(f"\0{self._login}\0{PASSWORD}".encode()).decode()
                if (await line.ask(f"AUTH PLAIN {plain}"))[0] != 235:
                    raise _Gone("not signed in")
        except BaseException:
            writer.transport.abort()
            raise
        return line

    async def _try(self, line: _Line, mail: Mail, chance: Random) -> None:
        line.served += 1
        leave = chance.choice(list(Leave)) if chance.random() < self._habits.hang_ups else None
        envelope = [f"MAIL FROM:<{mail.sender}>", *(f"RCPT TO:<{one}>" for one in mail.pending)]
        line.write("".join(f"{one}\r\n" for one in envelope).encode())
        if leave is Leave.MAIL:
            line.leave(leave, chance)
        opened = await line.reply()
        answers = [await line.reply() for _ in mail.pending]
        if opened[0] != 250:
            self._judge(mail, "MAIL", opened, ())
            return
        accepted = []
        for recipient, answer in zip(list(mail.pending), answers, strict=True):
            if answer[0] == 250:
                accepted.append(recipient)
            elif answer[0] >= 500:
                expected = ("COMPLAINT",) if recipient in mail.suppressed else ()
                self._judge(mail, "RCPT", answer, expected)
                mail.refused.add(recipient)
                mail.pending.remove(recipient)
        if leave is Leave.RCPT:
            line.leave(leave, chance)
        if not accepted:
            await line.ask("RSET")
            mail.is_over = not mail.pending
            return
        if (await line.ask("DATA"))[0] != 354:
            return
        await self._send(line, mail.octets, leave, chance)
        answer = await line.reply()
        self.answers[_shown(answer)] += 1
        if answer[0] == 250:
            mail.told.update(accepted)
            mail.pending = [one for one in mail.pending if one not in accepted]
            mail.is_over = not mail.pending
        elif answer[0] >= 500:
            self._judge(mail, "the dot", answer, ("BAD-MESSAGE",) if mail.is_flawed else ())
            mail.is_over = True

    async def _send(self, line: _Line, octets: bytes, leave: Leave | None, chance: Random) -> None:
        whole = dot_stuff(octets)
        match leave:
            case Leave.IN_DATA:
                line.write(whole[: chance.randrange(len(whole))])
                line.leave(leave, chance)
            case Leave.BEFORE_DOT:
                line.write(whole)
                line.leave(leave, chance)
            case Leave.AT_DOT:
                line.write(whole + b".\r\n")
                line.leave(leave, chance)
            case Leave.BEHIND_DOT:
                line.write(whole + b".\r\nQUIT\r\n")
                line.leave(leave, chance)
            case Leave.SOON:
                line.write(whole + b".\r\n")
                await asyncio.sleep(chance.uniform(0, 0.03))
                line.leave(leave, chance)
            case _:
                line.write(whole + b".\r\n")

    def _judge(
        self, mail: Mail, where: str, answer: tuple[int, str], expected: Sequence[str]
    ) -> None:
        """Note a 5xx that is neither expected nor the next hop's by its script."""
        code, text = answer
        tag = _TAG.search(text)
        is_scripted = tag is not None and tag[1] == "RELAY-REFUSED" and WORDS in text
        if code >= 500 and not is_scripted and (tag is None or tag[1] not in expected):
            mail.wrong.append(f"{where}: {code} {text}")


class _Gone(Exception):
    """The connection is over; the text says where."""


class _Line:
    """One connection to the gateway; `served` counts the tries over it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.served = 0

    def write(self, octets: bytes) -> None:
        self.writer.write(octets)

    async def reply(self) -> tuple[int, str]:
        """Code and text of the next reply; raises `_Gone` when it takes leave."""
        text = ""
        while True:
            octets = await self.reader.readuntil(b"\r\n")
            text += octets[4:-2].decode("ascii")
            if octets[3:4] != b"-":
                break
        code = int(octets[:3])
        if code == 421:
            raise _Gone("told 421")
        return code, text

    async def ask(self, command: str) -> tuple[int, str]:
        self.write(command.encode() + b"\r\n")
        return await self.reply()

    def leave(self, where: Leave, chance: Random) -> None:
        """Hang up, sometimes by a TCP reset; raises `_Gone`."""
        if chance.random() < 0.5:
            connection = self.writer.get_extra_info("socket")
            connection.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.close()
        raise _Gone(f"hung up: {where.name.lower().replace('_', ' ')}")


def compose(number: int, sender: str, body: bytes) -> bytes:
    """A message whose subject carries its number and the check sum of its body."""
    return (
        b"From: <%b>\r\nTo: <readers@inbox.test>\r\nSubject: id-%d %d\r\n\r\n"
        % (sender.encode(), number, zlib.crc32(body))
    ) + body


def _shown(answer: tuple[int, str]) -> str:
    tag = _TAG.search(answer[1])
    return f"{answer[0]} {tag[1]}" if tag else str(answer[0])

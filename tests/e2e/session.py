"""One SMTP session with the gateway, a command at a time, over a plain socket.

Mail libraries hide what these tests are about: when a reply comes, what is pipelined, what follows
a refusal. `Session` signs in on the listener without TLS and answers every command with a `Said`.
"""

from __future__ import annotations

import base64
import itertools
import re
import select
import socket
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import NamedTuple, TypeVar

from tests.e2e.gateway import PASSWORD
from tests.e2e.ports import LOOPBACK

PATIENCE = 60.0
"""Seconds a reply may take before a test fails."""

T = TypeVar("T")
_numbers = itertools.count(1)


class Said(NamedTuple):
    """One reply: its code and all its lines, without CRLF."""

    code: int
    text: str

    @property
    def tag(self) -> str:
        """The tag in square brackets, or ""."""
        found = re.search(r"\[([A-Z0-9-]+)\]", self.text)
        return found[1] if found else ""

    @property
    def short(self) -> str:
        """Code, enhanced code and tag: `550 5.7.1 [UNSUB]`."""
        found = re.match(r"\d{3}[ -]([245]\.\d+\.\d+)", self.text)
        tag = f" [{self.tag}]" if self.tag else ""
        return f"{self.code} {found[1] if found else '-'}{tag}"


class Session:
    """A context manager; `login` may name a stream after a slash, "" does not sign in."""

    def __init__(self, port: int, login: str = "", password: str = PASSWORD) -> None:
        self._socket = socket.create_connection((LOOPBACK, port), timeout=PATIENCE)
        self._buffer = b""
        self.greeting = self.answer()
        self.command("EHLO customer.test")
        self.signed_in = Said(0, "")
        if login:
            secret = base64.b64encode(f"\0{login}\0{password}".encode()).decode()
            self.signed_in = self.command(f"AUTH PLAIN {secret}")

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.drop()

    def drop(self) -> None:
        """Close the connection without a word."""
        self._socket.close()

    def say(self, *lines: str) -> None:
        """Send lines in one go and do not wait."""
        self._socket.sendall("".join(f"{line}\r\n" for line in lines).encode())

    def say_octets(self, octets: bytes) -> None:
        """Send octets as they are."""
        self._socket.sendall(octets)

    def answer(self) -> Said:
        """The next reply; raises TimeoutError, and ConnectionError when the gateway has closed."""
        lines = []
        while True:
            while b"\r\n" not in self._buffer:
                octets = self._socket.recv(65536)
                if not octets:
                    raise ConnectionError(f"closed after {lines}")
                self._buffer += octets
            line, _, self._buffer = self._buffer.partition(b"\r\n")
            lines.append(line.decode())
            if lines[-1][3:4] != "-":
                return Said(int(line[:3]), "\n".join(lines))

    def is_waiting(self, seconds: float = 0.2) -> bool:
        """True when nothing was heard in that time."""
        return not self._buffer and not select.select([self._socket], [], [], seconds)[0]

    def command(self, line: str) -> Said:
        """Send a line and give its reply."""
        self.say(line)
        return self.answer()

    def mail(self, sender: str, size: int | None = None) -> Said:
        """MAIL FROM, with SIZE when given."""
        return self.command(f"MAIL FROM:<{sender}>" + (f" SIZE={size}" if size else ""))

    def rcpt(self, *recipients: str) -> list[Said]:
        """RCPT TO for each, pipelined."""
        self.say(*(f"RCPT TO:<{one}>" for one in recipients))
        return [self.answer() for _ in recipients]

    def data(self, raw: bytes) -> Said:
        """DATA and the message (no line of which begins with a dot); the final reply."""
        ready = self.command("DATA")
        if ready.code != 354:
            return ready
        self.say_octets(raw + b".\r\n")
        return self.answer()

    def send(
        self, sender: str, recipients: Sequence[str], raw: bytes, size: int | None = None
    ) -> Said:
        """One whole message; the first refusal of MAIL, else of DATA, or the final 250.

        A transaction that is left half open by a refusal is reset.
        """
        said = self.mail(sender, size)
        if said.code == 250:
            answers = self.rcpt(*recipients)
            if any(answer.code == 250 for answer in answers):
                return self.data(raw)
            said = answers[0]
        self.command("RSET")
        return said


def letter(sender: str, *, size: int = 0, extra: str = "") -> bytes:
    """A message like no other, of at least `size` octets; `extra` are more header lines, each with
    CRLF. The same octets again would be a retry."""
    subject = f"Letter {next(_numbers)}"
    head = f"From: <{sender}>\r\nTo: <reader@inbox.test>\r\nSubject: {subject}\r\n{extra}\r\n"
    line = b"A line of a letter that says little but says it long enough.\r\n"
    return head.encode() + line * max(1, -(-(size - len(head)) // len(line)))


def wait_until(condition: Callable[[], T], seconds: float = PATIENCE) -> T:
    """What `condition` gives as soon as that is true; raises TimeoutError."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError("the condition did not come true")
        time.sleep(0.02)
    return found

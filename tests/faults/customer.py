"""A customer's connection as octets: what a mail library would never send, and when.

`Customer` is a context manager over one blocking socket. A reply is its code and all its text.
"""

from __future__ import annotations

import base64
import re
import socket
import ssl
import struct
import uuid
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import NamedTuple

from tests.e2e.certificates import HOST, Certificates
from tests.e2e.ports import LOOPBACK

ANNA = "anna@inbox.test"
SENDER = "news@acme.test"


class Answer(NamedTuple):
    """One reply; code 0 when the connection was closed instead."""

    code: int
    text: str

    @property
    def ref(self) -> str:
        """What the records know it by."""
        found = re.search(r"ref=([a-z0-9]+)", self.text)
        return found[1] if found else ""

    @property
    def tag(self) -> str:
        """The tag in brackets, without them; "" when there is none."""
        return self.text.partition("[")[2].partition("]")[0]


class Customer:
    """One connection to `port`, with implicit TLS when `tls` is given; entered, it is greeted."""

    def __init__(
        self, port: int, *, tls: Certificates | None = None, seconds: float = 60.0
    ) -> None:
        self.socket: socket.socket = socket.create_connection((LOOPBACK, port), timeout=seconds)
        # Each `send` is a segment of its own, at once.
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = b""
        if tls is not None:
            self.handshake(tls)

    def __enter__(self) -> Customer:
        self.greeting = self.answer()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.socket.close()

    def send(self, octets: bytes) -> None:
        """Send octets as they are; when the other side has gone, `answer` tells."""
        with suppress(ConnectionError):
            self.socket.sendall(octets)

    def answer(self) -> Answer:
        """The next reply; code 0 once the connection is closed."""
        lines: list[str] = []
        while True:
            while b"\r\n" not in self._buffer:
                try:
                    octets = self.socket.recv(65_536)
                except ConnectionError:
                    octets = b""
                if not octets:
                    return Answer(0, "\n".join(lines))
                self._buffer += octets
            line, _, self._buffer = self._buffer.partition(b"\r\n")
            lines.append(line[4:].decode("ascii"))
            if line[3:4] != b"-":
                return Answer(int(line[:3]), "\n".join(lines))

    def ask(self, *lines: str) -> Answer:
        """Send the lines in one write and give the answer to the last one."""
        self.send("".join(f"{line}\r\n" for line in lines).encode())
        return [self.answer() for _ in lines][-1]

    def hello(self) -> Answer:
        """Say EHLO."""
        return self.ask("EHLO client.test")

    def start_tls(self, certificates: Certificates) -> Answer:
        """Do the TLS handshake that STARTTLS was answered 220 for, and say EHLO."""
        self.handshake(certificates)
        return self.hello()

    def handshake(self, certificates: Certificates) -> None:
        """Do a TLS handshake now."""
        context = ssl.create_default_context(cafile=certificates.authority)
        self.socket = context.wrap_socket(self.socket, server_hostname=HOST)

    def sign_in(self, login: str, password: str) -> Answer:
        """AUTH PLAIN."""
        plain = base64.b64encode(f"\0{login}\0{password}".encode()).decode()
        return self.ask(f"AUTH PLAIN {plain}")

    def envelope(self, *recipients: str, sender: str = SENDER) -> Answer:
        """MAIL, RCPTs and DATA, pipelined: the answer to DATA, or the first refusal."""
        lines = [f"MAIL FROM:<{sender}>", *(f"RCPT TO:<{one}>" for one in recipients), "DATA"]
        self.send("".join(f"{line}\r\n" for line in lines).encode())
        answers = [self.answer() for _ in lines]
        return next((one for one in answers if one.code >= 400 or one.code == 0), answers[-1])

    def deliver(self, message: bytes, *recipients: str, sender: str = SENDER) -> Answer:
        """Send one message: the answer to its final dot, or to whatever was refused before."""
        answer = self.envelope(*(recipients or (ANNA,)), sender=sender)
        if answer.code != 354:
            return answer
        self.send(message + b".\r\n")
        return self.answer()

    def leave(self, *, resets: bool) -> None:
        """Close without QUIT, by a TCP reset if asked."""
        if resets:
            linger = struct.pack("ii", 1, 0)
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.socket.close()

    def is_closed(self) -> bool:
        """Wait for the end of the connection; True when nothing came before it."""
        return self.answer() == (0, "")


def send(port: int, message: bytes, *recipients: str, sender: str = SENDER) -> Answer:
    """One message over a connection of its own, which ends properly."""
    with Customer(port) as customer:
        customer.hello()
        answer = customer.deliver(message, *recipients, sender=sender)
        if answer.code:
            customer.ask("QUIT")
        return answer


def new_id() -> str:
    """A unique id to count by."""
    return f"id-{uuid.uuid4().hex}"


def message(unique: str, *lines: str, sender: str = SENDER, size: int = 0) -> bytes:
    """A message that carries `unique`, without its final dot; `size` octets of text more."""
    filler = ["x" * 70] * (size // 72)
    text: Sequence[str] = (
        f"From: <{sender}>",
        f"To: <{ANNA}>",
        f"Subject: {unique}",
        "",
        *(lines or ("Good morning",)),
        *filler,
    )
    return "".join(f"{line}\r\n" for line in text).encode()

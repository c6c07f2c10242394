"""A next hop with STARTTLS, and somebody on the way to it who meddles with what comes in the clear.

`Middle` answers like a Postfix behind TLS; until then its words are those of `script`, by verb
(GREETING, EHLO, STARTTLS): octets to send, each item a segment of its own. Behind a STARTTLS
whose last segment it has sent it does a genuine handshake, unless `has_tls` is False. What but
QUIT came in the clear and what inside TLS is in `clear` and `inside`.
"""

from __future__ import annotations

import socket
import socketserver
import ssl
import threading
import time
from contextlib import suppress
from types import TracebackType

from tests.e2e.certificates import Certificates
from tests.e2e.ports import LOOPBACK

OFFER = b"250-hop.test\r\n250-PIPELINING\r\n250-SIZE 999999\r\n250-8BITMIME\r\n250 STARTTLS\r\n"
INSIDE = b"250-hop.test\r\n250-PIPELINING\r\n250 AUTH PLAIN\r\n"
USUAL = {
    "GREETING": [b"220 hop.test ESMTP\r\n"],
    "EHLO": [OFFER],
    "STARTTLS": [b"220 2.0.0 go on\r\n"],
}
PAUSE = 0.05
"""Seconds between two segments: a handshake may have begun by the second."""


class Middle:
    """A context manager that listens while it is open."""

    def __init__(self, certificates: Certificates) -> None:
        self.script: dict[str, list[bytes]] = {}
        self.has_tls = True
        self.clear: list[bytes] = []
        self.inside: list[bytes] = []
        self.kept = 0
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.context.load_cert_chain(certificates.certificate, certificates.key)
        middle = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                with suppress(OSError):
                    middle.talk(self.request)

        self._server = socketserver.ThreadingTCPServer((LOOPBACK, 0), Handler)
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]

    def __enter__(self) -> Middle:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def behave(self) -> None:
        """Meddle no more, and forget what was heard."""
        self.script, self.has_tls, self.kept = {}, True, 0
        self.clear.clear()
        self.inside.clear()

    def talk(self, one: socket.socket) -> None:
        """One connection: in the clear until STARTTLS is answered well."""
        self._say(one, "GREETING")
        with one.makefile("rb") as lines:
            for line in lines:
                self._note(self.clear, line)
                verb = (line.split() or [b""])[0].decode("latin-1").upper()
                self._say(one, verb)
                if verb == "STARTTLS" and self.has_tls:
                    break
            else:
                return
        with self.context.wrap_socket(one, server_side=True) as tls, tls.makefile("rb") as lines:
            self._serve(tls, lines)

    def _say(self, one: socket.socket, verb: str) -> None:
        default = [b"235 2.7.0 ok\r\n"] if verb == "AUTH" else [b"250 2.0.0 ok\r\n"]
        for number, segment in enumerate(self.script.get(verb, USUAL.get(verb, default))):
            if number:
                time.sleep(PAUSE)
            one.sendall(segment)

    def _note(self, heard: list[bytes], line: bytes) -> None:
        if line != b"QUIT\r\n":  # may be of the test before
            heard.append(line)

    def _serve(self, tls: ssl.SSLSocket, lines: socket.SocketIO) -> None:
        answers = {b"EHLO": INSIDE, b"AUTH": b"235 2.7.0 ok\r\n", b"DATA": b"354 go on\r\n"}
        for line in lines:
            self._note(self.inside, line)
            tls.sendall(answers.get(line[:4], b"250 2.0.0 ok\r\n"))
            if line.startswith(b"DATA"):
                while next(lines) != b".\r\n":
                    pass
                self.kept += 1
                tls.sendall(b"250 2.0.0 kept\r\n")

"""A next hop in trouble: a few lines of socket code that misbehave at one chosen step.

Speaks just enough SMTP for our relay. `trouble` is `refuses` (554 instead of a greeting),
`breaks-off` (closes the connection after the final dot) or `defers-bert` (puts off the message of
that recipient after the final dot).
"""

from __future__ import annotations

import socketserver
import threading
from types import TracebackType

from tests.e2e.ports import LOOPBACK


class TroubledHop:
    """A context manager that listens while it is open."""

    def __init__(self, trouble: str) -> None:
        class Handler(_Handler):
            pass

        Handler.trouble = trouble
        self._server = socketserver.ThreadingTCPServer((LOOPBACK, 0), Handler)
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]

    def __enter__(self) -> TroubledHop:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Handler(socketserver.StreamRequestHandler):
    trouble = ""

    def handle(self) -> None:
        if self.trouble == "refuses":
            self._say("554 5.7.1 You are not welcome here")
            return
        self._say("220 troubled.test ESMTP")
        recipient = b""
        while line := self.rfile.readline():
            verb = line[:4].upper()
            if verb == b"EHLO":
                self._say("250-troubled.test", "250-8BITMIME", "250 ENHANCEDSTATUSCODES")
            elif verb == b"RCPT":
                recipient = line
                self._say("250 2.1.5 ok")
            elif verb == b"DATA":
                self._say("354 Go ahead")
                while self.rfile.readline() not in (b".\r\n", b""):
                    pass
                if self.trouble == "breaks-off":
                    return
                if self.trouble == "defers-bert" and b"bert" in recipient:
                    self._say("451 4.3.0 Not now")
                else:
                    self._say("250 2.0.0 taken")
            elif verb == b"QUIT":
                self._say("221 2.0.0 bye")
                return
            else:
                self._say("250 2.0.0 ok")

    def _say(self, *lines: str) -> None:
        self.wfile.write("".join(f"{line}\r\n" for line in lines).encode())

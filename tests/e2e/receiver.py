"""A tenant's webhook receiver: real HTTPS on loopback, which keeps every call it gets.

`answer` decides the status of each call (and may do anything first). Signatures are verified here
from the specification of Standard Webhooks, without the gateway's code.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

from tests.e2e.certificates import Certificates
from tests.e2e.ports import LOOPBACK

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()


@dataclass(frozen=True, slots=True)
class Call:
    """One call as it came."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def said(self) -> Any:
        """The body's JSON."""
        return json.loads(self.body)

    def is_signed(self, secret: str = SECRET) -> bool:
        """Whether one of the signatures is right under the secret."""
        key = base64.b64decode(secret.removeprefix("whsec_"))
        signed = f"{self.id}.{self.headers['webhook-timestamp']}.".encode() + self.body
        right = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        return f"v1,{right}" in self.headers["webhook-signature"].split()


class Receiver:
    """Listens while its block lasts. Without certificates it speaks plain HTTP."""

    def __init__(
        self,
        certificates: Certificates | None,
        answer: Callable[[Call], int] = lambda _call: 204,
        answer_body: bytes = b"",
        port: int = 0,
    ) -> None:
        self.calls: list[Call] = []
        self._arrived = threading.Condition()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                call = Call(self.path, headers, body)
                with receiver._arrived:
                    receiver.calls.append(call)
                    receiver._arrived.notify_all()
                status = answer(call)
                self.send_response(status)
                if 300 <= status < 400:
                    self.send_header("Location", "/elsewhere")
                if status != 204:
                    self.send_header("Content-Length", str(len(answer_body)))
                self.end_headers()
                if status != 204:
                    self.wfile.write(answer_body)

            def log_message(self, *_arguments: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            def handle_error(self, *_arguments: object) -> None:
                pass  # a caller that hangs up

        self._server = Server((LOOPBACK, port), Handler)
        self.port = int(self._server.server_address[1])
        if certificates is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificates.certificate, certificates.key)
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def __enter__(self) -> Receiver:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def wait(self, count: int, seconds: float = 20.0) -> list[Call]:
        """The calls, once there are so many."""
        with self._arrived:
            deadline = time.monotonic() + seconds
            while len(self.calls) < count:
                left = deadline - time.monotonic()
                assert left > 0, f"{len(self.calls)} of {count} calls came"
                self._arrived.wait(left)
            return list(self.calls)

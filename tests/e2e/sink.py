"""A next hop that keeps the exact octets it was given: aiosmtpd in a thread, on a loopback port.

Offers 8BITMIME, SMTPUTF8 and SIZE; with certificates it insists on STARTTLS, with a login on AUTH.
`refuse` maps a recipient to the reply it is refused with. Independent of our own SMTP engine.
"""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.e2e.certificates import Certificates
from tests.e2e.ports import LOOPBACK, free_port

MAX_MESSAGE = 30 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Captured:
    """One message as it arrived, dots unstuffed, CRLF kept."""

    mail_from: str
    recipients: tuple[str, ...]
    options: tuple[str, ...]
    raw: bytes


class Sink:
    """A context manager that listens while it is open and keeps `messages`."""

    def __init__(
        self,
        *,
        refuse: Callable[[str], str | None] = lambda _recipient: None,
        certificates: Certificates | None = None,
        login: tuple[str, str] | None = None,
    ) -> None:
        self.refuse = refuse
        self.messages: list[Captured] = []
        self._arrived = threading.Condition()
        context = None
        if certificates is not None:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(certificates.certificate, certificates.key)

        def check(
            _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: object
        ) -> AuthResult:
            given = isinstance(data, LoginPassword) and (data.login, data.password)
            wanted = login and (login[0].encode(), login[1].encode())
            return AuthResult(success=given == wanted, handled=False)

        self.port = free_port()
        self._controller = _Controller(
            self,
            hostname=LOOPBACK,
            port=self.port,
            tls_context=context,
            require_starttls=context is not None,
            authenticator=check if login else None,
            auth_required=login is not None,
            auth_require_tls=context is not None,
            data_size_limit=MAX_MESSAGE,
            enable_SMTPUTF8=True,
        )

    def __enter__(self) -> Sink:
        self._controller.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._controller.hang_up()
        self._controller.stop()

    def wait_for(self, count: int, seconds: float = 60.0) -> Sequence[Captured]:
        """All messages once there are `count` of them; raises TimeoutError."""
        with self._arrived:
            if not self._arrived.wait_for(lambda: len(self.messages) >= count, seconds):
                raise TimeoutError(f"{len(self.messages)} of {count} messages arrived")
            return tuple(self.messages)

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Refuse what `refuse` says, take the rest."""
        if reply := self.refuse(address):
            return reply
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Keep the message."""
        raw = envelope.content
        assert isinstance(raw, bytes)
        message = Captured(
            envelope.mail_from or "",
            tuple(envelope.rcpt_tos),
            tuple(envelope.mail_options),
            raw,
        )
        with self._arrived:
            self.messages.append(message)
            self._arrived.notify_all()
        return "250 2.0.0 kept"


class _Controller(Controller):
    """aiosmtpd's, which leaves connections open when it stops, and their sockets to be found."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self._servers: list[SMTP] = []

    def factory(self) -> SMTP:
        server = super().factory()
        self._servers.append(server)
        return server

    def hang_up(self) -> None:
        """Close every connection."""

        async def close() -> None:
            for server in self._servers:
                # A TLS transport that is closed already has forgotten what to abort.
                if server.transport is not None:
                    with suppress(AttributeError):
                        server.transport.abort()
            await asyncio.sleep(0)  # lets them hear of it

        asyncio.run_coroutine_threadsafe(close(), self.loop).result(60)

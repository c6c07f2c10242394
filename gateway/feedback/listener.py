"""The SMTP listener for mail to the gateway itself, in the web process; aiosmtpd speaks SMTP.

Takes mail for `Intake` and nothing else: bounded in octets, recipients, commands, connections and
time. Offers STARTTLS where the gateway has a certificate, and never AUTH. Raises ConfigurationError
when that cannot be read.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import cast

from aiosmtpd.smtp import SMTP, Envelope, Session, syntax

from gateway.config.model import GatewayConfig
from gateway.errors import ConfigurationError
from gateway.feedback.intake import OK, OUR_FAULT, Intake
from gateway.feedback.mailboxes import Mailbox
from gateway.feedback.passing import Client

PATIENCE = 120.0
"""Seconds that one command may take, a whole message included."""
MAX_RECIPIENTS = 10
MAX_COMMANDS = 1_000
"""Of one kind, on one connection."""
MAX_LINE = 1_000_000
"""Octets without an end of line, for which aiosmtpd has no limit, until we hang up."""
MAX_MAIL_LINE = 1_001
"""Octets of a line of a mail with its end, and one (RFC 5321 section 4.5.3.1.6)."""
MAX_ENDS = 500_000
"""Carriage returns and line feeds of a mail; passing it on costs microseconds of the loop for each,
which ten megabytes of them would hold up for seconds."""
_END = b"\r\n.\r\n"
_GO_ON = "354 end data with <CR><LF>.<CR><LF>"
_TOO_LARGE = "552 5.3.4 the mail is too large"
_TOO_MANY = "552 5.3.4 the mail has too many lines"
_TOO_LONG = "500 5.6.0 a line is too long (RFC 5321 section 4.5.3.1.6)"


class FeedbackListener:
    """One listening socket. `start` after construction, `close` at the end."""

    def __init__(self, config: GatewayConfig, intake: Intake, listener: socket.socket) -> None:
        settings = config.feedback
        assert settings is not None  # noqa: S101 - only made where there is one
        self._settings = settings
        self._hostname = config.hostname
        self._handler = _Handler(intake)
        self._tls = _context(config)
        self._open: set[_Session] = set()
        self._socket = listener
        self.port = int(self._socket.getsockname()[1])
        """The port in use, also when 0 was asked for."""
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Begin to accept."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._session, sock=self._socket)

    async def close(self) -> None:
        """Accept no more and hang up; whoever has no answer yet will send again."""
        if self._server is None:
            self._socket.close()
            return
        self._server.close()
        for session in list(self._open):
            session.hang_up()
        await self._server.wait_closed()

    def _session(self) -> asyncio.BaseProtocol:
        if len(self._open) >= self._settings.max_connections:
            return _Busy()
        return _Session(
            self._open,
            self._handler,
            data_size_limit=self._settings.max_bytes,
            hostname=self._hostname,
            ident="ESMTP",
            tls_context=self._tls,
            timeout=PATIENCE,
            auth_exclude_mechanism=["PLAIN", "LOGIN"],
            command_call_limit={"*": MAX_COMMANDS},
            enable_SMTPUTF8=True,
            loop=asyncio.get_running_loop(),
        )


class _Mail(Envelope):
    """A mail under way, with the mailboxes that its recipients name."""

    def __init__(self) -> None:
        super().__init__()
        self.mailboxes: list[Mailbox] = []


class _Handler:
    """What aiosmtpd asks at each command."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake

    async def handle_MAIL(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        envelope.mail_from = address
        return OK

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if len(envelope.rcpt_tos) >= MAX_RECIPIENTS:
            return "452 4.5.3 too many recipients"
        found = await self._intake.find(address)
        if isinstance(found, str):
            return found
        envelope.rcpt_tos.append(address)
        assert isinstance(envelope, _Mail)  # noqa: S101 - sessions make no other
        envelope.mailboxes.append(found)
        return OK

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        content = envelope.content
        assert isinstance(envelope, _Mail)  # noqa: S101 - as above
        assert isinstance(content, bytes)  # noqa: S101 - nothing is decoded
        # aiosmtpd calls an empty path so, and takes an empty text for none.
        mail_from = "" if envelope.mail_from == "<>" else envelope.mail_from or ""
        # Should the client hang up now, the mail is kept and known when it comes again.
        client = Client(
            session.host_name or "", str(session.peer[0]) if session.peer else "", bool(session.ssl)
        )
        taking = self._intake.take(tuple(envelope.mailboxes), mail_from, content, client)
        return await asyncio.shield(asyncio.ensure_future(taking))

    async def handle_exception(self, error: Exception) -> str:
        return OUR_FAULT


class _Session(SMTP):
    """One connection, which its listener can close."""

    def __init__(self, open_sessions: set[_Session], handler: _Handler, **settings: object) -> None:
        super().__init__(handler, **settings)  # type: ignore[arg-type]
        self._listed = open_sessions
        self._line = 0
        open_sessions.add(self)

    def _create_envelope(self) -> Envelope:
        return _Mail()

    def data_received(self, data: bytes) -> None:
        end = data.rfind(b"\n")
        self._line = self._line + len(data) if end < 0 else len(data) - end
        if self._line > MAX_LINE:
            self.hang_up()
            return
        super().data_received(data)

    def eof_received(self) -> bool:
        # aiosmtpd leaves the rest to its handler, which closes nothing when it had not begun yet:
        # whoever came and left at once would keep a place for `PATIENCE`.
        super().eof_received()
        return False

    @syntax("DATA")
    async def smtp_DATA(self, arg: str) -> None:
        """Take a mail. aiosmtpd's own takes it line by line: ten megabytes of empty ones would hold
        up the loop for seconds at a time, and take half a gigabyte."""
        if await self.check_helo_needed():
            return
        envelope = self.envelope
        if envelope is None or not envelope.rcpt_tos:
            await self.push("503 5.5.1 RCPT is needed first")
            return
        if arg:
            await self.push("501 5.5.4 DATA takes no argument")
            return
        await self.push(_GO_ON)
        content = await self._content()
        if content is None:
            status = _TOO_LARGE
        elif content.count(b"\r") + content.count(b"\n") > MAX_ENDS:
            status = _TOO_MANY
        elif _has_long_line(content):
            status = _TOO_LONG
        else:
            envelope.content = envelope.original_content = content
            status = await self._call_handler_hook("DATA")
        self.envelope = self._create_envelope()
        await self.push(status)

    async def _content(self) -> bytes | None:
        """The mail that comes now, without what SMTP adds to it; None for one that is too large,
        which is read to its end and not kept."""
        reader = self._reader
        # The end is found by the line end before it, which is that of DATA when there is no mail.
        reader._buffer[:0] = b"\r\n"  # type: ignore[attr-defined]
        pieces: list[bytes] = []
        size, is_over = 0, False
        most = (self.data_size_limit or 0) + len(b"\r\n" + _END)
        while not is_over:
            try:
                piece = await reader.readuntil(_END)
                is_over = True
            except asyncio.LimitOverrunError as more:
                piece = await reader.read(more.consumed)
            size += len(piece)
            pieces.append(piece)
            if size > most:
                pieces.clear()
        if size > most:
            return None
        # A dot that begins a line was put there (RFC 5321 section 4.5.2), but for that of the end.
        return b"".join(pieces)[:-3].replace(b"\r\n.", b"\r\n")[2:]

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        self._listed.discard(self)

    def hang_up(self) -> None:
        """Close the connection at once."""
        if self.transport is not None:
            self.transport.abort()  # type: ignore[attr-defined]


def _has_long_line(content: bytes) -> bool:
    place = 0
    while len(content) - place > MAX_MAIL_LINE:
        end = content.rfind(b"\r\n", place, place + MAX_MAIL_LINE)
        if end < 0:
            return True
        place = end + 2
    return False


class _Busy(asyncio.Protocol):
    """Says that there are too many connections."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # A stream's, which uvloop's own class does not say of itself.
        stream = cast(asyncio.WriteTransport, transport)
        stream.write(b"421 4.3.2 too many connections, please try again\r\n")
        stream.close()


def _context(config: GatewayConfig) -> ssl.SSLContext | None:
    if config.tls is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(config.tls.certificate, config.tls.key)
    except OSError as error:
        raise ConfigurationError(f"tls.certificate: {error}") from error
    return context

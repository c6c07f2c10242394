"""The demo's next hop: aiosmtpd, keeping every message it gets as an .eml file."""

from __future__ import annotations

from itertools import count
from pathlib import Path

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from gateway.demo.setting import LOOPBACK


class Inbox:
    """Listens in a thread of its own between `start` and `stop`."""

    def __init__(self, folder: Path, port: int) -> None:
        self._folder = folder
        self._numbers = count(1)
        self._controller = Controller(
            self, hostname=LOOPBACK, port=port, enable_SMTPUTF8=True, ident="the demo's next hop"
        )

    def start(self) -> None:
        """Listen."""
        self._controller.start()

    def stop(self) -> None:
        """Stop listening."""
        self._controller.stop()

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Keep the message, named by its number and first recipient."""
        name = f"{next(self._numbers):03d}-{envelope.rcpt_tos[0].replace('/', '_')}.eml"
        content = envelope.content
        (self._folder / name).write_bytes(
            content if isinstance(content, bytes) else (content or "").encode()
        )
        return f"250 2.0.0 kept as {name}"

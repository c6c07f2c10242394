"""A next hop that takes some messages and not others: `judge` decides at the final dot."""

from __future__ import annotations

from collections.abc import Callable

from aiosmtpd.smtp import SMTP, Envelope
from aiosmtpd.smtp import Session as ServerSession

from tests.e2e.sink import Sink


class DecidingHop(Sink):
    """A `Sink` whose `judge` maps a message's first recipient to the reply it is refused with;
    None takes it. What it does not take it does not keep.
    """

    def __init__(self) -> None:
        super().__init__()
        self.judge: Callable[[str], str | None] = lambda _recipient: None

    async def handle_DATA(self, server: SMTP, session: ServerSession, envelope: Envelope) -> str:
        """Refuse what `judge` says, keep the rest."""
        if reply := self.judge(envelope.rcpt_tos[0]):
            return reply
        return await super().handle_DATA(server, session, envelope)

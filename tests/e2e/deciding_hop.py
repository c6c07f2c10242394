"""A next hop that takes some messages and not others: `judge` decides at the final dot."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from aiosmtpd.smtp import SMTP, Envelope
from aiosmtpd.smtp import Session as ServerSession

from tests.e2e.sink import Captured, Sink

BREAK_OFF = "break off"
"""What `judge` gives to have the message kept and the connection closed without a word."""

Judge = Callable[[str], str | None]


def take_all(_recipient: str) -> str | None:
    """Refuse nobody."""
    return None


class DecidingHop(Sink):
    """A `Sink` whose `judge` maps a message's first recipient to the reply it is refused with;
    None takes it. What it does not take it does not keep. While `may_answer` is not set it keeps
    the message and says nothing.
    """

    def __init__(self) -> None:
        super().__init__()
        self.judge: Judge = take_all
        self.may_answer = threading.Event()
        self.may_answer.set()

    @contextmanager
    def judging(self, *, at_dot: Judge = take_all, at_rcpt: Judge = take_all) -> Iterator[None]:
        """Decide like that for a while."""
        self.judge, self.refuse = at_dot, at_rcpt
        try:
            yield
        finally:
            self.judge = self.refuse = take_all

    @contextmanager
    def silent(self) -> Iterator[None]:
        """Answer no final dot for a while."""
        self.may_answer.clear()
        try:
            yield
        finally:
            self.may_answer.set()

    def taken(self, mail_from: str) -> list[Captured]:
        """What was kept with that sender, in order."""
        return [message for message in self.messages if message.mail_from == mail_from]

    async def handle_DATA(self, server: SMTP, session: ServerSession, envelope: Envelope) -> str:
        """Refuse what `judge` says, keep the rest."""
        verdict = self.judge(envelope.rcpt_tos[0])
        if verdict not in (None, BREAK_OFF):
            return str(verdict)
        answer = await super().handle_DATA(server, session, envelope)
        if verdict == BREAK_OFF:
            assert server.transport is not None
            server.transport.close()
        # Set from another thread, which asyncio's own events do not allow.
        while not self.may_answer.is_set():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        return answer

"""When one transaction leaves a next hop for another, and what the next hop's health learns of it.

`Failover` is one transaction's: it gets connections for it (`Lend`), remembers which next hops it
has left during the call under way, and marks them as failed, so that the following transactions go
elsewhere too (docs/decisions/relay-failover.md). A next hop is left only while nothing of the copy
in hand was sent; what happens after a final dot marks it, no more. It raises nothing.
"""

from __future__ import annotations

from collections.abc import Iterable

from gateway.relay.connection import End
from gateway.relay.hop import Hop, Lend, Lent, Phase
from gateway.relay.outcome import HopReply, Trouble

MAX_STALLS = 3
"""Connections to one next hop that may break in a row without any progress."""


class Failover:
    """`taker` is the next hop that last accepted a recipient of this transaction."""

    __slots__ = ("_left", "_lend", "_smtputf8", "is_leaving", "taker")

    def __init__(self, lend: Lend, smtputf8: bool) -> None:
        self.taker: Hop | None = None
        self.is_leaving = False
        self._lend = lend
        self._smtputf8 = smtputf8
        self._left: list[Hop] = []

    def begin(self) -> None:
        """Another call begins: every next hop may be tried."""
        self.is_leaving = False
        if self._left:
            self._left = []

    async def lend(self, fresh: bool = False) -> Lent | HopReply:
        """A connection to a next hop that was not left, or why there is none."""
        self.is_leaving = False
        return await self._lend(self._smtputf8, fresh, self._left)

    def leave(self, hop: Hop, trouble: Trouble, words: str, phase: Phase) -> None:
        """Go on elsewhere: nothing of what is being done was sent to `hop`."""
        hop.failed(trouble, words, phase)
        self._left.append(hop)
        self.is_leaving = True

    def heed(self, hop: Hop, replies: Iterable[HopReply]) -> None:
        """Leave a next hop that refuses us at RCPT; one that took a recipient of ours does not."""
        if self.is_leaving or self.taker is hop:
            return
        for reply in replies:
            if reply.trouble is Trouble.REFUSES_US:
                self.leave(hop, Trouble.REFUSES_US, reply.text, Phase.ASKING)
                return

    def should_stop(self, lent: Lent, stalls: int, phase: Phase) -> bool:
        """True when a conversation that broke off is not to be tried again at this next hop."""
        ending = lent.connection.ending
        if ending is None:
            return stalls >= MAX_STALLS
        if ending.end is End.SILENT:  # the customer has waited long enough to be told
            _fell_silent(lent.hop)
        elif ending.end is End.GARBLED or stalls >= MAX_STALLS:
            self.leave(lent.hop, Trouble.BROKE_OFF, str(ending), phase)
            return True
        return not ending.may_replay

    def was_unanswered(self, lent: Lent) -> None:
        """A final dot went out and no reply came."""
        ending = lent.connection.ending
        if ending is None or ending.end is End.DROPPED:
            return
        if ending.end is End.SILENT:
            _fell_silent(lent.hop)
        else:
            lent.hop.failed(Trouble.BROKE_OFF, str(ending), Phase.SENDING)


def _fell_silent(hop: Hop) -> None:
    hop.failed(Trouble.AWAY, End.SILENT.value, Phase.ASKING)

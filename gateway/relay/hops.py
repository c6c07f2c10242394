"""The next hops in their order: the relay as the session sees it.

The first next hop that is well serves; the next ones stand in while it is in trouble. One that lets
us in but fails later is passed over in favour of another only. `NextHops`
makes transactions, lends them connections, swaps its hops on a reload and describes their health.
It raises nothing for what a next hop does.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from itertools import chain

from gateway.events import Emit
from gateway.relay.answers import LACKS_SMTPUTF8
from gateway.relay.connection import Unusable
from gateway.relay.hop import Hop, Lent, Phase
from gateway.relay.outcome import HopReply, Trouble
from gateway.relay.pool import Busy
from gateway.relay.settings import NextHopSettings
from gateway.relay.transaction import RelayTransaction
from gateway.words import Body

_TOLD = {
    Trouble.BUSY: "4.4.5",
    Trouble.REFUSES_US: "4.3.5",
    Trouble.BROKE_OFF: "4.4.2",
    Trouble.AWAY: "4.4.1",
}
"""Troubles with their codes; of several next hops', the first in this order is told."""


class NextHops:
    """All next hops, in order. `clock` is monotonic seconds."""

    def __init__(
        self,
        hops: Sequence[NextHopSettings],
        alarm: Emit,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Raises ConfigurationError when TLS settings cannot be used."""
        self._alarm = alarm
        self._clock = clock
        self._hops = [Hop(settings, alarm, clock) for settings in hops]

    def transaction(
        self, sender: str, *, size: int | None, body: Body, smtputf8: bool, tenant: str = ""
    ) -> RelayTransaction:
        """One customer's transaction; nothing is connected or sent yet. `sender` "" is `<>`.

        `tenant` tells whose refusals are whose; the sender's domain stands in for it.
        """
        return RelayTransaction(
            self._lend, sender, size, body, smtputf8, tenant or sender.rpartition("@")[2]
        )

    def supports(self, smtputf8: bool) -> bool:
        """False when SMTPUTF8 is asked for and every next hop is known to lack it."""
        if not smtputf8:
            return True
        known = [hop.pool.offers for hop in self._hops]
        return any(offers is None or offers.smtputf8 for offers in known)

    @property
    def is_up(self) -> bool:
        """True when some next hop is not known to be out of reach."""
        return any(hop.is_reachable for hop in self._hops)

    def describe(self) -> list[dict[str, object]]:
        """Each next hop's state, in order."""
        return [hop.describe() for hop in self._hops]

    async def check(self) -> None:
        """Open a connection to each next hop that has none, so that its health is known."""
        for hop in self._hops:
            if not hop.pool.held:
                try:
                    hop.pool.release(await hop.pool.acquire())
                except Unusable as error:
                    hop.failed(error.trouble, error.text)
                else:
                    hop.worked(Phase.OPENING)

    async def reconfigure(self, hops: Sequence[NextHopSettings]) -> None:
        """Put `hops` in force; what is unchanged keeps its connections and its health.

        Raises ConfigurationError, and leaves all as it was, when a new one's TLS settings cannot
        be used. Transactions under way finish where they are.
        """
        kept = {hop.settings: hop for hop in self._hops}
        new = [kept.get(settings) or Hop(settings, self._alarm, self._clock) for settings in hops]
        for hop in self._hops:
            if hop not in new:
                hop.pool.close()
        self._hops = new

    async def close(self) -> None:
        """End every connection, also those in use: for the end of the process."""
        for hop in self._hops:
            hop.pool.abort()

    async def _lend(self, smtputf8: bool, fresh: bool, but: Collection[Hop]) -> Lent | HopReply:
        troubles: list[tuple[Trouble, str]] = []
        lacking: list[Hop] = []
        doubtful: list[Hop] = []  # they failed, but let us in: better than none
        for hop in chain(self._hops, doubtful):
            if hop in but:
                continue
            if hop not in doubtful and not hop.may_try():
                if hop.is_reachable:
                    doubtful.append(hop)
                continue
            connection = None if fresh else hop.pool.take()
            if connection is None:
                try:
                    connection = await hop.pool.acquire(fresh)
                except Unusable as error:
                    troubles.append((error.trouble, error.text))
                    if not isinstance(error, Busy):
                        hop.failed(error.trouble, error.text)
                    continue
            if not smtputf8 or connection.offers.smtputf8:
                return Lent(hop, connection)
            hop.pool.release(connection)
            lacking.append(hop)
        others = [hop for hop in self._hops if hop not in lacking]
        if lacking and not others:
            return LACKS_SMTPUTF8
        troubles += [(hop.trouble, hop.words) for hop in others if hop.failures]
        for told, enhanced in _TOLD.items():
            for trouble, words in troubles:
                if trouble is told:
                    return HopReply(451, enhanced, words, told)
        return HopReply(451, "4.4.1", "no next hop is left to try", Trouble.AWAY)

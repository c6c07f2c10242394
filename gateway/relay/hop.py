"""One next hop: its pool, how it is doing, and what its refusals mean.

A hop that failed is passed over for a while (1 s, doubling to 30 s), then tried by one transaction
first: docs/decisions/relay-failover.md. Changes of health, and replies by which a next hop refuses
the gateway itself, go to `alarm` as events: `next_hop.lost`, `next_hop.recovered` and
`next_hop.refused_us`.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Collection
from enum import IntEnum
from typing import NamedTuple

from gateway.events import Emit, Event
from gateway.relay.answers import for_now, refuses_us, without_addresses
from gateway.relay.connection import Connection
from gateway.relay.outcome import HopReply, Trouble
from gateway.relay.pool import Pool
from gateway.relay.settings import NextHopSettings
from gateway.relay.watch import RefusalWatch

MAX_BACKOFF = 30.0
ALARM_EVERY = 60.0
"""Seconds between two alarms about the same next hop's refusing us."""


class Phase(IntEnum):
    """Where a next hop failed; only what gets as far again shows that it is well."""

    OPENING = 0
    ASKING = 1
    """MAIL and RCPT."""
    SENDING = 2


class Hop:
    """One next hop: its pool, its health, and the watch over its refusals."""

    def __init__(self, settings: NextHopSettings, alarm: Emit, clock: Callable[[], float]) -> None:
        self.settings = settings
        self.pool = Pool(settings)
        self.failures = 0
        self.trouble = Trouble.AWAY
        self.words = ""
        self.since = time.time()
        self._phase = Phase.OPENING
        self._is_told = False
        self._retry_at = 0.0
        self._alarm = alarm
        self._alarmed_at = -ALARM_EVERY
        self._clock = clock
        self._watch = RefusalWatch(clock)

    def __repr__(self) -> str:
        return f"<Hop {self.settings.name} {self.failures} failures, {self.pool!r}>"

    @property
    def is_reachable(self) -> bool:
        """False when it is known not to let us in, or to be silent."""
        is_inside = self._phase > Phase.OPENING and self.trouble is not Trouble.AWAY
        return not self.failures or is_inside

    def may_try(self) -> bool:
        """True when it is well, or when it is time for one transaction to find out."""
        if not self.failures:
            return True
        now = self._clock()
        if now < self._retry_at:
            return False
        self._retry_at = now + self._backoff
        return True

    def failed(self, trouble: Trouble, words: str, phase: Phase = Phase.OPENING) -> None:
        """It could not be connected to, fell silent, broke off again and again, or refused us."""
        words = without_addresses(words)  # an alarm and the status page name nobody
        self.failures += 1
        self._retry_at = self._clock() + self._backoff
        self.trouble, self.words, self._phase = trouble, words, phase
        if self.failures == 1:
            self.since = time.time()
        is_refusal = trouble is Trouble.REFUSES_US
        if not self._is_told and not (is_refusal and phase):  # else `judge` has told it
            self._is_told = True
            self._tell("next_hop.refused_us" if is_refusal else "next_hop.lost", words)

    def worked(self, phase: Phase) -> None:
        """It did its part in this phase."""
        if self.failures and phase >= self._phase:
            self.failures, self.words, self.since = 0, "", time.time()
            if self._is_told:
                self._is_told = False
                self._tell("next_hop.recovered", "")

    def judge(self, reply: HopReply, tenant: str, is_rcpt: bool = False) -> HopReply:
        """`reply` for what it means; `trouble` is set when it refuses us and not this mail."""
        if reply.code < 400:
            if is_rcpt:
                self._watch.accepted()
            return reply
        reply = for_now(reply)
        is_common = is_rcpt and self._watch.refused(tenant, reply)
        if not (is_common or refuses_us(reply)):
            return reply
        words = f"{reply.code} {reply.enhanced} {without_addresses(reply.text)}"
        if self._clock() - self._alarmed_at >= ALARM_EVERY:
            self._alarmed_at = self._clock()
            self._tell("next_hop.refused_us", words)
        return HopReply(451, "4.3.5", words, Trouble.REFUSES_US)

    def describe(self) -> dict[str, object]:
        """Its state for `/readyz` and `consentry status`, JSON-able."""
        offers = self.pool.offers
        return {
            "name": self.settings.name,
            "address": f"{self.settings.host}:{self.settings.port}",
            "state": self.trouble.value if self.failures else "up",
            "is_tried": self.failures > 0 or offers is not None,
            "since": self.since,
            "failures": self.failures,
            "words": self.words,
            "connections": self.pool.held,
            "idle": self.pool.idle,
            "waiting": self.pool.waiting,
            "pipelining": offers.pipelining if offers else None,
            "smtputf8": offers.smtputf8 if offers else None,
        }

    @property
    def _backoff(self) -> float:
        return float(min(MAX_BACKOFF, 2 ** (self.failures - 1)))

    def _tell(self, kind: str, words: str) -> None:
        detail: dict[str, object] = {"next_hop": self.settings.name, "words": words}
        self._alarm(Event(kind, time.time(), detail=detail))


class Lent(NamedTuple):
    """A connection of `hop`'s, lent to one transaction."""

    hop: Hop
    connection: Connection


Lend = Callable[[bool, bool, Collection[Hop]], Awaitable[Lent | HopReply]]
"""Gives a connection, or the reply that says why there is none; asked for with `smtputf8` (it must
be offered), `fresh` (no earlier transaction used it), and the hops that it must not be to."""

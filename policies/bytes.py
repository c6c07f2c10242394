"""Octets in any 24 hours: reserved at MAIL and RCPT, decided when stamped, settled when relayed.

A stream whose `bytes_per_day` differs from its tenant's has a window of its own, which
announcements do not raise; all others share the tenant's. `confirm` must be asked before any copy
goes out: only then the octets are known.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from gateway import replies
from gateway.message.header import HeaderView
from gateway.message.received import Message
from gateway.words import StreamKind
from policies.ports import ByteWindows, RateWindows, Reservation, Shortage
from policies.terms import DAY, Limits
from policies.transaction import Recipient, Transaction
from policies.verdict import ACCEPT, Verdict, refuse
from policies.wording import utc

WARN_PERCENTS = (95, 80)

Warn = Callable[[str, int, int, int], None]
"""Told (tenant, percent, used, limit) when 80 % or 95 % is reached, once in 24 h each."""


def daily_limit(limits: Limits, now: float) -> int:
    """Octets in any 24 h at `now`: what was announced at least 24 h ahead, else the usual."""
    announced = [
        announcement.bytes_per_day
        for announcement in limits.announcements
        if announcement.announced_at + DAY <= announcement.starts_at <= now < announcement.ends_at
    ]
    return max([limits.bytes_per_day, *announced])


class BytesPolicy:
    """Octets relayed (size of the stamped message times copies) in any 24 hours stay within
    `bytes_per_day`, or what was announced 24 h ahead for the day; else [BYTES] with the time when
    enough is free again. MAIL reserves its SIZE, each further RCPT of a list stream one more copy;
    before any copy goes out the true octets decide; only what the next hop took is counted. Of
    copies that can never fit together, as many go as fit, and [PARTIAL] asks for the rest. A
    message over `message_bytes`, or over the whole daily limit, gets [TOO-BIG].
    """

    name = "bytes"
    claims = True

    def __init__(self, windows: ByteWindows, rates: RateWindows, warn: Warn) -> None:
        self._windows = windows
        self._rates = rates
        self._warn = warn

    async def at_mail(self, t: Transaction) -> Verdict:
        """Reserve the announced SIZE, or nothing."""
        size = t.size or 0
        if size > t.stream.limits.message_bytes:
            return _too_big(size, t.stream.limits.message_bytes)
        shortage = await self._reserve(t, size)
        return ACCEPT if shortage is None else _refusal(shortage, size)

    async def at_rcpt(self, t: Transaction, group: Sequence[Recipient]) -> Sequence[Verdict]:
        """Reserve one more copy for each further recipient of a list stream."""
        hold = _find_hold(t)
        if t.stream.kind is not StreamKind.LIST or not t.size or hold is None:
            return [ACCEPT] * len(group)
        copies = len(t.recipients)
        if await hold.reservation.grow((copies + len(group)) * t.size) is None:
            return [ACCEPT] * len(group)
        verdicts = []
        for _ in group:
            shortage = await hold.reservation.grow((copies + 1) * t.size)
            if shortage is None:
                copies += 1
                verdicts.append(ACCEPT)
            else:
                # Never [TOO-BIG] here: alone, in a message of its own, the recipient fits.
                free_at = t.now + DAY if shortage.free_at is None else shortage.free_at
                verdicts.append(_too_many(shortage, free_at))
        return verdicts

    def at_message(self, t: Transaction, message: Message, view: HeaderView) -> Verdict:
        """Judge the size of one message as received."""
        limit = t.stream.limits.message_bytes
        return ACCEPT if message.size <= limit else _too_big(message.size, limit)

    async def confirm(self, t: Transaction, octets_per_copy: int, copies: int) -> Verdict:
        """Decide by the octets of the stamped message, before any copy goes out."""
        octets = octets_per_copy * copies
        hold = _find_hold(t)
        if hold is None:
            shortage = await self._reserve(t, octets)
        else:
            shortage = await hold.reservation.grow(octets)
        if shortage is None:
            return ACCEPT
        fits = shortage.limit // octets_per_copy
        if shortage.free_at is None and fits:
            # Never all at once, but so many of them: the rest can go another day.
            return replace(_too_many(shortage, t.now + DAY), fits=fits)
        return _refusal(shortage, octets_per_copy)

    async def _reserve(self, t: Transaction, octets: int) -> Shortage | None:
        own = t.stream.limits.bytes_per_day
        if own == t.tenant.limits.bytes_per_day:
            key, limit = t.tenant.name, daily_limit(t.tenant.limits, t.now)
        else:
            key, limit = t.stream.id, own
        reservation = await self._windows.reserve(key, octets, limit)
        if isinstance(reservation, Shortage):
            return reservation
        t.holds.append(_BytesHold(self, reservation, t.tenant.name, key, limit))
        return None

    async def warn_when_near(self, tenant: str, key: str, limit: int) -> None:
        """Warn of the highest mark that the window has reached, once in 24 h each."""
        used = await self._windows.used(key)
        for percent in WARN_PERCENTS:
            if used * 100 >= limit * percent:
                if await self._rates.take(f"warned:{percent}:{key}", 1, 1, DAY) is None:
                    self._warn(tenant, percent, used, limit)
                return


class _BytesHold:
    """A reservation as a hold of its transaction."""

    __slots__ = ("_key", "_limit", "_policy", "_tenant", "reservation")

    def __init__(
        self, policy: BytesPolicy, reservation: Reservation, tenant: str, key: str, limit: int
    ) -> None:
        self._policy = policy
        self.reservation = reservation
        self._tenant = tenant
        self._key = key
        self._limit = limit

    async def settle(self, octets: int, recipients: int) -> None:
        """Count the octets that the next hop took and give the rest back."""
        await self.reservation.settle(octets)
        if octets:
            await self._policy.warn_when_near(self._tenant, self._key, self._limit)


def _find_hold(t: Transaction) -> _BytesHold | None:
    return next((hold for hold in t.holds if isinstance(hold, _BytesHold)), None)


def _too_big(size: int, limit: int) -> Verdict:
    return refuse(replies.TOO_BIG.fill(size=size, limit=limit), "too big", size=size, limit=limit)


def _too_many(shortage: Shortage, free_at: float) -> Verdict:
    used, limit = shortage.used, shortage.limit
    reply = replies.BYTES.fill(used=used, limit=limit, time=utc(free_at))
    reason = "the daily bytes are used"
    return refuse(reply, reason, used=used, limit=limit, free_at=free_at)


def _refusal(shortage: Shortage, octets: int) -> Verdict:
    if shortage.free_at is None:
        return _too_big(octets, shortage.limit)
    return _too_many(shortage, shortage.free_at)

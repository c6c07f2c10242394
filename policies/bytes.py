"""Octets in any 24 hours: set aside at MAIL and RCPT, decided when stamped, settled when relayed.

A stream whose `bytes_per_day` differs from its tenant's has a window of its own, which
announcements do not raise; all others share the tenant's. The policy must be asked to confirm
before any copy goes out: only then the octets are known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from gateway import replies
from gateway.message.header import HeaderView
from gateway.message.received import Message
from gateway.words import StreamKind
from policies.claims import Granted, OctetsClaim
from policies.ports import RateWindows, Shortage
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
    enough is free again. MAIL reserves its SIZE, each further RCPT of a list stream, or of one with
    `verp`, one more copy; before any copy goes out the true octets decide; only what the next hop
    took is counted. Of copies that can never fit together, as many go as fit, and [PARTIAL] asks
    for the rest. A message over `message_bytes`, or over the whole daily limit, gets [TOO-BIG].
    """

    name = "bytes"
    claims = True

    def claims_at_mail(self, t: Transaction) -> Sequence[OctetsClaim] | Verdict:
        """The announced SIZE, or nothing."""
        size = t.size or 0
        if size > t.stream.limits.message_bytes:
            return _too_big(size, t.stream.limits.message_bytes)
        key, limit = _window(t)
        return (OctetsClaim(key, size, 0, 0, limit),)

    def judge_at_mail(
        self, t: Transaction, claims: Sequence[OctetsClaim], granted: Sequence[Granted]
    ) -> Verdict:
        """Refuse what does not fit now, for good what never will."""
        shortage = granted[0].shortage
        return ACCEPT if shortage is None else _refusal(shortage, claims[0].base)

    def claims_at_rcpt(self, t: Transaction, group: Sequence[Recipient]) -> Sequence[OctetsClaim]:
        """One more copy for each further recipient, where each gets a copy of their own."""
        has_own_copies = t.stream.verp or t.stream.kind is StreamKind.LIST
        if not has_own_copies or not t.size:
            return ()
        key, limit = _window(t)
        return (OctetsClaim(key, len(t.recipients) * t.size, t.size, len(group), limit),)

    def judge_at_rcpt(
        self,
        t: Transaction,
        group: Sequence[Recipient],
        claims: Sequence[OctetsClaim],
        granted: Sequence[Granted],
    ) -> Sequence[Verdict]:
        """Put off whose copies do not fit any more."""
        (given,) = granted
        if given.shortage is None:
            return [ACCEPT] * len(group)
        # Never [TOO-BIG] here: alone, in a message of its own, the recipient fits.
        free_at = t.now + DAY if given.shortage.free_at is None else given.shortage.free_at
        refusal = _too_many(given.shortage, free_at)
        return [ACCEPT] * given.units + [refusal] * (len(group) - given.units)

    def at_message(self, t: Transaction, message: Message, view: HeaderView) -> Verdict:
        """Judge the size of one message as received."""
        limit = t.stream.limits.message_bytes
        return ACCEPT if message.size <= limit else _too_big(message.size, limit)

    def claims_at_confirm(
        self, t: Transaction, octets_per_copy: int, copies: int
    ) -> Sequence[OctetsClaim]:
        """The octets of the stamped message, before any copy goes out."""
        key, limit = _window(t)
        return (OctetsClaim(key, octets_per_copy * copies, 0, 0, limit, is_sent=True),)

    def judge_at_confirm(
        self,
        t: Transaction,
        octets_per_copy: int,
        copies: int,
        claims: Sequence[OctetsClaim],
        granted: Sequence[Granted],
    ) -> Verdict:
        """Decide by them."""
        shortage = granted[0].shortage
        if shortage is None:
            return ACCEPT
        fits = shortage.limit // octets_per_copy
        if shortage.free_at is None and fits:
            # Never all at once, but so many of them: the rest can go another day.
            return replace(_too_many(shortage, t.now + DAY), fits=fits)
        return _refusal(shortage, octets_per_copy)


class ByteWarnings:
    """Tells when a window of octets comes near its limit."""

    def __init__(self, rates: RateWindows, warn: Warn) -> None:
        self._rates = rates
        self._warn = warn

    async def look(self, t: Transaction, used: Mapping[str, int]) -> None:
        """Warn of the highest mark that the window has reached, once in 24 h each.

        `used` is what `Hold.settle` gave for the transaction.
        """
        key, limit = _window(t)
        octets = used.get(key, 0)
        for percent in WARN_PERCENTS:
            if octets * 100 >= limit * percent:
                if await self._rates.take(f"warned:{percent}:{key}", 1, 1, DAY) is None:
                    self._warn(t.tenant.name, percent, octets, limit)
                return


def _window(t: Transaction) -> tuple[str, int]:
    """The window that counts the transaction's octets, and its limit."""
    own, limits = t.stream.limits.bytes_per_day, t.tenant.limits
    if own != limits.bytes_per_day:
        return t.stream.id, own
    return t.tenant.name, daily_limit(limits, t.now) if limits.announcements else own


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

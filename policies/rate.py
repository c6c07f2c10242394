"""Rates of messages and recipients over several windows at once.

A stream whose rates differ from its tenant's is counted by itself; all others together. Windows
are taken shortest first, so that what a short one refuses does not use up a long one.
"""

from __future__ import annotations

from collections.abc import Sequence

from policies.ports import RateWindows
from policies.transaction import Recipient, Transaction
from policies.verdict import ACCEPT, Verdict, refuse
from policies.wording import rate_reply


class RatePolicy:
    """Messages (each MAIL) and recipients (each RCPT that no other rule refuses) stay within every
    one of the configured `rates`; else [RATE] with the window and the time when it is free again.
    """

    name = "rate"
    claims = True

    def __init__(self, rates: RateWindows) -> None:
        self._rates = rates

    async def at_mail(self, t: Transaction) -> Verdict:
        """Count one message."""
        if not t.stream.limits.rates:
            return ACCEPT
        return await self._count(t, "messages")

    async def at_rcpt(self, t: Transaction, group: Sequence[Recipient]) -> Sequence[Verdict]:
        """Count each recipient by itself."""
        if not t.stream.limits.rates:
            return [ACCEPT] * len(group)
        return [await self._count(t, "recipients") for _ in group]

    async def _count(self, t: Transaction, unit: str) -> Verdict:
        rates = t.stream.limits.rates
        scope = t.tenant.name if rates == t.tenant.limits.rates else t.stream.id
        for rate in sorted(rates, key=lambda rate: rate.seconds):
            if rate.unit != unit:
                continue
            shortage = await self._rates.take(f"{unit}:{scope}", 1, rate.count, rate.seconds)
            if shortage is not None:
                return refuse(
                    rate_reply(shortage, unit, rate.seconds, t.now),
                    "the rate is used up",
                    used=shortage.used,
                    limit=shortage.limit,
                    seconds=rate.seconds,
                )
        return ACCEPT

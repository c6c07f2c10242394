"""Rates of messages and recipients over several windows at once, and the starter speed.

A stream whose rates differ from its tenant's is counted by itself; all others together. Windows
are taken shortest first, so that what a short one refuses does not use up a long one.
"""

from __future__ import annotations

from collections.abc import Sequence

from policies.ports import RateWindows
from policies.terms import Rate, TenantState
from policies.transaction import Recipient, Transaction
from policies.verdict import ACCEPT, Verdict, refuse
from policies.wording import HOUR, rate_reply


class RatePolicy:
    """Messages (each MAIL) and recipients (each RCPT that no other rule refuses) stay within every
    one of the configured `rates`; else [RATE] with the window and the time when it is free again.
    A tenant in state `starter` starts `starter_messages_per_hour` messages in any hour besides.
    """

    name = "rate"
    claims = True

    def __init__(self, rates: RateWindows) -> None:
        self._rates = rates

    async def at_mail(self, t: Transaction) -> Verdict:
        """Count one message."""
        if t.tenant.state is TenantState.STARTER:
            rate = Rate("messages", t.tenant.starter_messages_per_hour, HOUR)
            verdict = await self._take(t, f"starter:{t.tenant.name}", rate)
            if verdict is not ACCEPT:
                return verdict
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
            if rate.unit == unit:
                verdict = await self._take(t, f"{unit}:{scope}", rate)
                if verdict is not ACCEPT:
                    return verdict
        return ACCEPT

    async def _take(self, t: Transaction, key: str, rate: Rate) -> Verdict:
        shortage = await self._rates.take(key, 1, rate.count, rate.seconds)
        if shortage is None:
            return ACCEPT
        return refuse(
            rate_reply(shortage, rate.unit, rate.seconds, t.now),
            "the rate is used up",
            used=shortage.used,
            limit=shortage.limit,
            seconds=rate.seconds,
        )

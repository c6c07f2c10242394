"""Rates of messages and recipients over several windows at once, the starter speed, probation.

A stream whose rates differ from its tenant's is counted by itself; all others together. Windows
are taken shortest first, so that what a short one refuses does not use up a long one.
"""

from __future__ import annotations

from collections.abc import Sequence

from policies.ports import Blocks, RateWindows
from policies.terms import DAY, MONTH, Rate, TenantState
from policies.transaction import Recipient, Transaction
from policies.verdict import ACCEPT, Verdict, refuse
from policies.wording import HOUR, rate_reply


class RatePolicy:
    """Messages (each MAIL) and recipients (each RCPT that no other rule refuses) stay within every
    one of the configured `rates`; else [RATE] with the window and the time when it is free again.
    A tenant in state `starter` starts `starter_messages_per_hour` messages in any hour besides. One
    on probation after a sanction may send a share of its usual volume: of what was delivered on an
    average day of the last 30, or of what the starter speed makes a day, if that is more.
    """

    name = "rate"
    claims = True

    def __init__(self, rates: RateWindows, blocks: Blocks) -> None:
        self._rates = rates
        self._blocks = blocks

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
        share = self._blocks.share(t.tenant.name)
        if share < 100:
            allowed = Rate("recipients", await self._allowed(t, share), DAY)
            return [await self._on_probation(t, allowed) for _ in group]
        if not t.stream.limits.rates:
            return [ACCEPT] * len(group)
        return [await self._count(t, "recipients") for _ in group]

    async def _allowed(self, t: Transaction, share: int) -> int:
        """Recipients a day that are `share` percent of the usual volume."""
        delivered = await self._rates.count(f"delivered:{t.tenant.name}", MONTH)
        usual = max(delivered * DAY // MONTH, t.tenant.starter_messages_per_hour * DAY // HOUR)
        return max(1, usual * share // 100)

    async def _on_probation(self, t: Transaction, allowed: Rate) -> Verdict:
        verdict = await self._take(t, f"probation:{t.tenant.name}", allowed)
        if verdict is not ACCEPT or not t.stream.limits.rates:
            return verdict
        return await self._count(t, "recipients")

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

"""Rates of messages and recipients over several windows at once, the starter speed, probation.

A stream whose rates differ from its tenant's is counted by itself; all others together. Windows
are taken shortest first, so that what a short one refuses does not use up a long one.
"""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from typing import Any

from policies.claims import CountClaim, Granted
from policies.ports import Blocks, RateWindows, Shortage
from policies.terms import DAY, MONTH, TenantState
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

    def __init__(self, rates: RateWindows, blocks: Blocks) -> None:
        self._rates = rates
        self._blocks = blocks

    def claims_at_mail(self, t: Transaction) -> Sequence[CountClaim]:
        """One message of every window."""
        claims = _claims(t, "messages", 1)
        if t.tenant.state is TenantState.STARTER:
            limit = t.tenant.starter_messages_per_hour
            return [CountClaim(f"starter:{t.tenant.name}", 1, limit, HOUR), *claims]
        return claims

    def judge_at_mail(
        self, t: Transaction, claims: Sequence[CountClaim], granted: Sequence[Granted]
    ) -> Verdict:
        """Refuse by the first window that is full."""
        for claim, given in zip(claims, granted, strict=False):
            if given.shortage is not None:
                return _refusal(t, "messages", claim, given.shortage)
        return ACCEPT

    def claims_at_rcpt(
        self, t: Transaction, group: Sequence[Recipient]
    ) -> Sequence[CountClaim] | Coroutine[Any, Any, Sequence[CountClaim]]:
        """So many recipients of every window."""
        share = self._blocks.share(t.tenant.name)
        if share < 100:
            return self._claims_on_probation(t, len(group), share)
        return _claims(t, "recipients", len(group))

    def judge_at_rcpt(
        self,
        t: Transaction,
        group: Sequence[Recipient],
        claims: Sequence[CountClaim],
        granted: Sequence[Granted],
    ) -> Sequence[Verdict]:
        """Refuse the last ones, each by the first window that had no room for it."""
        verdicts = [ACCEPT] * len(group)
        end = len(group)
        for claim, given in zip(claims, granted, strict=False):
            if given.shortage is not None:
                refusal = _refusal(t, "recipients", claim, given.shortage)
                verdicts[given.units : end] = [refusal] * (end - given.units)
                end = given.units
        return verdicts

    async def _claims_on_probation(
        self, t: Transaction, count: int, share: int
    ) -> Sequence[CountClaim]:
        """What everybody claims, and before it a day's `share` percent of the usual volume."""
        delivered = await self._rates.count(f"delivered:{t.tenant.name}", MONTH)
        usual = max(delivered * DAY // MONTH, t.tenant.starter_messages_per_hour * DAY // HOUR)
        allowed = max(1, usual * share // 100)
        on_probation = CountClaim(f"probation:{t.tenant.name}", count, allowed, DAY)
        return [on_probation, *_claims(t, "recipients", count)]


def _claims(t: Transaction, unit: str, count: int) -> Sequence[CountClaim]:
    rates = t.stream.limits.rates
    if not rates:
        return ()
    scope = t.tenant.name if rates == t.tenant.limits.rates else t.stream.id
    return [
        CountClaim(f"{unit}:{scope}", count, rate.count, rate.seconds)
        for rate in sorted(rates, key=lambda rate: rate.seconds)
        if rate.unit == unit
    ]


def _refusal(t: Transaction, unit: str, claim: CountClaim, shortage: Shortage) -> Verdict:
    return refuse(
        rate_reply(shortage, unit, claim.seconds, t.now),
        "the rate is used up",
        used=shortage.used,
        limit=shortage.limit,
        seconds=claim.seconds,
    )

"""Probing: too many refused recipients in an hour. A guesser and a list that is never cleaned look
alike, and both are slowed down."""

from __future__ import annotations

from collections.abc import Sequence

from policies.claims import CountClaim, Granted
from policies.terms import TenantTerms
from policies.transaction import Transaction
from policies.verdict import ACCEPT, Verdict, refuse
from policies.wording import HOUR, rate_reply


class ProbingPolicy:
    """Once `session.refusals_per_hour` recipients of a tenant were refused in any hour, by us or by
    the next hop, its further MAILs get [RATE] until there is room again.
    """

    name = "probing"

    def __init__(self, limit: int) -> None:
        self._limit = limit

    def claims_at_mail(self, t: Transaction) -> Sequence[CountClaim]:
        """Room for one more."""
        return (CountClaim(refused_recipients(t.tenant), 0, self._limit, HOUR),)

    def judge_at_mail(
        self, t: Transaction, claims: Sequence[CountClaim], granted: Sequence[Granted]
    ) -> Verdict:
        """Refuse while there is none."""
        shortage = granted[0].shortage
        if shortage is None:
            return ACCEPT
        used, limit = shortage.used, shortage.limit
        reply = rate_reply(shortage, "refused recipients", HOUR, t.now)
        return refuse(reply, "too many recipients were refused", used=used, limit=limit)


def refused_recipients(tenant: TenantTerms) -> str:
    """What a tenant's refused recipients are counted under, for an hour."""
    return f"refused:{tenant.name}"

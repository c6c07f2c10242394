"""Probing: too many refused recipients in an hour. A guesser and a list that is never cleaned look
alike, and both are slowed down."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from policies.claims import CountClaim, Granted
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
        return _claims(t.tenant.name, self._limit)

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


def refused_recipients(tenant: str) -> str:
    """What a tenant's refused recipients are counted under, for an hour."""
    return f"refused:{tenant}"


@lru_cache(4096)
def _claims(tenant: str, limit: int) -> tuple[CountClaim]:
    # Made once: they are the same at every MAIL.
    return (CountClaim(refused_recipients(tenant), 0, limit, HOUR),)

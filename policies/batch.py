"""One batch at a time: a claim on the tenant's open transactions, waited for in line."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from gateway import replies
from policies.claims import BatchClaim, Claim, CountClaim, Granted
from policies.transaction import Transaction
from policies.verdict import ACCEPT, Verdict, accept, refuse

DEFIANCE_SECONDS = 60
_WINDOW = DEFIANCE_SECONDS + 1
"""A window lets a second go when it ends, so that 60 s after a reply are still counted."""
DEADLINE_MARGIN = 5.0


class BatchPolicy:
    """A tenant may have `batches` transactions open, across all its connections. A further MAIL
    waits in line for `batch_wait`, then gets [BATCH-BUSY]. A MAIL on a further connection within
    60 s after that reply is noted as defiance; waiting in line is not. In `observe` mode nothing
    waits.
    """

    name = "batch"

    def __init__(self, waits: bool = True) -> None:
        self._waits = waits

    def deadline(self, t: Transaction) -> float:
        """The wait in line and a margin, so that it is the line that ends the wait."""
        return t.stream.limits.batch_wait + DEADLINE_MARGIN

    def claims_at_mail(self, t: Transaction) -> Sequence[Claim]:
        """A batch, waited for in line if need be; before it, whether [BATCH-BUSY] was given."""
        limits = t.stream.limits
        if not self._waits:
            return (BatchClaim(limits.batches, 0.0),)
        return _claims(t.tenant.name, limits.batches, limits.batch_wait)

    def judge_at_mail(
        self, t: Transaction, claims: Sequence[Claim], granted: Sequence[Granted]
    ) -> Verdict:
        """Refuse when no batch came free; defiance is to ask again while all are open still."""
        batch, shortage = granted[-1], granted[-1].shortage
        was_busy = len(granted) > 1 and granted[0].shortage is not None
        if shortage is None:
            return accept(defiance=True) if was_busy and batch.has_waited else ACCEPT
        if self._waits:
            t.hold.note(_busy(t.tenant.name), 1, _WINDOW)
        noted = {"defiance": True} if was_busy else {}
        wait = t.stream.limits.batch_wait if self._waits else 0.0
        inputs = {"open": shortage.used, "limit": shortage.limit, "seconds": wait}
        reply = replies.BATCH_BUSY.fill(**{**inputs, "seconds": f"{wait:g}"})
        return refuse(reply, "no batch came free", **inputs, **noted)


def _busy(tenant: str) -> str:
    return f"busy:{tenant}"


@lru_cache(4096)
def _claims(tenant: str, batches: int, wait: float) -> tuple[CountClaim, BatchClaim]:
    # Made once: they are the same at every MAIL.
    busy = CountClaim(_busy(tenant), 0, 1, _WINDOW, is_observed=True)
    return busy, BatchClaim(batches, wait)

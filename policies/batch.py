"""One batch at a time: a lease on the tenant's open transactions, waited for in line.

Durations go by the injected monotonic clock. The time of the last [BATCH-BUSY] of each tenant is
kept in this process.
"""

from __future__ import annotations

from gateway import replies
from policies.ports import Batches, Clock, Lease
from policies.transaction import Transaction
from policies.verdict import ACCEPT, Verdict, accept, refuse

DEFIANCE_SECONDS = 60.0
DEADLINE_MARGIN = 5.0


class BatchPolicy:
    """A tenant may have `batches` transactions open, across all its connections. A further MAIL
    waits in line for `batch_wait`, then gets [BATCH-BUSY]. A MAIL on a further connection within
    60 s after that reply is noted as defiance; waiting in line is not. In `observe` mode nothing
    waits.
    """

    name = "batch"
    claims = True

    def __init__(self, batches: Batches, monotonic: Clock, waits: bool = True) -> None:
        self._batches = batches
        self._monotonic = monotonic
        self._waits = waits
        self._busy_at: dict[str, float] = {}

    def deadline(self, t: Transaction) -> float:
        """The wait in line and a margin, so that it is the line that ends the wait."""
        return t.stream.limits.batch_wait + DEADLINE_MARGIN

    async def at_mail(self, t: Transaction) -> Verdict:
        """Take a lease, waiting in line if need be; it is given back as a hold."""
        tenant, limits = t.tenant.name, t.stream.limits
        defiance = self._is_defiance(tenant, limits.batches)
        wait = limits.batch_wait if self._waits else 0.0
        lease = await self._batches.acquire(tenant, limits.batches, wait, t.on_contended)
        if lease is not None:
            t.holds.append(_LeaseHold(lease))
            return accept(defiance=True) if defiance else ACCEPT
        if self._waits:
            self._busy_at[tenant] = self._monotonic()
        inputs = {"open": self._batches.open(tenant), "limit": limits.batches, "seconds": wait}
        reply = replies.BATCH_BUSY.fill(**{**inputs, "seconds": f"{wait:g}"})
        return refuse(
            reply, "no batch came free", **inputs, **({"defiance": True} if defiance else {})
        )

    def _is_defiance(self, tenant: str, limit: int) -> bool:
        """True when [BATCH-BUSY] was given a moment ago and the batches are all open still."""
        busy_at = self._busy_at.get(tenant)
        if busy_at is None:
            return False
        if self._monotonic() - busy_at > DEFIANCE_SECONDS:
            del self._busy_at[tenant]
            return False
        return self._batches.open(tenant) >= limit


class _LeaseHold:
    """A batch as a hold of its transaction."""

    __slots__ = ("_lease",)

    def __init__(self, lease: Lease) -> None:
        self._lease = lease

    async def settle(self, octets: int, recipients: int) -> None:
        """Give the batch back, whatever became of the message."""
        await self._lease.release()

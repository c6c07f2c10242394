"""Whether the tenant and its stream may send at all, and the starter speed.

Asks the rate windows only for a tenant in state `starter`.
"""

from __future__ import annotations

from gateway import replies
from policies.ports import RateWindows
from policies.terms import TenantState
from policies.transaction import Transaction
from policies.verdict import ACCEPT, Verdict, refuse
from policies.wording import HOUR, rate_reply


class TenantStatePolicy:
    """A `closed` tenant is deferred with [TENANT-CLOSED], a `disabled` one refused with
    [TERMINATED], a stream that is not open deferred with [STREAM-CLOSED]. A tenant in state
    `starter` may start `starter_messages_per_hour` messages in any hour, then gets [RATE].
    """

    name = "tenant-state"
    claims = True

    def __init__(self, rates: RateWindows) -> None:
        self._rates = rates

    async def at_mail(self, t: Transaction) -> Verdict:
        """Judge by the state, then by the stream, then by the starter speed."""
        match t.tenant.state:
            case TenantState.DISABLED:
                return refuse(replies.TERMINATED, "the tenant is disabled")
            case TenantState.CLOSED:
                return refuse(replies.TENANT_CLOSED, "the tenant is closed")
            case TenantState.STARTER | TenantState.OPEN:
                pass
        if not t.stream.is_open:
            reply = replies.STREAM_CLOSED.fill(stream=t.stream.name)
            return refuse(reply, "the stream is not open", stream=t.stream.name)
        if t.tenant.state is TenantState.STARTER:
            return await self._count(t)
        return ACCEPT

    async def _count(self, t: Transaction) -> Verdict:
        limit = t.tenant.starter_messages_per_hour
        shortage = await self._rates.take(f"starter:{t.tenant.name}", 1, limit, HOUR)
        if shortage is None:
            return ACCEPT
        reply = rate_reply(shortage, "messages", HOUR, t.now)
        return refuse(reply, "the starter speed is used up", used=shortage.used, limit=limit)

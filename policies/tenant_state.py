"""Whether the tenant and its stream may send at all. Pure."""

from __future__ import annotations

from gateway import replies
from policies.terms import TenantState
from policies.transaction import Transaction
from policies.verdict import ACCEPT, Verdict, refuse


class TenantStatePolicy:
    """A `closed` tenant is deferred with [TENANT-CLOSED], a `disabled` one refused with
    [TERMINATED], a stream that is not open deferred with [STREAM-CLOSED].
    """

    name = "tenant-state"

    def at_mail(self, t: Transaction) -> Verdict:
        """Judge by the state, then by the stream."""
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
        return ACCEPT

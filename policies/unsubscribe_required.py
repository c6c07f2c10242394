"""Whether a list stream that brings its own unsubscribe header pair really does. Pure."""

from __future__ import annotations

from gateway import replies
from gateway.message.header import HeaderView
from gateway.message.received import Message
from gateway.message.unsubscribe_fields import has_valid_pair
from gateway.words import StreamKind
from policies.transaction import Transaction
from policies.verdict import ACCEPT, Verdict, refuse

_PROBLEM = (
    "One List-Unsubscribe with an https address on a host registered for you, and "
    "List-Unsubscribe-Post: List-Unsubscribe=One-Click, are needed"
)


class UnsubscribeRequiredPolicy:
    """Mail on a list stream whose `unsubscribe` is `own` must carry one List-Unsubscribe field with
    an https address, on registered hosts only, and `List-Unsubscribe-Post:
    List-Unsubscribe=One-Click` (RFC 2369, RFC 8058); else [UNSUB-REQUIRED]. Nothing is asked where
    the gateway stamps the pair.
    """

    name = "unsubscribe-required"

    def at_message(self, t: Transaction, message: Message, view: HeaderView) -> Verdict:
        """Judge the pair."""
        if t.stream.kind is not StreamKind.LIST or t.stream.stamps_unsubscribe:
            return ACCEPT
        if has_valid_pair(view, t.tenant.unsubscribe_hosts):
            return ACCEPT
        reply = replies.UNSUB_REQUIRED.fill(problem=_PROBLEM)
        return refuse(reply, "no valid unsubscribe pair", hosts=sorted(t.tenant.unsubscribe_hosts))

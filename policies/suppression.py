"""Whether the records say that a recipient must not be mailed. Pure: reads `Recipient.standing`."""

from __future__ import annotations

from collections.abc import Sequence

from gateway import replies
from gateway.reply import Reply
from policies.transaction import Recipient, Transaction
from policies.verdict import ACCEPT, Verdict, refuse
from suppression.precedence import stopping
from suppression.standing import Reason

REPLIES: dict[Reason, Reply] = {
    Reason.PROTECTED: replies.PROTECTED,
    Reason.ERASURE: replies.UNSUB,
    Reason.OBJECTION: replies.UNSUB,
    Reason.COMPLAINT: replies.COMPLAINT,
    Reason.UNSUBSCRIBE: replies.UNSUB,
    Reason.HARD_BOUNCE: replies.BOUNCED,
    Reason.ROBINSON: replies.UNSUB,
    Reason.SOFT_BOUNCE: replies.BOUNCED,
    Reason.MANUAL: replies.POLICY,
}
"""What the customer reads for each reason that may be disclosed; else [POLICY]."""


class SuppressionPolicy:
    """A recipient whom a live suppression entry stops on this stream is refused: [PROTECTED],
    [UNSUB] (also objections, erasures and Robinson lists), [COMPLAINT], [BOUNCED], or [POLICY]
    where the reason is the operator's own or not to be disclosed.
    """

    name = "suppression"

    def at_rcpt(self, t: Transaction, group: Sequence[Recipient]) -> Sequence[Verdict]:
        """Judge each recipient by its standing."""
        return [_judge(t, r) if r.standing.matches else ACCEPT for r in group]


def _judge(t: Transaction, recipient: Recipient) -> Verdict:
    match = stopping(recipient.standing.matches, t.stream)
    if match is None:
        return ACCEPT
    return refuse(
        REPLIES[match.reason] if match.is_disclosable else replies.POLICY,
        "a suppression entry stops this stream's mail",
        entry=match.entry,
        suppression=str(match.reason),
        scope=match.scope,
    )

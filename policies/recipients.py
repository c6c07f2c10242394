"""How many recipients one message may have. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from gateway import replies
from policies.transaction import Recipient, Transaction
from policies.verdict import ACCEPT, Verdict, refuse


class RecipientsPolicy:
    """A message may have `recipients_per_message` recipients. From the next one on each gets
    [RCPT-LIMIT]; those taken before stand. Recipients that other rules refuse do not count.
    """

    name = "recipients"
    claims = True

    def at_rcpt(self, t: Transaction, group: Sequence[Recipient]) -> Sequence[Verdict]:
        """Accept as many of the group as there is room for."""
        limit = t.stream.limits.recipients_per_message
        room = max(0, limit - len(t.recipients))
        if len(group) <= room:
            return [ACCEPT] * len(group)
        full = refuse(replies.RCPT_LIMIT.fill(limit=limit), "the message is full", limit=limit)
        return [ACCEPT] * room + [full] * (len(group) - room)

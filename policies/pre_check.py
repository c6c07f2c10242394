"""Whether a recipient was pre-checked for its stream. Pure: reads `Recipient.standing`."""

from __future__ import annotations

from collections.abc import Sequence

from gateway import replies
from policies.transaction import Recipient, Transaction
from policies.verdict import ACCEPT, Verdict, refuse

_REFUSED = refuse(replies.PRE_CHECK, "no pre-check that is still valid has cleared the address")


class PreCheckPolicy:
    """A stream with `pre_check: required` mails only recipients whom a pre-check of the last 24
    hours for that very stream has cleared; others get [PRE-CHECK], a deferral, because the same
    mail passes once the list is pre-checked. What has been suppressed since is refused all the
    same.
    """

    name = "pre-check"

    def at_rcpt(self, t: Transaction, group: Sequence[Recipient]) -> Sequence[Verdict]:
        """Judge each recipient by its standing."""
        if not t.stream.needs_pre_check:
            return [ACCEPT] * len(group)
        return [ACCEPT if r.standing.is_cleared else _REFUSED for r in group]

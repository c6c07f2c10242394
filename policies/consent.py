"""Whether a recipient's consent is on record. Pure: reads `Recipient.standing`."""

from __future__ import annotations

from collections.abc import Sequence

from gateway import replies
from policies.transaction import Recipient, Transaction
from policies.verdict import ACCEPT, Verdict, accept, refuse
from suppression.consent import Level


class ConsentPolicy:
    """A stream with a `consent_level` mails only recipients whose proof of consent has at least
    that level; others get [NO-OPTIN]. Where that level is 1 this is only reported until the
    tenant's first attestation is imported.
    """

    name = "consent"

    def at_rcpt(self, t: Transaction, group: Sequence[Recipient]) -> Sequence[Verdict]:
        """Judge each recipient by its standing."""
        level = t.stream.consent_level
        return [ACCEPT if r.standing.consent >= level else _lacks(r, level) for r in group]


def _lacks(recipient: Recipient, level: int) -> Verdict:
    has = recipient.standing.consent
    # What an attestation cannot give need not wait for one: docs/decisions/consent-enforcement.md
    if level <= Level.ATTESTED and not recipient.standing.has_attested:
        return accept(level=has, required=level, attested=False)
    reply = replies.NO_OPTIN.fill(level=level)
    return refuse(reply, "consent is missing", level=has, required=level)

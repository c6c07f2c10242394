"""What an event says of a message's recipients: key, domain, and what became of each.

`told_of` gives one entry for each, in order. What refused or put off a recipient is told with its
enhanced code, and whether it was said to MAIL, and so about the sender. `earlier` marks an outcome
that an earlier try of the message had, which its own event has told already: whoever counts
outcomes counts it there (gateway/feedback/outcomes.py).
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway.ledger.plan import Step
from gateway.relay.answers import without_addresses
from gateway.relay.outcome import Outcome
from policies.transaction import Recipient


def told_of(
    recipients: Sequence[Recipient],
    outcomes: Sequence[Outcome],
    steps: Sequence[Step],
    with_addresses: bool,
) -> list[dict[str, object]]:
    """JSON-able; plain addresses only if asked, and never of who was erased."""
    listed = []
    for recipient, outcome, step in zip(recipients, outcomes, steps, strict=True):
        reply = outcome.reply
        entry: dict[str, object] = {
            "n": recipient.index,
            "key": recipient.standing.key.hex(),
            "domain": recipient.address.domain,
            "state": outcome.state.value,
            "code": reply.code,
            "text": without_addresses(reply.text),
        }
        if not reply.is_positive:
            entry["enhanced"] = reply.enhanced
        if reply.is_of_mail:
            entry["said_to"] = "mail"
        if step is Step.SKIP:
            entry["earlier"] = True
        if with_addresses and not recipient.standing.is_erased:
            entry["address"] = recipient.address.text
        listed.append(entry)
    return listed

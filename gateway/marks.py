"""What marks a copy of ours, so that whoever gives it back names its stream and recipient to us.

Takes the tokens in force, gives a copy's own header fields, its return path and the mailing's token
in Feedback-ID; docs/feedback.md says which discloses what. `gateway.feedback.traces` reads them all
again. Pure; a few microseconds each.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from gateway.message.header import Field
from gateway.message.trace_fields import (
    CFBL_FEEDBACK_ID,
    CONSENTRY_TRACE,
    RETURN_PATH,
    cfbl_feedback_id_field,
    consentry_trace_field,
)
from gateway.message.unsubscribe_fields import UNSUBSCRIBE, unsubscribe_fields
from gateway.smtp.services import Snapshot
from policies.transaction import Recipient, Transaction
from suppression.keys import KEY_OCTETS
from suppression.tokens import Purpose, Tokens


@lru_cache(maxsize=1024)
def mailing_token(tokens: Tokens, stream_number: int, mailing: str) -> str:
    """The token of a mailing, the same in all its copies; its name has 16 octets at most."""
    name = mailing.encode("ascii").ljust(KEY_OCTETS, b"\0")
    return tokens.make(Purpose.MAILING, stream_number, name)


def return_path(
    tokens: Tokens, snapshot: Snapshot, t: Transaction, recipient: Recipient
) -> str | None:
    """MAIL FROM of the copy to `recipient` at the next hop; None where it is the customer's."""
    if not t.stream.verp or t.mail_from is None:
        return None
    token = tokens.make(Purpose.RETURN_PATH, t.stream.number, recipient.standing.key)
    return f"{RETURN_PATH}+{token}@{snapshot.feedback_domain}"


def own_fields(
    tokens: Tokens,
    snapshot: Snapshot,
    stream_number: int,
    recipient: Recipient,
    names: Sequence[bytes],
) -> list[Field]:
    """The fields that the copy to `recipient` brings: those of `names` (`Stamped.own`)."""
    if not names:
        return []
    key = recipient.standing.key
    fields: list[Field] = []
    if UNSUBSCRIBE in names:
        token = tokens.make(Purpose.UNSUBSCRIBE, stream_number, key)
        domain = snapshot.mailto_domain
        mailto = f"mailto:u+{token}@{domain}" if domain else ""
        fields += unsubscribe_fields(f"{snapshot.unsubscribe_url}/{token}", mailto)
    token = tokens.make(Purpose.FEEDBACK, stream_number, key)
    if CONSENTRY_TRACE in names:
        fields.append(consentry_trace_field(token))
    if CFBL_FEEDBACK_ID in names:
        fields.append(cfbl_feedback_id_field(token))
    return fields

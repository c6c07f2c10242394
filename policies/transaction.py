"""What policies see of one SMTP transaction: the envelope so far, and what they hold for it.

A `Transaction` is made at MAIL and ends after the relay has ended. All that is limited (a batch,
octets, counts) is claimed through its one `hold`, which whoever ends the transaction settles.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from gateway.words import Address, Body
from policies.claims import NOTHING, Hold
from policies.terms import StreamTerms, TenantTerms
from suppression.standing import Standing


@dataclass(slots=True)
class Recipient:
    """One RCPT. `standing` is what the records say about the address, filled before policies."""

    index: int
    address: Address
    standing: Standing


@dataclass(slots=True)
class Transaction:
    """One transaction's envelope. `mail_from` is None for the empty sender `<>`.

    `now` is Unix seconds at MAIL; `recipients` are those accepted so far (by us and by the next
    hop); `asked` counts every RCPT of the transaction; `mailing` is known once something was
    claimed at MAIL. Without a `hold` of its own it can only be judged, not claim anything.
    """

    ref: str
    session: str
    client: str
    tenant: TenantTerms
    stream: StreamTerms
    mail_from: Address | None
    now: float
    size: int | None = None
    body: Body = Body.SEVEN_BIT
    smtputf8: bool = False
    mailing: str = ""
    asked: int = 0
    recipients: list[Recipient] = field(default_factory=list)
    hold: Hold = NOTHING

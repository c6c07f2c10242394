"""What policies see of one SMTP transaction: the envelope so far, and what they hold for it.

A `Transaction` is made at MAIL and ends after the relay has ended. Policies that claim something
(a batch, bytes) append a `Hold`; the session settles every hold exactly once at the end, whatever
happened.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from gateway.words import Address, Body
from policies.terms import StreamTerms, TenantTerms
from suppression.standing import Standing


class Hold(Protocol):
    """Something claimed for a transaction. `settle` is called once, at the very end."""

    async def settle(self, octets: int, recipients: int) -> None:
        """Give back what was not used: `octets` and `recipients` are what the next hop took."""


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
    hop); `asked` counts every RCPT of the transaction; `on_contended` is what a batch lease calls
    when another connection of the tenant starts (True) or stops (False) to wait for this one.
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
    holds: list[Hold] = field(default_factory=list)
    on_contended: Callable[[bool], None] = lambda _waiting: None


async def settle(transaction: Transaction, octets: int, recipients: int) -> list[str]:
    """Settle every hold once, whatever another one does; what went wrong, if anything."""
    holds, transaction.holds = transaction.holds, []
    problems = []
    for hold in holds:
        try:
            await hold.settle(octets, recipients)
        except Exception as problem:  # one hold's fault must not keep the others
            problems.append(f"{type(problem).__name__}: {problem}")
    return problems

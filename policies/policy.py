"""What a policy is: a class with a name and a method for each stage it judges.

A policy answers `Verdict`s and raises only `StoreUnavailable`; whatever else it raises is a fault
of ours, and the pipeline defers. Its class docstring is its manual entry in docs/policies.md.

A stage's method that needs no store is a plain function: no coroutine is made for it.

- `claims = True`: it takes something limited (a batch, octets, a count), so it is asked after the
  other policies of its stage and only when none of them refused.
- `deadline(t)`: seconds it may take, where that is more than the configured deadline.
- `confirm`: asked once the message is stamped, before any copy goes out.
"""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from typing import Any, Protocol, TypeAlias, TypeVar, runtime_checkable

from gateway.message.header import HeaderView
from gateway.message.received import Message
from policies.transaction import Recipient, Transaction
from policies.verdict import Verdict

T = TypeVar("T")
Answer: TypeAlias = T | Coroutine[Any, Any, T]
"""A method may be `def` or `async def`."""


class Named(Protocol):
    """Every policy has a name, the one it is configured by."""

    name: str


class MailPolicy(Named, Protocol):
    """Judges at MAIL."""

    def at_mail(self, t: Transaction) -> Answer[Verdict]:
        """Whether this transaction may begin."""


class RcptPolicy(Named, Protocol):
    """Judges at RCPT, a pipelined group at a time."""

    def at_rcpt(self, t: Transaction, group: Sequence[Recipient]) -> Answer[Sequence[Verdict]]:
        """One verdict for each of the group, in order; `t.recipients` are those accepted before."""


class MessagePolicy(Named, Protocol):
    """Judges the message exactly as it was received."""

    def at_message(self, t: Transaction, message: Message, view: HeaderView) -> Answer[Verdict]:
        """Whether this message may go to the recipients of the transaction."""


class ConfirmPolicy(Named, Protocol):
    """Judges what is about to be relayed."""

    def confirm(self, t: Transaction, octets_per_copy: int, copies: int) -> Answer[Verdict]:
        """Whether that many copies of the stamped message may go out."""


Policy = MailPolicy | RcptPolicy | MessagePolicy | ConfirmPolicy
"""A policy judges at one stage at least."""


@runtime_checkable
class Patient(Protocol):
    """A policy that may take longer than the configured deadline."""

    def deadline(self, t: Transaction) -> float:
        """Seconds it may take for this transaction."""

"""What a policy is: a class with a name and methods for each stage it judges.

A policy answers `Verdict`s and raises only `StoreUnavailable`; whatever else it raises is a fault
of ours, and the pipeline defers. Its class docstring is its manual entry in docs/policies.md.

A stage's method that needs no store is a plain function: no coroutine is made for it.

A policy that takes something limited (a batch, octets, a count) says at a stage what it claims, and
judges what it was granted. It is asked after the other policies of the stage, and only about what
none of them refused; all claims of a stage are asked for at once. Instead of claims it may give a
`Verdict`; where it claims nothing it accepts.

- `claims = True`: what it says by itself, too, it is only asked then, behind the other policies and
  before the claims.
- `deadline(t)`: seconds it may take, its claims included, where that is more than configured.
- `confirm` is the stage once the message is stamped, before any copy goes out.
"""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from typing import Any, Protocol, TypeAlias, TypeVar, runtime_checkable

from gateway.message.header import HeaderView
from gateway.message.received import Message
from policies.claims import Claim, Granted
from policies.transaction import Recipient, Transaction
from policies.verdict import Verdict

T = TypeVar("T")
C = TypeVar("C", bound=Claim)
Answer: TypeAlias = T | Coroutine[Any, Any, T]
"""A method may be `def` or `async def`."""
Wanted: TypeAlias = Answer[Sequence[C] | Verdict]
"""What a policy claims, or its verdict without that."""


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


class MailClaimant(Named, Protocol[C]):
    """Claims at MAIL."""

    def claims_at_mail(self, t: Transaction) -> Wanted[C]:
        """What this transaction needs to begin."""

    def judge_at_mail(
        self, t: Transaction, claims: Sequence[C], granted: Sequence[Granted]
    ) -> Verdict:
        """Whether it may begin; `granted` is shorter than `claims` after a refused one."""


class RcptClaimant(Named, Protocol[C]):
    """Claims at RCPT, for a pipelined group at a time."""

    def claims_at_rcpt(self, t: Transaction, group: Sequence[Recipient]) -> Wanted[C]:
        """What the group needs, a unit for each; `t.recipients` are those accepted before."""

    def judge_at_rcpt(
        self,
        t: Transaction,
        group: Sequence[Recipient],
        claims: Sequence[C],
        granted: Sequence[Granted],
    ) -> Sequence[Verdict]:
        """One verdict for each of the group, in order; whom it refuses are the last ones.

        The group may have become smaller since, and what was granted with it.
        """


class ConfirmClaimant(Named, Protocol[C]):
    """Claims for what is about to be relayed."""

    def claims_at_confirm(self, t: Transaction, octets_per_copy: int, copies: int) -> Wanted[C]:
        """What that many copies of the stamped message need."""

    def judge_at_confirm(
        self,
        t: Transaction,
        octets_per_copy: int,
        copies: int,
        claims: Sequence[C],
        granted: Sequence[Granted],
    ) -> Verdict:
        """Whether they may go out."""


Policy = (
    MailPolicy
    | RcptPolicy
    | MessagePolicy
    | MailClaimant[Any]
    | RcptClaimant[Any]
    | ConfirmClaimant[Any]
)
"""A policy judges at one stage at least."""


@runtime_checkable
class Patient(Protocol):
    """A policy that may take longer than the configured deadline."""

    def deadline(self, t: Transaction) -> float:
        """Seconds it may take for this transaction."""

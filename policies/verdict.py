"""What a policy answers: accept, defer or reject, with the public reply and the private reason.

The two texts never mix: `reply` is what the customer reads, `reason` and `inputs` go to the event
record only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from gateway.reply import Reply


class Decision(Enum):
    """The order matters: a permanent refusal beats a temporary one, which beats acceptance."""

    ACCEPT = 0
    DEFER = 1
    REJECT = 2


@dataclass(frozen=True, slots=True)
class Verdict:
    """One policy's answer. `inputs` are the values it judged by, small and JSON-able.

    A refusal in `confirm` may say how many of the copies can go all the same: `fits`.
    """

    decision: Decision
    reply: Reply | None = None
    reason: str = ""
    inputs: Mapping[str, object] = field(default_factory=dict)
    fits: int = 0

    def __post_init__(self) -> None:
        if self.decision is Decision.ACCEPT:
            if self.reply is not None:
                raise ValueError("an accepting verdict carries no reply")
        elif self.reply is None:
            raise ValueError("a refusing verdict needs a reply")
        elif self.reply.is_permanent != (self.decision is Decision.REJECT):
            raise ValueError(f"{self.decision.name} does not fit a {self.reply.code} reply")


ACCEPT = Verdict(Decision.ACCEPT)
"""The shared plain acceptance; make one with `accept()` only to record inputs."""


def accept(**inputs: object) -> Verdict:
    """An acceptance that records what it was judged by."""
    return Verdict(Decision.ACCEPT, inputs=inputs)


def refuse(reply: Reply, reason: str, **inputs: object) -> Verdict:
    """A refusal; whether it defers or rejects follows from the reply's code."""
    decision = Decision.REJECT if reply.is_permanent else Decision.DEFER
    return Verdict(decision, reply, reason, inputs)

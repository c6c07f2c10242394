"""All recipients' outcomes come down to one reply, and to whom a bounce is owed. Pure.

A message has one reply at its end but many recipients. The customer gets 250 only when each copy
was taken or its refusal is told to the sender by a DSN; as long as a copy may still be missing it
gets a 4xx, and its software's retry sends what is missing (design: the ledger).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import assert_never

from gateway.relay.outcome import HopReply, Outcome, State
from gateway.replies import NEXT_HOP_SILENT, PARTIAL, TEMP
from gateway.reply import Reply

ReplyFor = Callable[[HopReply], Reply]
"""The next hop's words as our reply (`gateway.relay.answers.reply_for`)."""

TAKEN = Reply(250, "2.0.0", "", "Taken by the next server")


@dataclass(frozen=True, slots=True)
class Refusal:
    """A recipient (by its index) that the next hop refused for good, with our form of its words."""

    index: int
    reply: Reply


@dataclass(frozen=True, slots=True)
class Answer:
    """`reply` is for the customer once a DSN naming every one of `bounce` has been taken.

    With an empty `bounce` it is due at once; when the DSN is not taken, the answer is
    `partial(outcomes)`.
    """

    reply: Reply
    bounce: tuple[Refusal, ...] = ()


def conclude(outcomes: Sequence[Outcome], reply_for: ReplyFor, has_sender: bool) -> Answer:
    """The answer for a message from what became of each of its recipients (at least one).

    `has_sender` is False for MAIL FROM:<>, to which nothing may be bounced (RFC 5321 section 6.1).
    A refusal that `reply_for` makes temporary (the next hop refuses *us*) counts as put off.
    """
    taken = 0
    refusals: list[Refusal] = []
    deferrals: list[Reply] = []
    unclear = 0
    for index, outcome in enumerate(outcomes):
        match outcome.state:
            case State.TAKEN:
                taken += 1
            case State.UNKNOWN | State.IN_FLIGHT:
                unclear += 1
            case State.REFUSED | State.DEFERRED as state:
                reply = reply_for(outcome.reply)
                if reply.is_temporary:
                    deferrals.append(reply)
                elif state is State.REFUSED:
                    refusals.append(Refusal(index, reply))
                else:
                    deferrals.append(TEMP)
            case never:
                assert_never(never)
    if ((deferrals or unclear) and taken) or (deferrals and unclear):
        return Answer(partial(outcomes))
    if unclear:
        return Answer(NEXT_HOP_SILENT)
    if deferrals:
        return Answer(deferrals[0])
    if not taken:
        return Answer(refusals[0].reply)
    return Answer(TAKEN, tuple(refusals) if has_sender else ())


def partial(outcomes: Sequence[Outcome]) -> Reply:
    """451 4.4.0 [PARTIAL] with the numbers filled in."""
    taken = sum(outcome.state is State.TAKEN for outcome in outcomes)
    return PARTIAL.fill(taken=taken, total=len(outcomes))

"""What the policies of one stage have in common: how each is asked, and how verdicts combine.

The first permanent refusal wins, else the first temporary one; a refusal in `observe` mode is only
noted in the trail. `within` gives an answer its time, `fault` is the verdict when none came.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator, Sequence
from time import monotonic
from types import coroutine
from typing import Any, TypeVar

from gateway import replies
from gateway.reply import Reply
from gateway.words import Mode
from policies.policy import Patient, Policy
from policies.transaction import Transaction
from policies.verdict import ACCEPT, Decision, Verdict, refuse

T = TypeVar("T")

Trail = list[dict[str, object]]
"""What each policy said: policy, decision, tag, reason, inputs, observed. Entries are shared."""

Alarm = Callable[[str, str], None]
"""Told (policy, what went wrong)."""


class Step:
    """One policy at one stage, with what never changes about it worked out beforehand.

    `ask` is its method for what it says by itself: its verdict, or, for one that claims, its
    claims, which it then judges by `judge`.
    """

    __slots__ = ("ask", "claims", "deadline", "judge", "name", "observed", "plain", "seconds")

    def __init__(self, policy: Policy, mode: Mode, ask: str, judge: str, seconds: float) -> None:
        self.name = policy.name
        self.observed = mode is Mode.OBSERVE
        self.claims: bool = getattr(policy, "claims", False)
        self.ask: Callable[..., Any] = getattr(policy, ask)
        self.judge: Callable[..., Any] = getattr(policy, judge)
        self.seconds = seconds
        self.deadline: Callable[[Transaction], float] = (
            policy.deadline if isinstance(policy, Patient) else lambda _: seconds
        )
        self.plain = entry(self.name, ACCEPT, self.observed)
        """The usual trail entry, made once and shared."""

    def check_time(self, t: Transaction, began: float) -> None:
        """Raise TimeoutError when the answer is late; who never suspends cannot be stopped."""
        taken = monotonic() - began
        if taken > self.seconds and taken > self.deadline(t):
            raise TimeoutError


def judges(policies: Sequence[tuple[Policy, Mode]], stage: str, seconds: float) -> tuple[Step, ...]:
    """The policies that judge at `stage` by themselves: in order, but those that claim after all
    others. Each has so many seconds."""
    ask = f"at_{stage}"
    steps = [
        Step(policy, mode, ask, ask, seconds) for policy, mode in policies if hasattr(policy, ask)
    ]
    return tuple(sorted(steps, key=lambda step: step.claims))


def claimants(
    policies: Sequence[tuple[Policy, Mode]], stage: str, seconds: float
) -> tuple[Step, ...]:
    """Those that claim something there, in order."""
    ask, judge = f"claims_at_{stage}", f"judge_at_{stage}"
    return tuple(
        Step(policy, mode, ask, judge, seconds) for policy, mode in policies if hasattr(policy, ask)
    )


def entry(policy: str, verdict: Verdict, observed: bool = False) -> dict[str, object]:
    """One entry of a trail."""
    return {
        "policy": policy,
        "decision": verdict.decision.name.lower(),
        "tag": verdict.reply.tag if verdict.reply else "",
        "reason": verdict.reason,
        "inputs": dict(verdict.inputs),
        "observed": observed,
    }


class Case:
    """The combination for one subject: a transaction, a recipient or a message."""

    __slots__ = ("fits", "is_ended", "reply", "trail")

    def __init__(self) -> None:
        self.reply: Reply | None = None
        self.fits = 0
        self.is_ended = False
        """A permanent refusal: whatever another says, it stands."""
        self.trail: Trail = []

    def concerns(self, step: Step) -> bool:
        """Whether the policy is still to be asked about it."""
        return self.reply is None or not (self.is_ended or step.claims)

    def hear(self, step: Step, verdict: Verdict) -> None:
        """Take one verdict into account."""
        if verdict is ACCEPT:
            self.trail.append(step.plain)
            return
        self.trail.append(entry(step.name, verdict, step.observed))
        if verdict.decision is Decision.ACCEPT or step.observed:
            return
        if self.reply is None or verdict.decision is Decision.REJECT:
            self.reply, self.fits = verdict.reply, verdict.fits
            self.is_ended = verdict.decision is Decision.REJECT


def fault(alarm: Alarm, name: str, error: Exception) -> Verdict:
    """The verdict of a policy that failed; `alarm` is told."""
    what = "no answer in time"
    if not isinstance(error, TimeoutError):
        what = f"{type(error).__name__}: {error}"
    alarm(name, what)
    return refuse(replies.TEMP, what)


def check_verdict(verdict: object) -> None:
    """Raise TypeError when an answer is none."""
    if verdict.__class__ is not Verdict:
        raise TypeError(f"answered {verdict!r:.80}, not a Verdict")


def check_verdicts(verdicts: Sequence[object], count: int) -> None:
    """The same for a group of so many recipients."""
    if len(verdicts) != count:
        raise TypeError(f"answered {len(verdicts)} verdicts for {count} recipients")
    for verdict in verdicts:
        if verdict is not ACCEPT:
            check_verdict(verdict)


async def within(
    deadline: Callable[[Transaction], float], t: Transaction, work: Coroutine[Any, Any, T]
) -> T:
    """The result of `work`, or TimeoutError. Nearly all of it ends at its first step; taken by
    hand, that needs no timer."""
    try:
        waits_for = work.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    async with asyncio.timeout(deadline(t)):
        return await _rest(work, waits_for)


@coroutine
def _rest(work: Coroutine[Any, Any, T], waits_for: object) -> Generator[Any, Any, T]:
    """Go on with a coroutine whose first step has been taken and waits for `waits_for`."""
    try:
        while True:
            try:
                value = yield waits_for
            except GeneratorExit:
                work.close()
                raise
            except BaseException as error:
                waits_for = work.throw(error)
            else:
                waits_for = work.send(value)
    except StopIteration as stop:
        result: T = stop.value
        return result

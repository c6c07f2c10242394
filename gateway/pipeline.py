"""Runs the policies of one stage and combines their verdicts into one ruling.

Policies are asked in configured order; the first permanent refusal wins and ends the stage, else
the first temporary one counts. Policies that claim something come after the others, only for what
nobody refused, and end at the first refusal. What raises, runs late or answers nonsense defers with
[TEMP] and is named in the trail and to `alarm`; a refusal in `observe` mode is only noted. Raises
nothing itself, so it is never "no objection" when something breaks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterable, Sequence
from dataclasses import dataclass
from types import coroutine
from typing import Any, TypeVar

from gateway import replies
from gateway.message.header import HeaderView
from gateway.message.received import Message
from gateway.replies import Reply
from gateway.words import Address, Mode
from policies.policy import Patient, Policy
from policies.ports import Standings
from policies.transaction import Recipient, Transaction
from policies.verdict import ACCEPT, Decision, Verdict, refuse

T = TypeVar("T")

Trail = list[dict[str, object]]
"""What each policy said: policy, decision, tag, reason, inputs, observed. Entries are shared."""

Alarm = Callable[[str, str], None]
"""Told (policy, what went wrong)."""


@dataclass(frozen=True, slots=True)
class Ruling:
    """What the policies of one stage came to; `reply` is None when none objects."""

    reply: Reply | None
    trail: Trail


class _Step:
    """One policy at one stage, with what never changes about it worked out beforehand."""

    __slots__ = ("_plain", "ask", "claims", "deadline", "name", "observed")

    def __init__(self, policy: Policy, mode: Mode, ask: Callable[..., Any], seconds: float) -> None:
        self.name = policy.name
        self.observed = mode is Mode.OBSERVE
        self.claims: bool = getattr(policy, "claims", False)
        self.ask = ask
        self.deadline: Callable[[Transaction], float] = (
            policy.deadline if isinstance(policy, Patient) else lambda _: seconds
        )
        self._plain = self._make_entry(ACCEPT)

    def entry(self, verdict: Verdict) -> dict[str, object]:
        """The trail entry for `verdict`; the usual one is made once and shared."""
        return self._plain if verdict is ACCEPT else self._make_entry(verdict)

    def _make_entry(self, verdict: Verdict) -> dict[str, object]:
        return {
            "policy": self.name,
            "decision": verdict.decision.name.lower(),
            "tag": verdict.reply.tag if verdict.reply else "",
            "reason": verdict.reason,
            "inputs": dict(verdict.inputs),
            "observed": self.observed,
        }


class _Case:
    """The combination for one subject: a transaction, a recipient or a message."""

    __slots__ = ("ended", "reply", "trail")

    def __init__(self) -> None:
        self.reply: Reply | None = None
        self.ended = False
        self.trail: Trail = []

    def hear(self, step: _Step, verdict: Verdict) -> None:
        """Take one verdict into account."""
        self.trail.append(step.entry(verdict))
        if verdict.decision is Decision.ACCEPT or step.observed:
            return
        if verdict.decision is Decision.REJECT or step.claims:
            self.reply, self.ended = verdict.reply, True
        elif self.reply is None:
            self.reply = verdict.reply

    def concerns(self, step: _Step) -> bool:
        """Whether the policy is still to be asked."""
        return not self.ended and not (step.claims and self.reply is not None)

    def ruling(self) -> Ruling:
        return Ruling(self.reply, self.trail)


class Pipeline:
    """The configured policies with their modes. `deadline` is in seconds, for each policy."""

    def __init__(
        self,
        policies: Sequence[tuple[Policy, Mode]],
        standings: Standings,
        deadline: float,
        alarm: Alarm = lambda _policy, _what: None,
    ) -> None:
        self._standings = standings
        self._deadline = deadline
        self._alarm = alarm
        self._mail = _steps(policies, "at_mail", deadline)
        self._rcpt = _steps(policies, "at_rcpt", deadline)
        self._message = _steps(policies, "at_message", deadline)
        self._confirm = _steps(policies, "confirm", deadline)

    async def mail(self, t: Transaction) -> Ruling:
        """May the transaction begin? Whatever was claimed is in `t.holds`, also when refused."""
        return await self._judge(self._mail, t)

    async def rcpt(
        self, t: Transaction, addresses: Sequence[Address]
    ) -> list[tuple[Recipient | None, Ruling]]:
        """May these recipients be mailed? One ruling each; no Recipient when records are away.

        Changes nothing in `t`; `t.asked` before the call is the index of the first.
        """
        try:
            standings = await _within(self._deadline, self._standings.look_up(t.stream, addresses))
            group = [
                Recipient(t.asked + i, address, standing)
                for i, (address, standing) in enumerate(zip(addresses, standings, strict=True))
            ]
        except Exception as error:
            self._alarm("standings", _what(error))
            reason = {"policy": "standings", "decision": "defer", "tag": replies.TEMP.tag}
            away = Ruling(replies.TEMP, [{**reason, "reason": _what(error), "inputs": {}}])
            return [(None, away)] * len(addresses)
        cases = [_Case() for _ in group]
        for step in self._rcpt:
            live = [i for i, case in enumerate(cases) if case.concerns(step)]
            if live:
                verdicts = await self._ask_group(step, t, [group[i] for i in live])
                for i, verdict in zip(live, verdicts, strict=True):
                    cases[i].hear(step, verdict)
        return [(one, case.ruling()) for one, case in zip(group, cases, strict=True)]

    async def message(self, t: Transaction, message: Message, view: HeaderView) -> Ruling:
        """May this message go, exactly as it was received?"""
        return await self._judge(self._message, t, message, view)

    async def confirm(self, t: Transaction, octets_per_copy: int, copies: int) -> Ruling:
        """May that many copies of the stamped message go out? Ask before the first one does."""
        return await self._judge(self._confirm, t, octets_per_copy, copies)

    async def _judge(self, steps: Iterable[_Step], t: Transaction, *subject: object) -> Ruling:
        case = _Case()
        for step in steps:
            if case.concerns(step):
                try:
                    verdict = await _within(step.deadline(t), step.ask(t, *subject))
                    if not isinstance(verdict, Verdict):
                        raise TypeError(f"answered {type(verdict).__name__}, not a Verdict")
                except Exception as error:
                    verdict = self._failed(step, error)
                case.hear(step, verdict)
        return case.ruling()

    async def _ask_group(
        self, step: _Step, t: Transaction, group: Sequence[Recipient]
    ) -> Sequence[Verdict]:
        try:
            verdicts: Sequence[Verdict] = await _within(step.deadline(t), step.ask(t, group))
            if len(verdicts) != len(group):
                raise TypeError(f"answered {len(verdicts)} verdicts for {len(group)} recipients")
            for verdict in verdicts:
                if not isinstance(verdict, Verdict):
                    raise TypeError(f"answered {type(verdict).__name__}, not a Verdict")
        except Exception as error:
            return [self._failed(step, error)] * len(group)
        return verdicts

    def _failed(self, step: _Step, error: Exception) -> Verdict:
        self._alarm(step.name, _what(error))
        return refuse(replies.TEMP, _what(error))


def _steps(policies: Sequence[tuple[Policy, Mode]], stage: str, seconds: float) -> list[_Step]:
    """The policies that judge at `stage`: in order, but those that claim after all others."""
    steps = [
        _Step(policy, mode, ask, seconds)
        for policy, mode in policies
        if (ask := getattr(policy, stage, None)) is not None
    ]
    return sorted(steps, key=lambda step: step.claims)


def _what(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return f"{type(error).__name__}: {error}"


async def _within(seconds: float, work: Awaitable[T]) -> T:
    """The result of `work`, or TimeoutError. Nearly all of it ends without suspending: a first step
    by hand spares those the timer."""
    if not isinstance(work, Coroutine):
        raise TypeError(f"answered {type(work).__name__}, not a coroutine")
    try:
        waits_for = work.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    async with asyncio.timeout(seconds):
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

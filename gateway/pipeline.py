"""Runs the policies of one stage and combines their verdicts into one ruling.

Policies are asked in configured order; the first permanent refusal wins and ends the stage, else
the first temporary one counts. Policies that claim something come after the others, only for what
nobody refused, and end at the first refusal. What raises, runs late or answers nonsense defers with
[TEMP] and is named in the trail and to `alarm`; a refusal in `observe` mode is only noted. Raises
nothing itself, so it is never "no objection" when something breaks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator, Sequence
from time import monotonic
from types import CoroutineType, coroutine
from typing import Any, NamedTuple, TypeVar

from gateway import replies
from gateway.message.header import HeaderView
from gateway.message.received import Message
from gateway.reply import Reply
from gateway.words import Address, Mode
from policies.policy import Patient, Policy
from policies.ports import Standings
from policies.transaction import Recipient, Transaction
from policies.verdict import ACCEPT, Decision, Verdict, refuse
from suppression.standing import Standing

T = TypeVar("T")

Trail = list[dict[str, object]]
"""What each policy said: policy, decision, tag, reason, inputs, observed. Entries are shared."""

Alarm = Callable[[str, str], None]
"""Told (policy, what went wrong)."""


class Ruling(NamedTuple):
    """What the policies of one stage came to; `reply` is None when none objects.

    When one objects to that many copies, `fits` is how many may go all the same.
    """

    reply: Reply | None
    trail: Trail
    fits: int = 0


class _Step:
    """One policy at one stage, with what never changes about it worked out beforehand."""

    __slots__ = ("ask", "claims", "deadline", "name", "observed", "plain")

    def __init__(self, policy: Policy, mode: Mode, stage: str, seconds: float) -> None:
        self.name = policy.name
        self.observed = mode is Mode.OBSERVE
        self.claims: bool = getattr(policy, "claims", False)
        self.ask: Callable[..., Any] = getattr(policy, stage)
        self.deadline: Callable[[Transaction], float] = (
            policy.deadline if isinstance(policy, Patient) else lambda _: seconds
        )
        self.plain = _entry(self.name, ACCEPT, self.observed)
        """The usual trail entry, made once and shared."""

    def check_time(self, t: Transaction, began: float) -> None:
        """Raise TimeoutError when the answer is late; who never suspends cannot be stopped."""
        if monotonic() - began > self.deadline(t):
            raise TimeoutError


def _entry(policy: str, verdict: Verdict, observed: bool = False) -> dict[str, object]:
    return {
        "policy": policy,
        "decision": verdict.decision.name.lower(),
        "tag": verdict.reply.tag if verdict.reply else "",
        "reason": verdict.reason,
        "inputs": dict(verdict.inputs),
        "observed": observed,
    }


class _Case:
    """The combination for one subject: a transaction, a recipient or a message."""

    __slots__ = ("ended", "fits", "reply", "trail")

    def __init__(self) -> None:
        self.reply: Reply | None = None
        self.fits = 0
        self.ended = False
        self.trail: Trail = []

    def hear(self, step: _Step, verdict: Verdict) -> None:
        """Take one verdict other than the plain acceptance into account."""
        self.trail.append(_entry(step.name, verdict, step.observed))
        if verdict.decision is Decision.ACCEPT or step.observed:
            return
        if verdict.decision is Decision.REJECT or step.claims:
            self.reply, self.fits, self.ended = verdict.reply, verdict.fits, True
        elif self.reply is None:
            self.reply, self.fits = verdict.reply, verdict.fits

    def concerns(self, step: _Step) -> bool:
        """Whether the policy is still to be asked about it."""
        return self.reply is None or not (self.ended or step.claims)


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
            standings = await self._look_up(t, addresses)
        except Exception as error:
            self._alarm("standings", _what(error))
            away = Ruling(replies.TEMP, [_entry("standings", refuse(replies.TEMP, _what(error)))])
            return [(None, away)] * len(addresses)
        group = [
            Recipient(index, address, standing)
            for index, (address, standing) in enumerate(
                zip(addresses, standings, strict=True), start=t.asked
            )
        ]
        cases = await self._judge_group(t, group)
        return [
            (recipient, Ruling(case.reply, case.trail))
            for recipient, case in zip(group, cases, strict=True)
        ]

    async def message(self, t: Transaction, message: Message, view: HeaderView) -> Ruling:
        """May this message go, exactly as it was received?"""
        return await self._judge(self._message, t, message, view)

    async def confirm(self, t: Transaction, octets_per_copy: int, copies: int) -> Ruling:
        """May that many copies of the stamped message go out? Ask before the first one does."""
        return await self._judge(self._confirm, t, octets_per_copy, copies)

    async def _look_up(self, t: Transaction, addresses: Sequence[Address]) -> Sequence[Standing]:
        looking_up = self._standings.look_up(t.stream, addresses)
        standings = await _within(lambda _: self._deadline, t, looking_up)
        if len(standings) != len(addresses):
            raise ValueError(f"answered {len(standings)} standings for {len(addresses)} addresses")
        return standings

    async def _judge(self, steps: Sequence[_Step], t: Transaction, *subject: object) -> Ruling:
        """The ruling on the one subject of a stage."""
        case = _Case()
        for step in steps:
            if case.reply is None or case.concerns(step):
                try:
                    began = monotonic()
                    verdict = step.ask(t, *subject)
                    if verdict.__class__ is CoroutineType:
                        verdict = await _within(step.deadline, t, verdict)
                    step.check_time(t, began)
                    if verdict is ACCEPT:  # the usual case, kept short
                        case.trail.append(step.plain)
                        continue
                    if verdict.__class__ is not Verdict:
                        raise TypeError(f"answered {verdict!r:.80}, not a Verdict")
                except Exception as error:
                    verdict = self._failed(step, error)
                case.hear(step, verdict)
        return Ruling(case.reply, case.trail, case.fits)

    async def _judge_group(self, t: Transaction, group: Sequence[Recipient]) -> list[_Case]:
        """The same for each of a group of recipients, about whom every policy is asked at once."""
        cases = [_Case() for _ in group]
        live, asked_about = cases, group
        all_stand = True
        for step in self._rcpt:
            if not all_stand:
                live = [case for case in cases if case.concerns(step)]
                asked_about = [
                    one for one, case in zip(group, cases, strict=True) if case.concerns(step)
                ]
            if not live:
                continue
            try:
                began = monotonic()
                verdicts = step.ask(t, asked_about)
                if verdicts.__class__ is CoroutineType:
                    verdicts = await _within(step.deadline, t, verdicts)
                step.check_time(t, began)
                verdicts = list(verdicts)
                if len(verdicts) != len(live):
                    raise TypeError(f"answered {len(verdicts)} verdicts for {len(live)} recipients")
                for verdict in verdicts:
                    if verdict.__class__ is not Verdict:
                        raise TypeError(f"answered {verdict!r:.80}, not a Verdict")
            except Exception as error:
                verdicts = [self._failed(step, error)] * len(live)
            for case, verdict in zip(live, verdicts, strict=True):
                if verdict is ACCEPT:
                    case.trail.append(step.plain)
                else:
                    case.hear(step, verdict)
                    all_stand = all_stand and case.reply is None
        return cases

    def _failed(self, step: _Step, error: Exception) -> Verdict:
        self._alarm(step.name, _what(error))
        return refuse(replies.TEMP, _what(error))


def _steps(policies: Sequence[tuple[Policy, Mode]], stage: str, seconds: float) -> list[_Step]:
    """The policies that judge at `stage`: in order, but those that claim after all others."""
    steps = [
        _Step(policy, mode, stage, seconds) for policy, mode in policies if hasattr(policy, stage)
    ]
    return sorted(steps, key=lambda step: step.claims)


def _what(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return f"{type(error).__name__}: {error}"


async def _within(
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

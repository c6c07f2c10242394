"""Runs the policies of one stage and combines their verdicts into one ruling.

Policies are asked in configured order; the first permanent refusal wins and ends the stage, else
the first temporary one counts. Policies that claim something come after the others, only for what
nobody refused: what all of them claim is asked for at once, then each judges what it was granted,
up to the first refusal. What raises, runs late or answers nonsense defers with [TEMP] and is named
in the trail and to `alarm`; a refusal in `observe` mode is only noted. Raises nothing itself, so it
is never "no objection" when something breaks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import monotonic
from types import CoroutineType
from typing import NamedTuple

from gateway.claiming import Claimants
from gateway.message.header import HeaderView
from gateway.message.received import Message
from gateway.reply import Reply
from gateway.stage import (
    Alarm,
    Case,
    Step,
    Trail,
    check_verdict,
    check_verdicts,
    claimants,
    entry,
    fault,
    judges,
    within,
)
from gateway.words import Address, Mode
from policies.policy import Policy
from policies.ports import Standings
from policies.transaction import Recipient, Transaction
from policies.verdict import ACCEPT
from suppression.standing import Standing


class Ruling(NamedTuple):
    """What the policies of one stage came to; `reply` is None when none objects.

    When one objects to that many copies, `fits` is how many may go all the same.
    """

    reply: Reply | None
    trail: Trail
    fits: int = 0


class Pipeline:
    """The configured policies with their modes. `deadline` is in seconds, for each policy."""

    def __init__(
        self,
        policies: Sequence[tuple[Policy, Mode]],
        standings: Standings,
        deadline: float,
        alarm: Alarm = lambda _policy, _what: None,
        is_stale: Callable[[], bool] = lambda: False,
    ) -> None:
        """`is_stale` says whether what the policies went by at MAIL has changed meanwhile."""
        self._standings = standings
        self._deadline = deadline
        self._alarm = alarm
        self._is_stale = is_stale
        self._mail = judges(policies, "mail", deadline)
        self._rcpt = judges(policies, "rcpt", deadline)
        self._message = judges(policies, "message", deadline)
        self._mail_claims = Claimants(claimants(policies, "mail", deadline), alarm)
        self._rcpt_claims = Claimants(claimants(policies, "rcpt", deadline), alarm)
        self._confirm_claims = Claimants(claimants(policies, "confirm", deadline), alarm)

    async def mail(self, t: Transaction) -> Ruling:
        """May the transaction begin? What was claimed is in `t.hold`, also when refused."""
        case = Case()
        await self._judge(case, self._mail, t)
        if case.reply is None:
            await self._mail_claims.judge(case, t)
            t.mailing = t.hold.mailing
            if case.reply is None and self._is_stale():
                # News of a block came with the answer: it is in force for this MAIL already.
                await self._judge(case, self._mail, t)
        return Ruling(case.reply, case.trail)

    async def rcpt(
        self, t: Transaction, addresses: Sequence[Address]
    ) -> list[tuple[Recipient | None, Ruling]]:
        """May these recipients be mailed? One ruling each; no Recipient when records are away.

        Changes nothing in `t`; `t.asked` before the call is the index of the first.
        """
        try:
            standings = await self._look_up(t, addresses)
        except Exception as error:
            verdict = fault(self._alarm, "standings", error)
            away = Ruling(verdict.reply, [entry("standings", verdict)])
            return [(None, away)] * len(addresses)
        group = [
            Recipient(index, address, standing)
            for index, (address, standing) in enumerate(
                zip(addresses, standings, strict=True), start=t.asked
            )
        ]
        cases = await self._judge_group(t, group)
        live = [case for case in cases if case.reply is None]
        if live:
            claiming = group
            if len(live) < len(group):
                claiming = [
                    one for one, case in zip(group, cases, strict=True) if case.reply is None
                ]
            await self._rcpt_claims.judge_group(live, t, claiming)
        return [
            (recipient, Ruling(case.reply, case.trail))
            for recipient, case in zip(group, cases, strict=True)
        ]

    async def message(self, t: Transaction, message: Message, view: HeaderView) -> Ruling:
        """May this message go, exactly as it was received?"""
        case = Case()
        await self._judge(case, self._message, t, message, view)
        return Ruling(case.reply, case.trail)

    async def confirm(self, t: Transaction, octets_per_copy: int, copies: int) -> Ruling:
        """May that many copies of the stamped message go out? Ask before the first one does."""
        case = Case()
        await self._confirm_claims.judge(case, t, octets_per_copy, copies)
        return Ruling(case.reply, case.trail, case.fits)

    async def _look_up(self, t: Transaction, addresses: Sequence[Address]) -> Sequence[Standing]:
        looking_up = self._standings.look_up(t.stream, addresses)
        standings = await within(lambda _: self._deadline, t, looking_up)
        if len(standings) != len(addresses):
            raise ValueError(f"answered {len(standings)} standings for {len(addresses)} addresses")
        return standings

    async def _judge(
        self, case: Case, steps: Sequence[Step], t: Transaction, *subject: object
    ) -> None:
        """Have the policies judge the one subject of a stage."""
        for step in steps:
            if case.reply is not None and not case.concerns(step):
                continue
            try:
                began = monotonic()
                verdict = step.ask(t, *subject)
                if verdict.__class__ is CoroutineType:
                    verdict = await within(step.deadline, t, verdict)
                step.check_time(t, began)
                if verdict is ACCEPT:  # the usual case, kept short
                    case.trail.append(step.plain)
                    continue
                check_verdict(verdict)
            except Exception as error:
                verdict = fault(self._alarm, step.name, error)
            case.hear(step, verdict)

    async def _judge_group(self, t: Transaction, group: Sequence[Recipient]) -> list[Case]:
        """The same for each of a group of recipients, about whom every policy is asked at once."""
        cases = [Case() for _ in group]
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
                    verdicts = await within(step.deadline, t, verdicts)
                step.check_time(t, began)
                check_verdicts(verdicts, len(live))
            except Exception as error:
                verdicts = [fault(self._alarm, step.name, error)] * len(live)
            for case, verdict in zip(live, verdicts, strict=True):
                if verdict is ACCEPT:
                    case.trail.append(step.plain)
                else:
                    case.hear(step, verdict)
                    all_stand = all_stand and case.reply is None
        return cases

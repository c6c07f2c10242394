"""The policies of one stage that claim something: asked at once, judged one after the other.

What all of them claim goes to the transaction's hold in one call; each then judges what it was
granted, in order, up to the first refusal, so that what it cut off is never taken for granted. A
hold that cannot answer is a fault of every policy that claimed. Raises nothing itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from time import monotonic
from types import CoroutineType

from gateway.stage import Alarm, Case, Step, check_verdict, check_verdicts, fault, within
from policies.claims import BatchClaim, Claim, CountClaim, Granted, OctetsClaim
from policies.transaction import Recipient, Transaction
from policies.verdict import ACCEPT, Verdict

_CLAIMS = (BatchClaim, OctetsClaim, CountClaim)
_Wants = list[tuple[Step, Sequence[Claim] | Verdict]]
"""What each policy claims, or its verdict without that."""
_Answers = Sequence[Granted] | Exception


class Claimants:
    """Those of one stage, in configured order."""

    def __init__(self, steps: Sequence[Step], alarm: Alarm) -> None:
        self._steps = steps
        self._alarm = alarm

    async def judge(self, case: Case, t: Transaction, *subject: object) -> None:
        """Have them judge the one subject of a stage, whom nobody has refused."""
        wants, granted = await self._ask(t, *subject)
        at = 0
        for step, wanted in wants:
            verdict = ACCEPT
            if isinstance(wanted, Verdict):
                verdict = wanted
            elif wanted:
                try:
                    given = _share(granted, at, len(wanted))
                    verdict = step.judge(t, *subject, wanted, given)
                    if verdict is not ACCEPT:
                        check_verdict(verdict)
                except Exception as error:
                    verdict = fault(self._alarm, step.name, error)
                at += len(wanted)
            if verdict is ACCEPT:
                case.trail.append(step.plain)
                continue
            case.hear(step, verdict)
            if case.reply is not None:
                return

    async def judge_group(
        self, cases: Sequence[Case], t: Transaction, group: Sequence[Recipient]
    ) -> None:
        """The same for a group of recipients. Whom one refuses are the last of them."""
        wants, granted = await self._ask(t, group)
        at, live = 0, len(group)
        for step, wanted in wants:
            verdicts: Sequence[Verdict] = [ACCEPT] * live
            accepted = live
            if isinstance(wanted, Verdict):
                verdicts = [wanted] * live
                accepted = _accepted(verdicts)
            elif wanted:
                try:
                    given = _share(granted, at, len(wanted))
                    verdicts = step.judge(t, group[:live], wanted, given)
                    check_verdicts(verdicts, live)
                    accepted = _accepted(verdicts)
                except Exception as error:
                    verdicts = [fault(self._alarm, step.name, error)] * live
                    accepted = 0
                at += len(wanted)
            for case, verdict in zip(cases, verdicts, strict=False):
                if verdict is ACCEPT:
                    case.trail.append(step.plain)
                else:
                    case.hear(step, verdict)
            if accepted < live and not step.observed:
                live = accepted
                if not live:
                    return

    async def _ask(self, t: Transaction, *subject: object) -> tuple[_Wants, _Answers]:
        """What each one wants, as far as the first that refuses without claiming anything, and
        what was granted of it all, or why there is no answer."""
        wants: _Wants = []
        claims: list[Claim] = []
        for step in self._steps:
            try:
                began = monotonic()
                wanted = step.ask(t, *subject)
                if wanted.__class__ is CoroutineType:
                    wanted = await within(step.deadline, t, wanted)
                step.check_time(t, began)
                if wanted.__class__ is not Verdict:
                    for claim in wanted:
                        if claim.__class__ not in _CLAIMS:
                            raise TypeError(f"answered {claim!r:.80}, not a claim")
                    if step.observed:
                        wanted = [replace(claim, is_observed=True) for claim in wanted]
                    claims += wanted
            except Exception as error:
                wanted = fault(self._alarm, step.name, error)
            wants.append((step, wanted))
            if wanted.__class__ is Verdict and wanted.reply is not None and not step.observed:
                break
        if not claims:
            return wants, ()
        try:
            # Who claims a batch waits in line, and all that is claimed with it waits too.
            return wants, await within(
                lambda t: max(step.deadline(t) for step in self._steps), t, t.hold.claim(claims)
            )
        except Exception as error:
            return wants, error


def _accepted(verdicts: Sequence[Verdict]) -> int:
    """How many of a group are accepted. Raises ValueError unless they are the first."""
    accepted = len(verdicts)
    for place, verdict in enumerate(verdicts):
        if verdict.reply is not None:
            accepted = min(accepted, place)
        elif accepted < place:
            raise ValueError("refused others than the last of the group")
    return accepted


def _share(granted: _Answers, start: int, count: int) -> Sequence[Granted]:
    """One policy's part of the answers. Raises what there is instead of them."""
    if isinstance(granted, Exception):
        raise granted
    given = granted[start : start + count]
    if len(given) < count and not (given and given[-1].shortage):
        raise ValueError("a claim was not answered")
    return given

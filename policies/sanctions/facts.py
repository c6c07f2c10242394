"""Facts: what they add to a case, and when a case's sanction begins.

Facts fold until the first notice is out; `joins` says which case a caller's look-up may add one to.
Excused facts never count. Of reports only grade A, or one that a person counted, moves a case:
grade B leaves it to a person, C and D are refused here. Bounces of grade B add up like others, and
where the threshold is reached only together with them, it is left to a person.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from policies.sanctions.case import Case, Counts, Fact
from policies.sanctions.clocks import ask, resume_when_lacking
from policies.sanctions.draft import GATEWAY, Draft, Refused
from policies.sanctions.fees import propose
from policies.sanctions.ladder import Basis, Ladder, Sanction, Step, Then, Threshold
from policies.sanctions.words import FactKind, Grade, NoticeKind, Phase


def rung(ladder: Ladder, history: int) -> Step:
    """The step of a tenant's next case after `history` counted ones."""
    steps = ladder.steps
    rungs = [step for number, step in enumerate(steps) if not number or _is_rung(steps[number - 1])]
    return rungs[min(history, len(rungs) - 1)]


def _is_rung(before: Step) -> bool:
    return before.then is not Then.NEXT


def begin_with(draft: Draft, fact: Fact, counts: Counts) -> None:
    """A new case's first fact."""
    if fact.excuse is not None:
        raise Refused("an excused fact opens no case")
    _check(draft.case, draft.ladder, fact)
    _add(draft, fact)
    _judge(draft, fact, counts)


def joins(case: Case, sent_at: float) -> bool:
    """Whether a fact of the case's own ladder, tenant and mailing, about mail sent then, is part of
    the same violation: all of one mailing is one, so that it climbs no step of its own.

    Until the first notice all of it folds. Later that is what had been sent before the notice, and
    what comes while the tenant still has its time and may send: whoever is blocked, or was told and
    is through with it, and mails on, begins another case.
    """
    if case.notified_at is None:
        return not case.phase.is_over
    is_in_time = not case.phase.is_over and not case.blocked
    return sent_at <= case.notified_at or is_in_time


def take(draft: Draft, fact: Fact, counts: Counts) -> None:
    """A further fact of the same mailing. Once the first notice is out it asks for nothing more
    before a block is lifted; but the fee counts each report, whenever it comes."""
    case = draft.case
    _check(case, draft.ladder, fact)
    if fact.excuse is not None:
        return
    if case.phase in (Phase.WATCHING, Phase.UNDECIDED):
        _add(draft, fact)
        if not case.stopped:
            _judge(draft, fact, counts)
        return
    if _is_weak(fact):
        if fact.kind is FactKind.HARD_BOUNCE:
            draft.set(facts=case.facts + 1)
            return
        raise Refused("a report of grade B waits until a person counts it")
    _add(draft, fact)
    if draft.step.sanction in (Sanction.APPROVE, Sanction.ANSWER):
        return
    if case.counted:
        propose(draft, is_asked=case.notified_at is None)
        resume_when_lacking(draft, case)
    if case.phase.is_over:
        return
    fresh = tuple(name for name in draft.case.domains if name not in case.domains)
    if case.blocked and fresh:
        draft.block(fresh, _reason(draft))


def reaches(threshold: Threshold, counts: Counts, share: int = 1) -> bool:
    """Whether the counts come to one `share`-th of the threshold."""
    times = share * counts.divisor
    match threshold.basis:
        case Basis.RECIPIENTS:
            basis = counts.recipients
        case Basis.DELIVERED:
            basis = counts.delivered
        case Basis.OFFERED:  # a bounce of grade B came back after it was delivered
            basis = counts.delivered + counts.facts - counts.weak
    return (
        counts.facts * times >= threshold.facts
        and counts.facts * times * 100 >= Fraction(str(threshold.percent)) * basis
        and basis >= threshold.least
    )


def begin(draft: Draft, actor: str) -> None:
    """The step's sanction begins, by the gateway or the person who decided it."""
    case, step, now = draft.case, draft.step, draft.now
    if case.phase is Phase.WATCHING:
        draft.tell("case.opened", step=step.name, phase=str(Phase.OPEN))
    draft.by(actor)
    if step.deadline == 0 and case.until is None:
        draft.set(phase=Phase.OVERDUE, clock_at=now, due_at=now)
    else:
        draft.set(phase=Phase.OPEN)
    draft.set(counted=True)
    ask(draft, step)
    propose(draft)
    if step.sanction is Sanction.BLOCK and case.domains:
        draft.block(case.domains, _reason(draft))
    draft.notify(NoticeKind.OPENED)


def _judge(draft: Draft, fact: Fact, counts: Counts) -> None:
    case, ladder, step = draft.case, draft.ladder, draft.step
    if step.sanction is Sanction.APPROVE:
        # Nobody but staff may learn of a legal request: no word of it leaves the house.
        draft.set(phase=Phase.UNDECIDED)
    elif step.sanction is Sanction.ANSWER:
        draft.set(phase=Phase.SUBMITTED, review_due_at=draft.now + (step.deadline or 0.0))
        draft.tell("case.opened", step=step.name, phase=str(Phase.SUBMITTED))
    elif _is_weak(fact) and fact.kind is not FactKind.HARD_BOUNCE:
        _leave_to_a_person(draft)
    elif not reaches(ladder.block_at, counts):
        is_near = ladder.warn_share > 0 and reaches(ladder.block_at, counts, ladder.warn_share)
        if is_near and NoticeKind.WARNING not in case.reminded:
            draft.set(reminded=(*case.reminded, NoticeKind.WARNING))
            draft.notify(NoticeKind.WARNING)
    elif (
        not ladder.is_automatic
        or _is_weak(fact)
        or not reaches(ladder.block_at, replace(counts, facts=counts.facts - counts.weak, weak=0))
        or step.sanction is Sanction.DECIDE
        or (step.needs_report and not case.reports)
        or (step.sanction is Sanction.BLOCK and not case.domains)
    ):
        _leave_to_a_person(draft)
    else:
        begin(draft, fact.actor)


def _leave_to_a_person(draft: Draft) -> None:
    if draft.case.phase is Phase.WATCHING:
        draft.set(phase=Phase.UNDECIDED)
        draft.tell("case.opened", step=draft.step.name, phase=str(Phase.UNDECIDED))


def _check(case: Case, ladder: Ladder, fact: Fact) -> None:
    if fact.kind not in ladder.takes or fact.tenant != case.tenant:
        raise Refused(f"a {fact.kind} of {fact.tenant} is none of this case's facts")
    is_report = fact.kind is FactKind.COMPLAINT or fact.grade is not None
    if fact.actor == GATEWAY and is_report and fact.grade not in (Grade.A, Grade.B):
        raise Refused("a report of this grade changes nothing until a person counts it")


def _is_weak(fact: Fact) -> bool:
    return fact.actor == GATEWAY and fact.grade is Grade.B


def _add(draft: Draft, fact: Fact) -> None:
    case = draft.case
    draft.set(
        facts=case.facts + 1,
        reports=case.reports + (fact.kind is FactKind.COMPLAINT),
        domains=tuple(dict.fromkeys((*case.domains, *fact.domains))),
    )


def _reason(draft: Draft) -> str:
    case, step = draft.case, draft.step
    return f"{step.clause}, step {step.name}: {case.facts} facts, {case.reports} reports"

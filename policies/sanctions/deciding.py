"""What a person's decision, and what a tenant hands in, makes of a case.

Whether a decision is allowed is `policies.sanctions.permits`'s; here it happens. Ends and what
undoes them are in `policies.sanctions.ends`.
"""

from __future__ import annotations

from dataclasses import replace

from policies.sanctions import ends, fees
from policies.sanctions.calendar import Calendar
from policies.sanctions.case import Case, Decided, Handed
from policies.sanctions.clocks import (
    REMINDERS,
    begin_probation,
    reminder_at,
    rest,
    resume,
    resume_when_lacking,
)
from policies.sanctions.draft import Draft, Refused
from policies.sanctions.facts import begin
from policies.sanctions.ladder import Sanction
from policies.sanctions.permits import refusal
from policies.sanctions.words import Decision, NoticeKind, Phase


def decide(draft: Draft, decided: Decided, calendar: Calendar) -> None:
    """A person decides."""
    actor, reason, decision = decided.actor, decided.reason, decided.decision
    if why := refusal(draft.case, draft.preset, decision, actor):
        raise Refused(why)
    if not reason.strip():
        raise Refused("give a reason")
    match decision:
        case Decision.CONFIRM:
            begin(draft, actor)
        case Decision.BLOCK:
            _block(draft, actor, reason)
        case Decision.ACCEPT:
            _accept(draft, reason)
        case Decision.REJECT:
            _reject(draft, decided)
        case Decision.MET:
            _meet(draft, decided.requirement, actor)
            _submit_when_complete(draft, calendar)
        case Decision.ANSWERED:
            _answer(draft, actor, calendar)
        case Decision.EXTEND:
            _extend(draft, decided.until)
        case Decision.STOP | Decision.RESUME:
            draft.set(stopped=decision is Decision.STOP)
        case Decision.ISSUE_FEE | Decision.WAIVE_FEE | Decision.PAY_FEE:
            before = draft.case
            fees.decide(draft, decision, decided.fee, actor)
            resume_when_lacking(draft, before)
            _submit_when_complete(draft, calendar)
        case Decision.BILL:
            fees.bill(draft, decided.minutes)
        case Decision.APPROVE:
            _approve(draft, actor)
        case Decision.PROPOSE_TERMINATION:
            draft.set(termination_by=actor)
        case Decision.WITHDRAW_TERMINATION:
            draft.set(termination_by="")
        case Decision.CONFIRM_TERMINATION:
            ends.terminate(draft, actor, reason)
        case Decision.APPEAL:
            draft.set(appeal_at=draft.now, appeal_due_at=draft.now + draft.preset.appeal)
        case Decision.UPHOLD:
            ends.uphold(draft, reason)
        case Decision.DENY:
            draft.set(appeal_at=None, appeal_due_at=None)
            draft.notify(NoticeKind.APPEAL_DECIDED)
        case Decision.DISMISS:
            ends.dismiss(draft, reason)
        case Decision.LIFT:
            ends.close(draft, reason, "lifted")
        case Decision.REOPEN:
            ends.reopen(draft, actor, reason)


def hand_in(draft: Draft, handed: Handed, calendar: Calendar) -> None:
    """The tenant met a requirement. What is handed in again takes the place of the former."""
    if draft.case.phase not in (Phase.OPEN, Phase.SUBMITTED, Phase.OVERDUE):
        raise Refused("this case asks for nothing now")
    _meet(draft, handed.requirement, handed.by)
    _submit_when_complete(draft, calendar)


def _meet(draft: Draft, name: str, by: str) -> None:
    known = {one.name: one for one in draft.case.requirements}
    if name not in known:
        raise Refused(f"{name or 'nothing'} is not asked for here")
    known[name] = replace(known[name], met_at=draft.now, met_by=by, rejected="")
    draft.set(requirements=tuple(known.values()))


def _submit_when_complete(draft: Draft, calendar: Calendar) -> None:
    case = draft.case
    is_waiting = case.phase in (Phase.OPEN, Phase.OVERDUE)
    if is_waiting and case.requirements and not case.open_items:
        rest(draft, calendar)


def _answer(draft: Draft, actor: str, calendar: Calendar) -> None:
    """Silence is over; or, of the tenant's own complaint, the operator has answered."""
    if draft.step.sanction is Sanction.ANSWER:
        ends.close(draft, "answered", "answered")
        return
    if "explanation" in draft.case.open_items:
        _meet(draft, "explanation", actor)
    rest(draft, calendar)


def _accept(draft: Draft, reason: str) -> None:
    probation = draft.ladder.probation
    if draft.case.blocked and probation is not None:
        draft.unblock(reason)
        begin_probation(draft, probation)
    else:
        ends.close(draft, reason, "accepted")


def _reject(draft: Draft, decided: Decided) -> None:
    """One thing, or with none named everything that was handed in, is open again."""
    asked = draft.case.requirements
    if decided.requirement and decided.requirement not in {one.name for one in asked}:
        raise Refused(f"{decided.requirement} is not asked for here")
    draft.set(
        requirements=tuple(
            replace(one, met_at=None, met_by="", rejected=decided.reason)
            if one.met_at is not None and decided.requirement in ("", one.name)
            else one
            for one in asked
        )
    )
    resume(draft)
    draft.notify(NoticeKind.REJECTED)


def _block(draft: Draft, actor: str, reason: str) -> None:
    """At once. A case of which nothing was said yet begins with it."""
    if draft.case.phase in (Phase.WATCHING, Phase.UNDECIDED):
        begin(draft, actor)
        if not draft.case.blocked:
            draft.block(draft.case.domains, reason)
        return
    if draft.case.phase is Phase.PROBATION:
        _begin_anew(draft)
    draft.by(actor)
    draft.block(draft.case.domains, reason)
    draft.notify(NoticeKind.BLOCKED)


def _begin_anew(draft: Draft) -> None:
    """Probation failed: everything is asked for again, and its clock runs from the notice."""
    draft.set(
        phase=Phase.OPEN,
        requirements=tuple(replace(one, met_at=None, met_by="") for one in draft.case.requirements),
        clock_at=None,
        due_at=None,
        until=None,
        reminded=(),
        probation_from=None,
        probation_until=None,
        probation_step=0,
    )


def _approve(draft: Draft, actor: str) -> None:
    draft.set(approvals=(*draft.case.approvals, actor))
    if len(draft.case.approvals) > 1:
        draft.set(phase=Phase.CLOSED, closed_at=draft.now)


def _extend(draft: Draft, until: float | None) -> None:
    """A later deadline, in whatever way the longest clock stands."""
    case, now = draft.case, draft.now
    if until is None or until <= now:
        raise Refused("give an instant in the future")
    deadline = draft.step.deadline
    is_told = case.notified_at is not None and case.phase is not Phase.SUBMITTED
    if case.clock_at is None and not (is_told and deadline is None):
        # The clock is still to begin: with the notice, or when what was handed in is rejected.
        _later(until, case.until if case.until or deadline is None else now + deadline)
        draft.set(until=until)
    elif case.phase is Phase.SUBMITTED:
        _later(until - now, case.rested)
        draft.set(rested=until - now, rested_at=case.rested_at or now, due_at=None)
    else:
        _later(until, case.due_at)
        clock_at = now if case.clock_at is None else case.clock_at
        draft.set(phase=Phase.OPEN, due_at=until, clock_at=clock_at, termination_by="")
        draft.set(reminded=_still_said(draft.case, now))
    draft.notify(NoticeKind.EXTENDED)
    draft.tell("case.deadline", what="extended", due_at=until)


def _later(new: float, old: float | None) -> None:
    if old is not None and new <= old:
        raise Refused("a deadline only moves later")


def _still_said(case: Case, now: float) -> tuple[NoticeKind, ...]:
    """A reminder whose time has not come with the new deadline is said again."""
    return tuple(
        kind for kind in case.reminded if kind not in REMINDERS or reminder_at(case, kind) <= now
    )

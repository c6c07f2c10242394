"""What a person may decide about a case now, and in words why not.

`refusal` is asked before every decision and for every button: phases first, then what the decision
itself asks for. Four eyes: another person confirms a termination, approves a legal request a second
time, and decides an appeal. Whoever acts is a person: nothing here is open to the gateway.
"""

from __future__ import annotations

from collections.abc import Collection

from policies.sanctions.case import Case
from policies.sanctions.draft import GATEWAY, step_of
from policies.sanctions.fees import ALLOWED
from policies.sanctions.ladder import Preset, Sanction, Step, Then
from policies.sanctions.words import Decision, Phase

_RUNNING = {Phase.OPEN, Phase.SUBMITTED, Phase.OVERDUE}
_IN_FORCE = _RUNNING | {Phase.PROBATION}
_ALIVE = set(Phase) - {Phase.CLOSED, Phase.TERMINATED}
_ENDED = {Phase.CLOSED, Phase.TERMINATED}
_PHASES: dict[Decision, Collection[Phase]] = {
    Decision.CONFIRM: {Phase.UNDECIDED},
    Decision.DISMISS: _ALIVE,
    Decision.ACCEPT: {Phase.SUBMITTED},
    Decision.REJECT: {Phase.SUBMITTED},
    Decision.MET: _RUNNING,
    Decision.EXTEND: _RUNNING,
    Decision.LIFT: _IN_FORCE,
    Decision.BLOCK: _ALIVE,
    Decision.PROPOSE_TERMINATION: {Phase.OPEN, Phase.OVERDUE},
    Decision.CONFIRM_TERMINATION: {Phase.OPEN, Phase.OVERDUE},
    Decision.WITHDRAW_TERMINATION: {Phase.OPEN, Phase.OVERDUE},
    Decision.ISSUE_FEE: set(Phase),
    Decision.WAIVE_FEE: set(Phase),
    Decision.PAY_FEE: set(Phase),
    Decision.BILL: _IN_FORCE | _ENDED,
    Decision.STOP: _ALIVE,
    Decision.RESUME: _ALIVE,
    Decision.APPEAL: _IN_FORCE | _ENDED,
    Decision.UPHOLD: _IN_FORCE | _ENDED,
    Decision.DENY: _IN_FORCE | _ENDED,
    Decision.APPROVE: {Phase.UNDECIDED},
    Decision.ANSWERED: _RUNNING,
    Decision.REOPEN: _ENDED,
}
_OF_SANCTION = {
    Sanction.APPROVE: {Decision.APPROVE, Decision.DISMISS, Decision.REOPEN},
    Sanction.ANSWER: {Decision.ANSWERED, Decision.DISMISS, Decision.REOPEN},
}
"""All that there is to decide about legal requests and about the tenant's own complaints."""


def refusal(case: Case, preset: Preset, decision: Decision, actor: str) -> str | None:
    """Why this person may not decide that now; None when it is allowed."""
    step = step_of(case, preset)
    if actor in ("", GATEWAY):
        return "a person decides this"
    if case.phase not in _PHASES[decision]:
        return f"not while the case is {case.phase}"
    if decision not in _OF_SANCTION.get(step.sanction, _PHASES):
        return "not in a case of this kind"
    match decision:
        case Decision.APPROVE:
            return _approval(case, step, actor)
        case Decision.ANSWERED:
            is_answered = case.phase is Phase.SUBMITTED and step.sanction is not Sanction.ANSWER
            return "an answer is waiting to be looked at already" if is_answered else None
        case Decision.ACCEPT:
            return _list("still open", case.open_items)
        case Decision.MET:
            return None if case.open_items else "nothing is open"
        case Decision.BLOCK:
            if case.blocked:
                return "its domains are blocked already"
            return None if case.domains else "it names no domain to block"
        case (
            Decision.PROPOSE_TERMINATION
            | Decision.CONFIRM_TERMINATION
            | Decision.WITHDRAW_TERMINATION
        ):
            return _termination(case, step, decision, actor)
        case Decision.ISSUE_FEE | Decision.WAIVE_FEE | Decision.PAY_FEE:
            is_there = any(fee.state in ALLOWED[decision] for fee in case.fees)
            return None if is_there else "it has no fee for that"
        case Decision.BILL:
            return None if preset.hourly_rate else "this contract has no hourly rate"
        case Decision.STOP:
            return "it is stopped already" if case.stopped else None
        case Decision.RESUME:
            return None if case.stopped else "it is not stopped"
        case Decision.APPEAL | Decision.UPHOLD | Decision.DENY:
            return _appeal(case, decision, actor)
        case Decision.REOPEN:
            return None if case.before else "no person ended it, or an appeal did"
        case Decision.CONFIRM | Decision.DISMISS | Decision.REJECT | Decision.EXTEND:
            return None
        case Decision.LIFT:
            return None


def _approval(case: Case, step: Step, actor: str) -> str | None:
    if step.sanction is not Sanction.APPROVE:
        return "only legal requests are approved"
    return "a second person approves" if _is_among(actor, case.approvals) else None


def _termination(case: Case, step: Step, decision: Decision, actor: str) -> str | None:
    if step.then not in (Then.MAY_TERMINATE, Then.PERSON_DECIDES, Then.SUSPEND):
        return f"{step.clause} leads to no termination"
    if case.phase is Phase.OPEN and step.deadline is not None:
        return "its longest clock has not run out"
    if decision is Decision.PROPOSE_TERMINATION:
        return f"{case.termination_by} proposed it already" if case.termination_by else None
    if not case.termination_by:
        return "nobody has proposed it"
    if decision is Decision.WITHDRAW_TERMINATION:
        return None
    if _is_among(actor, (case.termination_by,)):
        return "another person than who proposed it confirms"
    return "an appeal is open; decide it first" if case.appeal_at is not None else None


def _appeal(case: Case, decision: Decision, actor: str) -> str | None:
    if decision is Decision.APPEAL:
        if case.appeal_at is not None:
            return "an appeal is open already"
        return None if case.counted else "there is nothing to appeal against"
    if case.appeal_at is None:
        return "there is no appeal"
    return "somebody else than its authors decides" if _is_among(actor, case.authors) else None


def _is_among(actor: str, names: Collection[str]) -> bool:
    """Names that differ in case only are taken for the same person."""
    return actor.casefold() in {name.casefold() for name in names}


def _list(what: str, names: Collection[str]) -> str | None:
    return f"{what}: {', '.join(names)}" if names else None

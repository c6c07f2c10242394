"""Fees: proposed by a step or by billed work, and what only a person makes of them.

A step's fee grows with the reports; once a person has issued it, further ones are proposed anew.
The requirement `invoice-paid` stands while there is a fee of the step that was not waived, and is
met when all of them are paid. Where the first notice did not name it, a fee issued later asks for
it, and the case's end asks for nothing more.
"""

from __future__ import annotations

from dataclasses import replace

from policies.sanctions.case import Fee, FeeState, Requirement
from policies.sanctions.draft import Draft, Refused
from policies.sanctions.ladder import FeeRule, Step
from policies.sanctions.preset import INVOICE
from policies.sanctions.words import Decision, NoticeKind, Phase

ALLOWED = {
    Decision.ISSUE_FEE: (FeeState.PROPOSED,),
    Decision.WAIVE_FEE: (FeeState.PROPOSED, FeeState.ISSUED),
    Decision.PAY_FEE: (FeeState.ISSUED,),
}
"""In which states a person may do what to a fee."""
BECOMES = {
    Decision.ISSUE_FEE: FeeState.ISSUED,
    Decision.WAIVE_FEE: FeeState.WAIVED,
    Decision.PAY_FEE: FeeState.PAID,
}


ASKING = (Phase.OPEN, Phase.SUBMITTED, Phase.OVERDUE)
"""While a case stands so, a paid invoice can be asked for."""


def propose(draft: Draft, *, is_asked: bool = True) -> None:
    """Bring the step's proposed fee up to the reports that the case has by now; `is_asked`: that it
    is paid is asked for from now on, else only once a person has issued it."""
    step, case = draft.step, draft.case
    if step.fee is None:
        return
    clause = _clause(step.fee, step)
    mine = [fee for fee in case.fees if fee.clause == clause]
    more = (case.reports if step.fee.each else 1) - sum(fee.count for fee in mine)
    if more <= 0:
        return
    if mine and mine[-1].state is FeeState.PROPOSED:
        _replace(draft, _fee(mine[-1].number, mine[-1].count + more, step.fee, clause))
    else:
        draft.set(fees=(*case.fees, _fee(len(case.fees) + 1, more, step.fee, clause)))
    if is_asked:
        settle_invoice(draft)


def bill(draft: Draft, minutes: int) -> None:
    """Propose a fee for work: each hour begun at the preset's rate, one at least."""
    rate = draft.preset.hourly_rate
    if rate is None:
        raise Refused("this contract has no hourly rate")
    if minutes <= 0:
        raise Refused("give the minutes of work, 1 or more")
    fees = draft.case.fees
    fee = _fee(len(fees) + 1, -(-minutes // 60), rate, _clause(rate, draft.step))
    draft.set(fees=(*fees, fee))


def decide(draft: Draft, decision: Decision, number: int, actor: str) -> None:
    """Issue, waive or pay the fee with this number."""
    fee = next((one for one in draft.case.fees if one.number == number), None)
    if fee is None:
        raise Refused(f"this case has no fee {number}")
    if fee.state not in ALLOWED[decision]:
        raise Refused(f"fee {number} is {fee.state}")
    was, state = fee.state, BECOMES[decision]
    _replace(draft, replace(fee, state=state))
    if state is FeeState.ISSUED:
        draft.by(actor)
        draft.notify(NoticeKind.FEE)
    if state is not FeeState.WAIVED or was is FeeState.ISSUED:
        # What was only proposed was never told to anyone.
        draft.tell(
            "case.fee", fee=number, state=str(state), amount=fee.amount, currency=fee.currency
        )
    settle_invoice(draft)


def waive_all(draft: Draft) -> None:
    """There was no violation: whatever is not paid is not owed."""
    for fee in draft.case.fees:
        if fee.state in ALLOWED[Decision.WAIVE_FEE]:
            decide(draft, Decision.WAIVE_FEE, fee.number, "")


def settle_invoice(draft: Draft) -> None:
    """Make the requirement of a paid invoice follow from the step's fees."""
    step, case = draft.step, draft.case
    if step.fee is None or INVOICE not in step.requirements:
        return
    clause = _clause(step.fee, step)
    owed = [fee for fee in case.fees if fee.clause == clause and fee.state is not FeeState.WAIVED]
    asked = next((one for one in case.requirements if one.name == INVOICE), None)
    others = tuple(one for one in case.requirements if one.name != INVOICE)
    if not owed:
        draft.set(requirements=others)
    elif asked is None and case.phase in ASKING:
        draft.set(requirements=(*others, Requirement(INVOICE)))
    elif asked and asked.met_at is None and all(fee.state is FeeState.PAID for fee in owed):
        draft.set(requirements=(*others, replace(asked, met_at=draft.now, met_by="invoice")))


def _clause(rule: FeeRule, step: Step) -> str:
    return rule.clause or step.clause


def _fee(number: int, count: int, rule: FeeRule, clause: str) -> Fee:
    return Fee(number, rule.amount * count, rule.currency, count, rule.amount, clause)


def _replace(draft: Draft, fee: Fee) -> None:
    fees = tuple(fee if one.number == fee.number else one for one in draft.case.fees)
    draft.set(fees=fees)

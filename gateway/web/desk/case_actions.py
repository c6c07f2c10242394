"""What may be done to a case from its page: by the engine's word, and by the role of who asks.

`actions_of` gives the forms to show, `may` what a role may decide at all. Pure: the engine says
what the case allows (`possible`), and refuses what a form asks for all the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.records.staff import Role
from policies.sanctions.case import Case, Fee, FeeState
from policies.sanctions.words import Decision, Phase

LEADS_DECIDE = frozenset(
    {
        Decision.CONFIRM_TERMINATION,
        Decision.ISSUE_FEE,
        Decision.WAIVE_FEE,
        Decision.PAY_FEE,
        Decision.UPHOLD,
        Decision.DENY,
        Decision.APPROVE,
    }
)
"""Money, ends, appeals and disclosure are not the abuse staff's."""
DANGEROUS = frozenset(
    {
        Decision.CONFIRM,
        Decision.DISMISS,
        Decision.ACCEPT,
        Decision.LIFT,
        Decision.BLOCK,
        Decision.CONFIRM_TERMINATION,
        Decision.UPHOLD,
        Decision.REOPEN,
    }
)
"""They may take mail away or give it back."""
UNDONE_BY = {
    Decision.CONFIRM: (Decision.DISMISS,),
    Decision.DISMISS: (Decision.REOPEN,),
    Decision.ACCEPT: (Decision.REOPEN, Decision.BLOCK),
    Decision.LIFT: (Decision.REOPEN,),
    Decision.BLOCK: (Decision.LIFT, Decision.DISMISS),
    Decision.CONFIRM_TERMINATION: (Decision.REOPEN,),
    Decision.REOPEN: (Decision.LIFT,),
}
"""What takes each back, the first that the case then allows. An upheld appeal stands."""
KEYS = {
    Decision.ACCEPT: "a",
    Decision.REJECT: "r",
    Decision.MET: "m",
    Decision.CONFIRM: "c",
    Decision.DISMISS: "d",
    Decision.EXTEND: "e",
    Decision.LIFT: "l",
    Decision.BLOCK: "b",
    Decision.STOP: "s",
    Decision.RESUME: "s",
    Decision.ANSWERED: "w",
    Decision.ISSUE_FEE: "f",
}
"""The key that opens each form; "n" is the note's."""
_ORDER = (
    *(Decision.ACCEPT, Decision.REJECT, Decision.MET, Decision.CONFIRM, Decision.DISMISS),
    *(Decision.ANSWERED, Decision.UPHOLD, Decision.DENY, Decision.APPROVE, Decision.EXTEND),
    *(Decision.LIFT, Decision.BLOCK, Decision.ISSUE_FEE, Decision.WAIVE_FEE, Decision.PAY_FEE),
    *(Decision.BILL, Decision.APPEAL, Decision.PROPOSE_TERMINATION, Decision.CONFIRM_TERMINATION),
    *(Decision.WITHDRAW_TERMINATION, Decision.REOPEN),
)
"""The order on the page; STOP and RESUME stand beside the clock that they are about."""
_PAYABLE = {
    Decision.ISSUE_FEE: (FeeState.PROPOSED,),
    Decision.WAIVE_FEE: (FeeState.PROPOSED, FeeState.ISSUED),
    Decision.PAY_FEE: (FeeState.ISSUED,),
}


@dataclass(frozen=True, slots=True)
class Action:
    """One form: what it decides, the key that opens it, and what it asks besides a reason.

    `requirements` and `fees` are to be chosen from when they are not empty.
    """

    decision: Decision
    requirements: tuple[str, ...] = ()
    fees: tuple[Fee, ...] = ()

    @property
    def key(self) -> str:
        """The key that opens the form, "" when there is none."""
        return KEYS.get(self.decision, "")

    @property
    def is_dangerous(self) -> bool:
        """Whether what it touches is shown before it is done."""
        return self.decision in DANGEROUS


def may(role: Role, decision: Decision, case: Case) -> bool:
    """Whether this role may decide that about a case at all."""
    if role is Role.AUDITOR:
        return False
    if decision is Decision.REOPEN and case.phase is Phase.TERMINATED:
        return role is not Role.ABUSE
    return role is not Role.ABUSE or decision not in LEADS_DECIDE


def actions_of(case: Case, allowed: Sequence[Decision], role: Role) -> list[Action]:
    """The forms on the case's page; `allowed` is what the engine lets this person decide."""
    return [
        _action(case, decision)
        for decision in _ORDER
        if decision in allowed and may(role, decision, case)
    ]


def _action(case: Case, decision: Decision) -> Action:
    requirements: tuple[str, ...] = ()
    if decision is Decision.REJECT:
        requirements = tuple(one.name for one in case.requirements if one.met_at is not None)
    elif decision is Decision.MET:
        requirements = tuple(one.name for one in case.requirements if one.met_at is None)
    states = _PAYABLE.get(decision, ())
    return Action(decision, requirements, tuple(fee for fee in case.fees if fee.state in states))

"""Ends and what undoes them: reopening, terminations taken back, stops and reasons."""

from __future__ import annotations

import pytest

from policies.sanctions.case import Block, Decided, FeeState, Reinstate, Unblock
from policies.sanctions.engine import Refused, next_automatic
from policies.sanctions.words import Decision, FactKind, Phase
from tests.unit.sanctions.story import DAY, START, Story, story

HIT = FactKind.PROTECTED_HIT


@pytest.fixture
def tale() -> Story:
    """A tenant at P2 with one report, whose notice is out."""
    tale = story("niebieski")
    tale.fact(HIT, "m1")
    tale.noticed()
    tale.report("m2")
    tale.noticed()
    return tale


@pytest.mark.parametrize("decision", [Decision.LIFT, Decision.DISMISS])
def test_a_reopened_case_is_what_it_was_and_its_clock_did_not_run(tale, decision):
    """Blocked again, the fee proposed again, and the days between given back."""
    tale.after(days=1)
    tale.decide(decision)
    tale.after(days=3)
    changed = tale.decide(Decision.REOPEN, "Bea")
    assert (tale.case.phase, tale.case.blocked, tale.case.counted) == (Phase.OPEN, True, True)
    assert tale.case.due_at == START + 17 * DAY
    assert [fee.state for fee in tale.case.fees] == [FeeState.PROPOSED]
    assert any(isinstance(one, Block) for one in changed.effects)


def test_a_termination_can_be_taken_back(tale):
    """The tenant may log in again; what the case itself blocks stays blocked."""
    tale.after(days=15)
    tale.decide(Decision.PROPOSE_TERMINATION)
    tale.decide(Decision.CONFIRM_TERMINATION, "Bea")
    changed = tale.decide(Decision.REOPEN, "Cyd")
    kinds = [type(one) for one in changed.effects if isinstance(one, Reinstate | Unblock | Block)]
    assert kinds == [Reinstate, Unblock, Block]
    assert (tale.case.phase, tale.case.termination_by) == (Phase.OVERDUE, "Anna")


def test_an_upheld_appeal_stands(tale):
    """Nobody reopens what an appeal has ended."""
    tale.decide(Decision.APPEAL, "Ola of acme")
    tale.decide(Decision.UPHOLD, "Bea")
    with pytest.raises(Refused):
        tale.decide(Decision.REOPEN)


def test_no_termination_while_an_appeal_is_open(tale):
    """The tenant is heard first."""
    tale.after(days=15)
    tale.decide(Decision.PROPOSE_TERMINATION)
    tale.decide(Decision.APPEAL, "Ola of acme")
    with pytest.raises(Refused, match="appeal"):
        tale.decide(Decision.CONFIRM_TERMINATION, "Bea")


def test_a_stop_holds_the_clock_back_until_it_is_resumed(tale):
    """Then what is due happens."""
    tale.decide(Decision.STOP)
    tale.after(days=20)
    assert next_automatic(tale.case, tale.preset) is None
    assert tale.case.phase is Phase.OPEN
    tale.decide(Decision.RESUME)
    tale.after(days=20)
    assert tale.case.phase is Phase.OVERDUE


def test_a_decision_without_a_reason_is_refused(tale):
    """Each carries actor and reason."""
    with pytest.raises(Refused, match="reason"):
        tale.happen(Decided(Decision.LIFT, "Anna", "  "))

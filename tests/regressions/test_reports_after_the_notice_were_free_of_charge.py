"""The first notice leaves within a second, and every report after it raised no fee."""

from __future__ import annotations

from policies.sanctions.case import FeeState
from policies.sanctions.words import Decision, FactKind, NoticeKind, Phase
from tests.unit.sanctions.story import START, Story, story


def second_mailing(reports: int) -> Story:
    """At P2 by a refused recipient, told at once; then the reports about it come in."""
    tale = story("niebieski")
    tale.fact(FactKind.PROTECTED_HIT, "m1")
    tale.noticed()
    tale.fact(FactKind.PROTECTED_HIT, "m2")
    tale.noticed()
    for _ in range(reports):
        tale.after(hours=1)
        tale.report("m2", sent_at=START)
    return tale


def test_the_fee_counts_each_report_whenever_it_comes() -> None:
    """45.00 PLN for each of forty, proposed; what the notice asked for is all that is asked."""
    tale = second_mailing(40)
    (fee,) = tale.case.fees
    assert (tale.case.step, fee.count, fee.amount) == ("P2", 40, 40 * 4500)
    assert fee.state is FeeState.PROPOSED
    assert tale.case.open_items == ("protection-confirmed", "screenshot")


def test_a_late_fee_is_asked_for_once_a_person_issues_it() -> None:
    """With its own notice; the longest clock goes on, and the paid invoice completes the case."""
    tale = second_mailing(2)
    tale.hand_in("protection-confirmed", "screenshot")
    assert tale.case.phase is Phase.SUBMITTED
    tale.decide(Decision.ISSUE_FEE, fee=1)
    assert (tale.case.phase, tale.case.open_items) == (Phase.OPEN, ("invoice-paid",))
    assert tale.told()[-1] is NoticeKind.FEE
    tale.decide(Decision.PAY_FEE, fee=1)
    assert (tale.case.phase, tale.case.open_items) == (Phase.SUBMITTED, ())


def test_a_report_after_the_end_is_charged_for_unless_there_was_no_violation() -> None:
    """The end asks for nothing more, but the report was still one; a dismissed case has none."""
    lifted, dismissed = second_mailing(0), second_mailing(0)
    lifted.decide(Decision.LIFT)
    dismissed.decide(Decision.DISMISS)
    for tale in (lifted, dismissed):
        tale.report("m2", sent_at=START)
    assert [fee.count for fee in lifted.case.fees] == [1]
    assert lifted.case.phase is Phase.CLOSED
    assert dismissed.case.fees == ()
    lifted.decide(Decision.ISSUE_FEE, fee=1)
    assert "invoice-paid" not in lifted.case.open_items

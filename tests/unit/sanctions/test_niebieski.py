"""The Niebieski table row by row: P1, P2, P3, B1, B2, its clocks, and the other clauses."""

from __future__ import annotations

from datetime import datetime

import pytest

from policies.sanctions.case import Block, FeeState, Terminate, Unblock
from policies.sanctions.engine import GATEWAY, Refused, next_automatic, possible
from policies.sanctions.words import Decision, Excuse, FactKind, Grade, NoticeKind, Phase
from tests.unit.sanctions.story import DAY, HOUR, START, WARSAW, Story, story

HIT = FactKind.PROTECTED_HIT
TERMINATION = {Decision.PROPOSE_TERMINATION, Decision.CONFIRM_TERMINATION}


@pytest.fixture
def tale() -> Story:
    """A tenant without a past."""
    return story("niebieski")


def reach_p2(tale: Story, reports: int = 0) -> None:
    """A first case with its notice, and the second mailing with so many reports."""
    tale.fact(HIT, "m1")
    tale.noticed()
    tale.fact(HIT, "m2")
    for _ in range(reports):
        tale.report("m2")


def reach_p3(tale: Story, report: bool) -> None:
    """Two cases behind it, and a third mailing."""
    reach_p2(tale)
    tale.noticed()
    if report:
        tale.report("m3")
    else:
        tale.fact(HIT, "m3")


def test_p1_forty_reports_on_one_mailing_are_one_case_without_a_fee(tale):
    """They fold: step P1, blocked once, one notice, nothing charged."""
    for _ in range(40):
        tale.report("m1")
    (case,) = tale.cases
    assert (case.step, case.phase, case.reports, case.fees) == ("P1", Phase.OPEN, 40, ())
    assert [one for one in tale.effects if isinstance(one, Block)] == [
        Block(("acme.example",), "§3.1-3.9 P1, step P1: 1 facts, 1 reports")
    ]
    assert tale.told() == [NoticeKind.OPENED]
    assert case.open_items == ("protection-confirmed", "screenshot")


def test_p1_without_a_report_blocks_too(tale):
    """A refused attempt is enough for the first step."""
    tale.fact(HIT)
    assert (tale.case.step, tale.case.blocked, tale.case.author) == ("P1", True, GATEWAY)


def test_p1_a_block_falls_on_every_domain_of_the_mailing_once(tale):
    """A further fact of the same mailing from another domain blocks that one too."""
    tale.fact(HIT)
    changed = tale.fact(HIT, domains=("acme.example", "other.example"))
    assert [one.domains for one in changed.effects if isinstance(one, Block)] == [
        ("other.example",)
    ]


@pytest.mark.parametrize("reports", [0, 1, 7])
def test_p2_the_next_mailing_after_the_notice_costs_45_pln_for_each_report(tale, reports):
    """The fee is proposed, never issued, and there is none without a report."""
    reach_p2(tale, reports)
    assert tale.case.step == "P2"
    assert tale.case.blocked
    fees = [(fee.amount, fee.currency, fee.count, fee.state) for fee in tale.case.fees]
    assert fees == ([(4500 * reports, "PLN", reports, FeeState.PROPOSED)] if reports else [])
    assert ("invoice-paid" in tale.case.open_items) == (reports > 0)


def test_p1_reports_that_trickle_in_after_the_notice_climb_nothing(tale):
    """All of one mailing is one violation, whenever its reports arrive: as long as what they are
    about was sent before the notice."""
    tale.report("m1")
    tale.after(hours=1)
    tale.noticed()
    for hours in range(2, 41):
        tale.after(hours=hours)
        changed = tale.report("m1", sent_at=START)
        assert changed.effects == ()
    (case,) = tale.cases
    assert (case.step, case.reports, case.fees) == ("P1", 40, ())


def test_p1_a_late_report_leaves_a_finished_case_finished(tale):
    """It is counted there, and opens no second one."""
    tale.report("m1")
    tale.noticed()
    tale.decide(Decision.LIFT)
    tale.after(days=3)
    tale.report("m1", sent_at=START)
    assert [(case.phase, case.reports) for case in tale.cases] == [(Phase.CLOSED, 2)]


def test_p2_who_mails_on_after_the_notice_is_at_the_second_step(tale):
    """Though it be the same mailing: whoever was blocked and told has no excuse."""
    tale.fact(HIT, "m1")
    tale.noticed()
    tale.after(hours=1)
    tale.fact(HIT, "m1")
    assert [case.step for case in tale.cases] == ["P1", "P2"]


def test_p2_reports_after_the_notice_raise_the_proposed_fee(tale):
    """It counts each report, and what is asked for stays as the notice said."""
    reach_p2(tale, 2)
    asked = tale.case.open_items
    tale.noticed()
    tale.report("m2", sent_at=START)
    assert [fee.count for fee in tale.case.fees] == [3]
    assert tale.case.open_items == asked
    assert (len(tale.cases), tale.case.reports) == (2, 3)


def test_p2_a_report_after_the_fee_was_issued_is_proposed_by_itself(tale):
    """What a person has issued is not raised behind their back."""
    reach_p2(tale, 2)
    tale.decide(Decision.ISSUE_FEE, fee=1)
    tale.report("m2")
    states = [(fee.count, fee.state) for fee in tale.case.fees]
    assert states == [(2, FeeState.ISSUED), (1, FeeState.PROPOSED)]


def test_p2_the_paid_invoice_is_the_last_requirement(tale):
    """The "paid" mark meets it, and with that everything is in."""
    reach_p2(tale, 3)
    tale.noticed()
    tale.hand_in("protection-confirmed", "screenshot")
    tale.decide(Decision.ISSUE_FEE, fee=1)
    assert tale.case.phase is Phase.OPEN
    tale.decide(Decision.PAY_FEE, fee=1)
    assert (tale.case.phase, tale.case.open_items) == (Phase.SUBMITTED, ())


def test_p2_a_waived_fee_is_no_requirement(tale):
    """Nothing is owed, so that nothing is to be paid."""
    reach_p2(tale, 1)
    tale.decide(Decision.WAIVE_FEE, fee=1)
    assert "invoice-paid" not in tale.case.open_items


def test_p2_day_15_without_evidence_a_person_may_terminate(tale):
    """Its longest clock is half of P1's."""
    reach_p2(tale)
    tale.noticed()
    tale.after(days=14, hours=23.9)
    assert tale.cases[1].phase is Phase.OPEN
    tale.after(days=15)
    assert tale.cases[1].phase is Phase.OVERDUE
    assert not tale.did(Terminate)


def test_p3_with_a_report_may_be_terminated_without_a_block_first(tale):
    """A person may propose at once; nothing is blocked and nothing terminated."""
    reach_p3(tale, report=True)
    assert (tale.case.step, tale.case.phase, tale.case.blocked) == ("P3", Phase.OVERDUE, False)
    assert Decision.PROPOSE_TERMINATION in possible(tale.case, tale.preset, "Anna")
    assert not tale.did(Terminate)
    assert NoticeKind.OPENED in tale.told()


def test_p3_without_a_report_a_person_decides(tale):
    """Nothing follows until somebody confirms it; then it is as with a report."""
    reach_p3(tale, report=False)
    assert (tale.case.phase, tale.case.blocked, tale.case.counted) == (
        Phase.UNDECIDED, False, False,
    )  # fmt: skip
    assert next_automatic(tale.case, tale.preset) is None
    assert TERMINATION.isdisjoint(possible(tale.case, tale.preset, "Anna"))
    tale.decide(Decision.CONFIRM)
    assert (tale.case.phase, tale.case.author) == (Phase.OVERDUE, "Anna")


def test_p3_a_report_that_comes_later_decides_it(tale):
    """The case that waited for a person has its report now."""
    reach_p3(tale, report=False)
    tale.report("m3")
    assert tale.case.phase is Phase.OVERDUE


def test_day_30_without_evidence_a_person_may_terminate_and_nothing_has(tale):
    """The clock asks; two people would have to answer."""
    tale.fact(HIT)
    tale.noticed()
    tale.after(days=29, hours=23, minutes=59)
    assert TERMINATION.isdisjoint(possible(tale.case, tale.preset, "Anna"))
    tale.after(days=30)
    assert (tale.case.phase, tale.case.blocked) == (Phase.OVERDUE, True)
    assert Decision.PROPOSE_TERMINATION in possible(tale.case, tale.preset, "Anna")
    tale.after(days=300)
    assert tale.case.phase is Phase.OVERDUE
    assert not tale.did(Terminate)


def test_evidence_at_day_29_23_59_and_acceptance_ten_hours_later_unblocks(tale):
    """The clock rests while staff look, so that the last minute is soon enough."""
    tale.fact(HIT)
    tale.noticed()
    tale.after(days=29, hours=23, minutes=59)
    tale.hand_in("protection-confirmed", "screenshot")
    assert (tale.case.phase, tale.case.due_at) == (Phase.SUBMITTED, None)
    tale.after(days=30, hours=9, minutes=59)
    assert tale.case.phase is Phase.SUBMITTED
    changed = tale.decide(Decision.ACCEPT)
    assert (tale.case.phase, tale.case.blocked) == (Phase.CLOSED, False)
    assert Unblock("because") in changed.effects
    assert tale.told()[-1] is NoticeKind.UNBLOCKED


def test_a_rejection_gives_back_what_was_left_of_the_clock(tale):
    """A minute before the end is a minute after the rejection."""
    tale.fact(HIT)
    tale.noticed()
    tale.after(days=29, hours=23, minutes=59)
    tale.hand_in("protection-confirmed", "screenshot")
    tale.after(days=31)
    tale.decide(Decision.REJECT, requirement="screenshot")
    assert tale.case.due_at == tale.now + 60
    assert tale.case.open_items == ("screenshot",)
    assert tale.case.requirements[1].rejected == "because"


def test_the_review_clock_is_24_hours_or_a_business_day_whichever_is_later(tale):
    """Handed in on the eve of Independence Day, 11 November, it is due on the 12th."""
    tale.fact(HIT)
    tale.noticed()
    tale.after(days=8)
    tale.hand_in("protection-confirmed", "screenshot")
    assert tale.case.review_due_at == datetime(2026, 11, 12, 12, tzinfo=WARSAW).timestamp()
    tale.after(days=9)
    assert tale.case.phase is Phase.SUBMITTED


def test_reminders_at_half_and_nine_tenths_of_the_longest_clock(tale):
    """Each once, and neither again by a second look."""
    tale.fact(HIT)
    tale.noticed()
    expected = {14.9: [], 15: [NoticeKind.REMINDER_HALF], 26.9: [], 27: [NoticeKind.REMINDER_LATE]}
    for days, kinds in expected.items():
        before = len(tale.told())
        tale.after(days=days)
        tale.after(days=days)
        assert tale.told()[before:] == kinds


def test_the_longest_clock_begins_with_the_notices_dispatch(tale):
    """A notice that leaves two days late gives two days more."""
    tale.fact(HIT)
    assert next_automatic(tale.case, tale.preset) is None
    tale.after(days=2)
    tale.noticed()
    assert tale.case.due_at == START + 32 * DAY


def test_b1_blocks_until_it_is_explained(tale):
    """The first parallel batch."""
    tale.fact(FactKind.BATCH_DEFIANCE)
    assert (tale.case.step, tale.case.blocked) == ("B1", True)
    tale.noticed()
    tale.hand_in("explanation")
    tale.decide(Decision.ACCEPT)
    assert tale.case.phase is Phase.CLOSED


def test_b1_at_day_30_a_person_lifts(tale):
    """Nobody may terminate, and nothing lifts by itself."""
    tale.fact(FactKind.BATCH_DEFIANCE)
    tale.noticed()
    tale.after(days=30)
    assert (tale.case.phase, tale.case.blocked) == (Phase.OVERDUE, True)
    assert TERMINATION.isdisjoint(possible(tale.case, tale.preset, "Anna"))
    tale.decide(Decision.LIFT)
    assert (tale.case.phase, tale.case.blocked) == (Phase.CLOSED, False)


def test_b2_is_as_p2_and_a_person_decides_at_day_15(tale):
    """The group has its own counter: hits before it do not matter."""
    tale.fact(HIT, "m0")
    tale.fact(FactKind.BATCH_DEFIANCE, "m1")
    tale.noticed()
    tale.fact(FactKind.BATCH_DEFIANCE, "m2")
    assert (tale.case.step, tale.case.fees) == ("B2", ())
    assert tale.case.open_items == ("protection-confirmed", "screenshot")
    tale.noticed()
    tale.after(days=15)
    assert tale.case.phase is Phase.OVERDUE
    decisions = set(possible(tale.case, tale.preset, "Anna"))
    assert {Decision.LIFT, Decision.PROPOSE_TERMINATION} <= decisions


def test_a_dismissed_case_is_no_step(tale):
    """What was no violation is climbed on by nothing."""
    tale.fact(HIT, "m1")
    tale.noticed()
    tale.decide(Decision.DISMISS)
    tale.fact(HIT, "m2")
    assert [case.step for case in tale.cases] == ["P1", "P1"]


def test_steps_never_reset(tale):
    """Three years later the second is still the second."""
    tale.fact(HIT, "m1")
    tale.noticed()
    tale.decide(Decision.LIFT)
    tale.after(days=1100)
    tale.fact(HIT, "m2")
    assert tale.case.step == "P2"


def test_grade_b_blocks_nothing_and_a_person_may_count_it(tale):
    """By itself it waits undecided; counted by a person it is a report as any other."""
    tale.fact(FactKind.COMPLAINT, "m1", grade=Grade.B)
    assert (tale.case.phase, tale.case.blocked, tale.told()) == (Phase.UNDECIDED, False, [])
    tale.fact(FactKind.COMPLAINT, "m2", grade=Grade.B, actor="Anna")
    assert (tale.case.step, tale.case.blocked, tale.case.author) == ("P1", True, "Anna")


@pytest.mark.parametrize("grade", [Grade.C, Grade.D, None])
def test_grades_c_and_d_change_nothing_by_themselves(tale, grade):
    """Neither do they open a case nor do they join one."""
    with pytest.raises(Refused):
        tale.fact(FactKind.COMPLAINT, grade=grade)
    tale.fact(HIT)
    before = tale.case
    with pytest.raises(Refused):
        tale.fact(FactKind.COMPLAINT, grade=grade)
    assert tale.case == before


def test_grade_b_raises_no_fee_of_a_running_case(tale):
    """It waits until a person counts it, and then it does."""
    reach_p2(tale, 1)
    with pytest.raises(Refused):
        tale.fact(FactKind.COMPLAINT, "m2", grade=Grade.B)
    assert tale.case.fees[0].count == 1
    tale.fact(FactKind.COMPLAINT, "m2", grade=Grade.B, actor="Anna")
    assert tale.case.fees[0].count == 2


@pytest.mark.parametrize("excuse", list(Excuse))
def test_an_excused_fact_gives_no_strike(tale, excuse):
    """It opens no case and adds to none."""
    with pytest.raises(Refused):
        tale.fact(HIT, excuse=excuse)
    tale.fact(HIT)
    before = tale.case
    assert tale.fact(HIT, excuse=excuse).effects == ()
    assert tale.case == before


def test_n1_an_instruction_is_answered_within_24_hours(tale):
    """The answer ends the silence; without one a person decides."""
    tale.fact(FactKind.INSTRUCTION, "", actor="Anna", domains=())
    tale.noticed()
    tale.after(hours=23)
    tale.decide(Decision.ANSWERED)
    tale.after(hours=30)
    assert tale.case.phase is Phase.SUBMITTED
    tale.fact(FactKind.INSTRUCTION, "", actor="Anna", domains=())
    tale.noticed()
    tale.after(hours=54)
    assert (tale.case.phase, tale.case.blocked) == (Phase.OVERDUE, False)


def test_n9_spam_for_what_is_hosted_here_is_decided_by_a_person(tale):
    """There is no message of ours, so that nothing blocks by itself."""
    tale.fact(FactKind.ADVERTISED, "", actor="Anna")
    assert tale.case.phase is Phase.UNDECIDED
    tale.decide(Decision.CONFIRM, "Bea")
    assert (tale.case.blocked, tale.case.author) == (True, "Bea")


def test_n11_a_block_for_overuse_lifts_itself(tale):
    """After its time nobody needs to do anything."""
    tale.fact(FactKind.OVERUSE, "", actor="Anna")
    tale.noticed()
    tale.after(hours=24)
    assert (tale.case.phase, tale.case.blocked) == (Phase.CLOSED, False)


def test_n12_an_emergency_blocks_at_once_and_the_notice_follows_with_it(tale):
    """The same change has the block, by a person, and the notice; no clock ends it."""
    changed = tale.fact(FactKind.EMERGENCY, "", actor="Anna")
    assert tale.did(Block)
    assert NoticeKind.OPENED in tale.told()
    assert changed.case.author == "Anna"
    tale.noticed()
    tale.after(days=400)
    assert (tale.case.phase, tale.case.blocked) == (Phase.OPEN, True)


def test_n13_an_appeal_is_decided_by_another_than_its_author(tale):
    """Whoever confirmed or blocked is shut out; upheld, it is as if nothing had been."""
    tale.fact(FactKind.ADVERTISED, "", actor="Anna")
    tale.decide(Decision.CONFIRM, "Bea")
    tale.decide(Decision.APPEAL, "Ola of acme")
    assert tale.case.appeal_due_at == tale.now + 30 * DAY
    for decision in (Decision.UPHOLD, Decision.DENY):
        with pytest.raises(Refused, match="somebody else"):
            tale.decide(decision, "bea")
    tale.decide(Decision.UPHOLD, "Anna")
    assert (tale.case.phase, tale.case.blocked, tale.case.counted) == (Phase.CLOSED, False, False)


def test_n17_a_complaint_of_the_tenants_own_is_answered_within_30_days(tale):
    """The clock is the operator's."""
    tale.fact(FactKind.GRIEVANCE, "", actor="Anna")
    assert (tale.case.phase, tale.case.review_due_at) == (Phase.SUBMITTED, START + 30 * DAY)
    assert not tale.did(Block)
    tale.decide(Decision.ANSWERED)
    assert (tale.case.phase, tale.case.counted) == (Phase.CLOSED, False)


def test_n19_grounds_for_immediate_termination_need_two_people_still(tale):
    """Confirmed, it may be terminated at once, by two."""
    tale.fact(FactKind.ILLEGAL, "", actor="Anna")
    tale.decide(Decision.CONFIRM)
    tale.decide(Decision.PROPOSE_TERMINATION)
    with pytest.raises(Refused, match="another person"):
        tale.decide(Decision.CONFIRM_TERMINATION, "Anna")
    changed = tale.decide(Decision.CONFIRM_TERMINATION, "Bea")
    assert Terminate("because") in changed.effects
    assert tale.case.phase is Phase.TERMINATED


def test_the_complainer_is_passed_on_and_staff_have_24_hours(tale):
    """Choices of the terms that the preset holds."""
    assert tale.preset.passes_complainer_on
    assert (tale.preset.review, tale.preset.review_business_days) == (24 * HOUR, 1)

"""The other contracts, line by line: Standard's thresholds, Planisys's classes, IQ PL's."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.presets import preset_names
from policies.sanctions.case import Block, Counts, FeeState, Tell, Terminate, Unblock
from policies.sanctions.engine import (
    Refused,
    next_automatic,
    possible,
    threshold_divisor,
    volume_share,
)
from policies.sanctions.words import Decision, FactKind, Grade, NoticeKind, Phase
from tests.unit.sanctions.story import DAY, HOUR, START, Story, story

HIT, COMPLAINT, BOUNCE = FactKind.PROTECTED_HIT, FactKind.COMPLAINT, FactKind.HARD_BOUNCE


# ---- standard -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("facts", "recipients", "phase", "told"),
    [
        (3, 3, Phase.WATCHING, []),
        (4, 4, Phase.WATCHING, [NoticeKind.WARNING]),
        (9, 9, Phase.WATCHING, [NoticeKind.WARNING]),
        (10, 1000, Phase.OPEN, [NoticeKind.OPENED]),
        (10, 1001, Phase.WATCHING, [NoticeKind.WARNING]),
        (10, 3000, Phase.WATCHING, [NoticeKind.WARNING]),
        (10, 3001, Phase.WATCHING, []),
    ],
)
def test_standard_protected_hits_need_ten_and_one_percent(facts, recipients, phase, told):
    """Both must be reached; a third of both warns."""
    tale = story("standard")
    tale.fact(HIT, counts=Counts(facts, recipients))
    assert (tale.case.phase, tale.told()) == (phase, told)
    assert tale.did(Block) == (phase is Phase.OPEN)


@pytest.mark.parametrize(
    ("kind", "facts", "delivered", "phase", "told"),
    [
        (COMPLAINT, 3, 1000, Phase.OPEN, [NoticeKind.OPENED]),
        (COMPLAINT, 2, 1000, Phase.WATCHING, [NoticeKind.WARNING]),
        (COMPLAINT, 900, 999, Phase.WATCHING, []),
        (COMPLAINT, 21, 7000, Phase.OPEN, [NoticeKind.OPENED]),
        (COMPLAINT, 20, 7000, Phase.WATCHING, [NoticeKind.WARNING]),
        (COMPLAINT, 6, 7000, Phase.WATCHING, []),
        (BOUNCE, 16, 184, Phase.OPEN, [NoticeKind.OPENED]),
        (BOUNCE, 16, 185, Phase.WATCHING, [NoticeKind.WARNING]),
        (BOUNCE, 15, 185, Phase.WATCHING, [NoticeKind.WARNING]),
        (BOUNCE, 5, 195, Phase.WATCHING, []),
        (BOUNCE, 199, 0, Phase.WATCHING, []),
        (BOUNCE, 200, 0, Phase.OPEN, [NoticeKind.OPENED]),
    ],
)
def test_standard_complaints_and_bounces_are_shares_of_what_was_sent(
    kind, facts, delivered, phase, told
):
    """0.3 % of at least 1,000 delivered, and 8 % of at least 200 delivered or refused as bounces:
    also of a list on which nobody exists."""
    tale = story("standard")
    counts = Counts(facts, 10**6, delivered)
    if kind is COMPLAINT:
        tale.report(counts=counts)
    else:
        tale.fact(kind, counts=counts)
    assert (tale.case.phase, tale.told()) == (phase, told)


@pytest.mark.parametrize(
    ("grade", "facts", "weak", "phase", "told"),
    [
        (Grade.B, 5, 5, Phase.WATCHING, []),
        (Grade.B, 15, 15, Phase.WATCHING, [NoticeKind.WARNING]),
        (Grade.B, 16, 16, Phase.UNDECIDED, []),
        (Grade.B, 18, 1, Phase.UNDECIDED, []),
        (Grade.B, 19, 1, Phase.UNDECIDED, []),
        (None, 18, 1, Phase.UNDECIDED, []),
        (None, 19, 1, Phase.OPEN, [NoticeKind.OPENED]),
    ],
)
def test_bounces_of_grade_b_block_nobody_by_themselves(grade, facts, weak, phase, told):
    """Below the threshold they are watched; where it takes them to reach it, a person decides."""
    tale = story("standard")
    counts = Counts(facts, delivered=200, recipients=200, weak=weak)
    tale.fact(BOUNCE, grade=grade, counts=counts)
    assert (tale.case.phase, tale.told()) == (phase, told)
    assert tale.did(Block) == (phase is Phase.OPEN)


def test_a_bounce_of_grade_b_adds_to_a_running_case_and_asks_for_nothing():
    """Once the sanction is in force it is counted: nothing is charged or blocked anew for it."""
    tale = story("standard")
    tale.fact(BOUNCE, grade=None, counts=Counts(18, 200, 200))
    before = tale.case
    tale.fact(BOUNCE, grade=Grade.B, counts=Counts(19, 200, 200, weak=1))
    assert tale.case == replace(before, facts=before.facts + 1)


def test_standard_warns_once_in_a_case():
    """Every further fact above the third is no further warning."""
    tale = story("standard")
    for facts in range(1, 10):
        tale.fact(HIT, counts=Counts(facts, 100))
    assert tale.told() == [NoticeKind.WARNING]
    tale.fact(HIT, counts=Counts(10, 100))
    assert (tale.case.phase, tale.case.facts) == (Phase.OPEN, 10)


def test_standard_an_explanation_and_the_mending_lift_and_after_30_days_a_person_decides():
    """Both are asked for; the clock asks a person."""
    tale = story("standard")
    tale.fact(HIT, counts=Counts(10, 100))
    tale.noticed()
    tale.hand_in("explanation")
    assert tale.case.phase is Phase.OPEN
    tale.hand_in("mended")
    assert tale.case.phase is Phase.SUBMITTED
    tale.decide(Decision.ACCEPT)
    tale.fact(HIT, "m2", counts=Counts(10, 100))
    assert (tale.case.step, tale.case.counted) == ("protected", True)
    tale.noticed()
    tale.after(days=31)
    assert tale.case.phase is Phase.OVERDUE
    assert Decision.LIFT in possible(tale.case, tale.preset, "Anna")


def test_standard_records_defiance_only():
    """No ladder takes it."""
    assert story("standard").preset.ladder_of(FactKind.BATCH_DEFIANCE) is None


def test_a_case_that_is_only_watched_ends_in_silence():
    """Facts below the threshold leave nothing behind."""
    tale = story("standard")
    tale.fact(HIT, counts=Counts(1, 100))
    tale.after(days=8)
    assert (tale.case.phase, tale.case.counted, tale.effects) == (Phase.CLOSED, False, [])


# ---- planisys -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "hours"),
    [
        (FactKind.SPAM, 24),
        (FactKind.COPYRIGHT, 24),
        (FactKind.OPEN_RELAY, 8),
        (FactKind.COMPROMISED, 8),
        (FactKind.INSTRUCTION, 24),
    ],
)
def test_planisys_silence_suspends_after_the_time_of_its_class(kind, hours):
    """P3: not a minute before, and with a notice that says so."""
    tale = story("planisys")
    tale.fact(kind, "", actor="Anna")
    assert not tale.case.blocked
    tale.noticed()
    tale.after(hours=hours, minutes=-1)
    assert not tale.case.blocked
    tale.after(hours=hours)
    assert (tale.case.phase, tale.case.blocked) == (Phase.OVERDUE, True)
    assert tale.told()[-1] is NoticeKind.SUSPENDED
    assert tale.case.author == "gateway"


def test_planisys_a_reply_stops_the_clock():
    """P3: an answer in time keeps the service, and staff look at it."""
    tale = story("planisys")
    tale.fact(FactKind.SPAM, "", actor="Anna")
    tale.noticed()
    tale.after(hours=23)
    tale.decide(Decision.ANSWERED)
    tale.after(hours=200)
    assert (tale.case.phase, tale.case.blocked) == (Phase.SUBMITTED, False)
    assert tale.case.open_items == ("mended",)


def test_planisys_zero_tolerance_has_no_time():
    """P3: disconnected at once; two people may cancel without waiting."""
    tale = story("planisys")
    tale.fact(FactKind.ZERO_TOLERANCE, "", actor="Anna")
    assert (tale.case.phase, tale.case.blocked) == (Phase.OVERDUE, True)
    tale.decide(Decision.PROPOSE_TERMINATION)
    tale.decide(Decision.CONFIRM_TERMINATION, "Bea")
    assert tale.did(Terminate)


@pytest.mark.parametrize("hours", [2, 100])
def test_planisys_a_notice_may_state_a_time_of_its_own(hours):
    """P3: shorter or longer than the class's; from then on it only moves later."""
    tale = story("planisys")
    tale.fact(FactKind.SPAM, "", actor="Anna", until=START + hours * HOUR)
    tale.noticed()
    assert tale.case.due_at == START + hours * HOUR
    with pytest.raises(Refused, match="later"):
        tale.decide(Decision.EXTEND, until=START + hours * HOUR - 1)
    tale.decide(Decision.EXTEND, until=START + hours * HOUR + 1)
    tale.after(hours=hours)
    assert not tale.case.blocked


def test_planisys_a_notice_too_late_for_the_time_it_states_gives_the_classs_time():
    """Nobody is suspended before they could know."""
    tale = story("planisys")
    tale.fact(FactKind.SPAM, "", actor="Anna", until=START + HOUR)
    tale.after(hours=5)
    tale.noticed()
    assert tale.case.due_at == tale.now + 24 * HOUR


def suspended_and_lifted() -> Story:
    """Blocked for silence, then unblocked at the 31st hour."""
    tale = story("planisys")
    tale.fact(FactKind.SPAM, "", actor="Anna")
    tale.noticed()
    tale.after(hours=30)
    tale.hand_in("explanation", "mended")
    tale.after(hours=31)
    tale.decide(Decision.ACCEPT)
    return tale


@pytest.mark.parametrize(
    ("days", "share", "divisor"),
    [(0, 25, 2), (7, 25, 2), (7.5, 50, 2), (15, 75, 2), (22.5, 100, 2), (29.9, 100, 2),
     (30, 100, 1)],
)  # fmt: skip
def test_planisys_probation_after_unblocking(days, share, divisor):
    """P2: 30 days with 25, 50, 75 and 100 % of the volume, thresholds halved."""
    tale = suspended_and_lifted()
    assert (tale.case.phase, tale.case.blocked) == (Phase.PROBATION, False)
    assert tale.did(Unblock)
    at = tale.now + days * DAY
    assert volume_share(tale.case, tale.preset, at) == share
    assert threshold_divisor(tale.case, tale.preset, at) == divisor


def test_planisys_probation_goes_on_and_ends_by_itself():
    """Each span is told as it begins."""
    tale = suspended_and_lifted()
    seen = []
    while (coming := next_automatic(tale.case, tale.preset)) is not None:
        seen.append(coming.what)
        tale.after(hours=(coming.at - START) / HOUR)
    assert seen == ["volume-50", "volume-75", "volume-100", "probation-ends"]
    assert tale.case.phase is Phase.CLOSED
    assert Tell("case.deadline", (("share", 50), ("what", "volume"))) in tale.effects


def test_planisys_thresholds_are_halved_on_probation():
    """Five protected hits do what ten did."""
    tale = story("planisys")
    tale.fact(HIT, counts=Counts(5, 1000, divisor=2))
    assert tale.case.phase is Phase.OPEN
    tale.fact(HIT, "m2", counts=Counts(5, 1000, divisor=1))
    assert tale.case.phase is Phase.WATCHING


def test_planisys_a_block_ends_probation_and_asks_for_everything_again():
    """Whoever fails it starts over, with a clock from the new notice."""
    tale = suspended_and_lifted()
    tale.decide(Decision.BLOCK)
    assert (tale.case.phase, tale.case.blocked) == (Phase.OPEN, True)
    assert tale.case.open_items == ("explanation", "mended")
    assert tale.told()[-1] is NoticeKind.BLOCKED
    tale.noticed(NoticeKind.BLOCKED)
    assert tale.case.due_at == tale.now + 24 * HOUR


@pytest.mark.parametrize(("minutes", "amount"), [(1, 10_000), (60, 10_000), (61, 20_000)])
def test_planisys_work_is_billed_by_the_hour_one_at_least(minutes, amount):
    """P9: US$ 100 for each hour begun, proposed."""
    tale = story("planisys")
    tale.fact(FactKind.SPAM, "", actor="Anna")
    tale.decide(Decision.BILL, minutes=minutes)
    (fee,) = tale.case.fees
    assert (fee.amount, fee.currency, fee.clause, fee.state) == (
        amount, "USD", "Managed services", FeeState.PROPOSED,
    )  # fmt: skip


def test_planisys_passes_the_complainer_on():
    """P12."""
    assert story("planisys").preset.passes_complainer_on


# ---- iqpl ---------------------------------------------------------------------------------------


def test_iqpl_overuse_is_14_days_to_mend_and_then_3_days_notice():
    """I1: the second notice begins a clock of its own, and only after it a person may terminate."""
    tale = story("iqpl")
    tale.fact(FactKind.OVERUSE, "", actor="Anna")
    tale.noticed()
    tale.after(days=13.9)
    assert tale.case.step == "mend"
    tale.after(days=14)
    assert (tale.case.step, tale.case.phase, tale.case.due_at) == ("notice", Phase.OPEN, None)
    assert tale.told()[-1] is NoticeKind.OPENED
    tale.after(days=15)
    tale.noticed()
    assert tale.case.due_at == START + 18 * DAY
    assert Decision.PROPOSE_TERMINATION not in possible(tale.case, tale.preset, "Anna")
    tale.after(days=18)
    assert (tale.case.phase, tale.case.blocked) == (Phase.OVERDUE, False)
    assert Decision.PROPOSE_TERMINATION in possible(tale.case, tale.preset, "Anna")


def test_iqpl_a_second_overuse_has_its_14_days_again():
    """The notice is no rung: only the clock leads there."""
    tale = story("iqpl")
    for _ in range(2):
        tale.fact(FactKind.OVERUSE, "", actor="Anna")
        assert tale.case.step == "mend"


def test_iqpl_illegality_leaves_7_days_to_explain():
    """I2: then a person decides."""
    tale = story("iqpl")
    tale.fact(FactKind.ILLEGAL, "", actor="Anna")
    tale.noticed()
    tale.after(days=6.9)
    assert tale.case.phase is Phase.OPEN
    tale.after(days=7)
    assert (tale.case.phase, tale.case.blocked) == (Phase.OVERDUE, False)


def test_iqpl_danger_is_blocked_at_once_and_told_at_once():
    """I5: block and notice are one change, long before the hour is over."""
    tale = story("iqpl")
    changed = tale.fact(FactKind.DANGER, "", actor="Anna")
    kinds = [type(one).__name__ for one in changed.effects]
    assert "Block" in kinds
    assert "Notify" in kinds


def test_iqpl_mail_to_people_who_want_none_is_for_a_person():
    """No threshold blocks by itself."""
    tale = story("iqpl")
    tale.fact(HIT, counts=Counts(500, 500))
    assert (tale.case.phase, tale.case.blocked) == (Phase.UNDECIDED, False)
    tale.decide(Decision.CONFIRM)
    assert tale.case.blocked


def test_iqpl_a_complaint_of_the_tenants_own_is_answered_within_14_days():
    """I7."""
    tale = story("iqpl")
    tale.fact(FactKind.GRIEVANCE, "", actor="Anna")
    assert tale.case.review_due_at == START + 14 * DAY


# ---- all ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", preset_names())
def test_a_legal_request_needs_two_people_and_the_tenant_hears_nothing(name):
    """P10: the same person twice is one."""
    tale = story(name)
    tale.fact(FactKind.LEGAL_REQUEST, "", actor="Anna")
    tale.decide(Decision.APPROVE)
    with pytest.raises(Refused, match="second person"):
        tale.decide(Decision.APPROVE, "ANNA")
    tale.decide(Decision.APPROVE, "Bea")
    assert (tale.case.phase, tale.case.approvals) == (Phase.CLOSED, ("Anna", "Bea"))
    assert tale.effects == []


@pytest.mark.parametrize("name", preset_names())
def test_every_fact_that_a_person_can_open_has_a_ladder(name):
    """Nothing that staff open is left without a rule."""
    seen_by_the_gateway = {
        HIT, COMPLAINT, BOUNCE, FactKind.BATCH_DEFIANCE, FactKind.COMPLAINT_IGNORED,
    }  # fmt: skip
    preset = story(name).preset
    assert all(preset.ladder_of(kind) for kind in set(FactKind) - seen_by_the_gateway)

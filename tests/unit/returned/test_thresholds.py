"""When bounces are believed, and what a storm is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.returned.classes import BounceClass
from policies.returned.storms import is_storm
from policies.returned.thresholds import DAY, BounceLimits, BounceVerdict, decide

LIMITS = BounceLimits()
NOON = 20_000 * DAY + DAY / 2
MOMENTS = st.integers(-20, 20).map(lambda days: NOON + days * DAY)
HARD, SOFT, NOTHING = (
    BounceVerdict.HARD_BOUNCE,
    BounceVerdict.SOFT_BOUNCE,
    BounceVerdict.NOTHING,
)


def after(bounce_class: BounceClass, *days_ago: float, limits: BounceLimits = LIMITS) -> str:
    """The verdict on a bounce at noon, after others so many days earlier."""
    return decide(bounce_class, NOON, [NOON - days * DAY for days in days_ago], limits)


def test_one_unknown_mailbox_is_enough() -> None:
    """An invalid mailbox is believed at once, unless the settings want more of them."""
    assert after(BounceClass.INVALID_MAILBOX) is HARD
    two = BounceLimits(invalid_mailbox=2)
    assert after(BounceClass.INVALID_MAILBOX, limits=two) is NOTHING
    assert after(BounceClass.INVALID_MAILBOX, 0, limits=two) is HARD


@pytest.mark.parametrize(
    ("bounce_class", "days", "verdict"),
    [
        (BounceClass.DEAD_DOMAIN, 2, HARD),
        (BounceClass.FULL, 3, SOFT),
        (BounceClass.ROUTING, 5, SOFT),
    ],
)
def test_other_classes_need_different_days(
    bounce_class: BounceClass, days: int, verdict: BounceVerdict
) -> None:
    """Bounces of one day count once; the last day that is needed makes the difference, and days
    beyond the span make none."""
    assert after(bounce_class, *[0.01 * n for n in range(20)]) is NOTHING
    assert after(bounce_class, *range(1, days - 1)) is NOTHING
    assert after(bounce_class, *range(1, days)) is verdict
    assert after(bounce_class, *range(15, 15 + days)) is NOTHING


@given(
    st.sampled_from([one for one in BounceClass if not one.is_recipients]),
    st.lists(MOMENTS, max_size=50),
)
def test_what_is_not_the_recipients_fault_never_suppresses(
    bounce_class: BounceClass, earlier: list[float]
) -> None:
    """Policy, spam, authentication, size, content, refusals of us: nothing, however often."""
    assert decide(bounce_class, NOON, earlier, LIMITS) is NOTHING


@given(st.sampled_from(BounceClass), st.lists(MOMENTS, max_size=20), MOMENTS)
def test_one_bounce_more_never_forgives(
    bounce_class: BounceClass, earlier: list[float], more: float
) -> None:
    """What has been believed stays so with a further bounce."""
    if decide(bounce_class, NOON, earlier, LIMITS) is not NOTHING:
        assert decide(bounce_class, NOON, [*earlier, more], LIMITS) is not NOTHING


@pytest.mark.parametrize(
    ("unknown", "sent", "storm"),
    [
        (24, 24, False),
        (25, 25, True),
        (25, 83, True),
        (25, 84, False),
        (300, 1000, True),
        (299, 1000, False),
        (25, 0, True),
        (0, 0, False),
    ],
)
def test_a_storm_is_many_and_much(unknown: int, sent: int, storm: bool) -> None:
    """Both the number and the share have to be reached; late figures of what was sent hide none."""
    assert is_storm(unknown, sent, 25, 30) is storm

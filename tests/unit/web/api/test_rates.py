"""Counting calls by windows of a minute."""

from __future__ import annotations

import pytest

from gateway.networks import network_of
from gateway.web.api.rates import MAX_KNOWN, WINDOW, Rates


def test_a_window_begins_with_the_first_call_after_the_last_ended() -> None:
    """What is left counts down, is over after the quota, and is whole again after a minute."""
    rates = Rates()
    taken = [rates.take("a", 2, now) for now in (5.0, 6.5, 30.0, 5.0 + WINDOW)]
    assert [allowance.left for allowance in taken] == [1, 0, -1, 1]
    assert [allowance.is_over for allowance in taken] == [False, False, True, False]
    assert [allowance.seconds for allowance in taken] == [60, 59, 35, 60]


def test_callers_do_not_share_a_window() -> None:
    """One that is over keeps nobody else."""
    rates = Rates()
    for _ in range(3):
        rates.take("a", 1, 0.0)
    assert not rates.take("b", 1, 0.0).is_over


def test_memory_is_bounded_and_the_busy_are_kept() -> None:
    """Those who called longest ago are let go first."""
    rates = Rates()
    rates.take("busy", 10, 0.0)
    for number in range(MAX_KNOWN - 1):
        rates.take(number, 10, 0.0)
    assert rates.take("busy", 10, 0.0).left == 8
    for number in range(MAX_KNOWN - 1):
        rates.take(-number - 1, 10, 0.0)
    assert len(rates._windows) == MAX_KNOWN
    assert rates.take("busy", 10, 0.0).left == 7


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8::1", "2001:db8::ffff:2", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("", "", True),
    ],
)
def test_whom_an_attempt_is_counted_for(one: str, other: str, is_same: bool) -> None:
    """An IPv4 address, or the network of 64 bits that one site of IPv6 has."""
    assert (network_of(one) == network_of(other)) == is_same

"""When facts block, and on which names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import ConfigurationError
from gateway.presets import load_preset
from policies.blocking import FactKind, Step, Threshold, domains_of, judge, thresholds

STANDARD = Threshold(10, 1)


@pytest.mark.parametrize(
    ("facts", "recipients", "expected"),
    [
        (3, 3, Step.NOTHING),
        (4, 4, Step.WARN),
        (9, 9, Step.WARN),
        (10, 10, Step.BLOCK),
        (10, 1000, Step.BLOCK),
        (10, 1001, Step.WARN),
        (10, 3000, Step.WARN),
        (10, 3001, Step.NOTHING),
        (0, 0, Step.NOTHING),
    ],
)
def test_number_and_percentage_must_both_be_reached(facts, recipients, expected):
    """Ten facts and 1 % of the recipients block, a third of each warns."""
    assert judge(facts, recipients, STANDARD) is expected


@given(st.integers(0, 100), st.integers(0, 10_000))
def test_more_facts_never_lead_to_a_lesser_step(facts, recipients):
    """The ladder is climbed, never descended, by further facts."""
    now, then = (judge(n, recipients + n, STANDARD) for n in (facts, facts + 1))
    assert now.value <= then.value


def test_the_standard_preset_is_ten_and_one_percent():
    """The shipped file says what the rules promise; defiance is recorded only."""
    assert thresholds(load_preset("standard")) == {FactKind.PROTECTED_HIT: STANDARD}


@pytest.mark.parametrize(
    "preset",
    [
        {},
        {"block_at": {}, "more": 1},
        {"block_at": {"gossip": {"facts": 1, "percent": 1}}},
        {"block_at": {"protected-hit": {"facts": 1}}},
        {"block_at": {"protected-hit": {"facts": 0, "percent": 1}}},
        {"block_at": {"protected-hit": {"facts": 1, "percent": 101}}},
        {"block_at": {"protected-hit": {"facts": 1, "percent": 1, "days": 1}}},
    ],
)
def test_a_preset_that_says_anything_else_is_refused(preset):
    """A misspelt threshold is an error, never a threshold that is silently off."""
    with pytest.raises(ConfigurationError):
        thresholds(preset)


def test_an_unknown_preset_names_the_known_ones():
    """The error helps to mend it."""
    with pytest.raises(ConfigurationError, match="standard"):
        load_preset("../standard")


@pytest.mark.parametrize(
    ("mail_from", "expected"),
    [
        ("a@acme.example", ["acme.example"]),
        ("a@x.acme.test", ["acme.test"]),
        (None, ["acme.example", "acme.test"]),
    ],
)
def test_a_block_falls_on_the_registered_name(world, mail_from, expected):
    """A name under a `*.` entry blocks the parent, the empty sender all the tenant's domains."""
    assert domains_of(world.transaction(mail_from)) == expected

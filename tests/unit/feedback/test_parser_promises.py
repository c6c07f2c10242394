"""The parsers' promises: nothing raises, everything is bounded, work is linear in the octets.

They are those of the fuzzing target `feedback`; here Hypothesis makes mails of the words that the
parsers look for, and each bomb is tried at its full size.
"""

from __future__ import annotations

import sys
from types import FrameType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.feedback.parse import parse
from tests.campaigns.feedback_seeds import BOMBS, SEEDS, WORDS
from tests.campaigns.fuzz_feedback import one_input

SIZES = (16_000, 600_000)
"""Octets; the second is more than is looked at in any one place."""
LARGEST = 10_000_000
"""Octets that are taken at most (`feedback.max_bytes`)."""
PIECES = st.lists(
    st.one_of(st.sampled_from(WORDS), st.binary(max_size=40), st.sampled_from(SEEDS)), max_size=12
)


@given(PIECES)
def test_whatever_comes_is_read_within_bounds(pieces: list[bytes]) -> None:
    """Words, whole mails and any octets, one behind the other."""
    one_input(b"".join(pieces))


@given(st.sampled_from(SEEDS), st.data())
def test_a_mail_that_is_cut_or_changed_is_read_within_bounds(
    seed: bytes, data: st.DataObject
) -> None:
    """Wherever something is put in the place of something."""
    start = data.draw(st.integers(0, len(seed)))
    end = data.draw(st.integers(start, min(start + 200, len(seed))))
    one_input(seed[:start] + b"".join(data.draw(PIECES)) + seed[end:])


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_read_within_bounds(name: str) -> None:
    """A thousand levels, ten thousand parts, 16,000 encoded words: what is promised of any mail
    holds, and what takes more than its share of time is stopped."""
    bomb = BOMBS[name]
    each = max(len(bomb(1_000)) // 1_000, 1)
    for size in SIZES:
        one_input(bomb(max(size // each, 1_000)))


@pytest.mark.parametrize("name", ["no newline", "nested", "parts", "folds", "soft line ends"])
def test_the_largest_mail_is_read_within_bounds(name: str) -> None:
    """Ten megabytes, without a newline or of little else."""
    bomb = BOMBS[name]
    one_input(bomb(LARGEST // max(len(bomb(1_000)) // 1_000, 1)))


@pytest.mark.parametrize("name", BOMBS)
def test_work_is_linear_in_the_octets(name: str) -> None:
    """Eight times the mail takes at most some nine times the steps, counted and not timed."""
    few, many = steps(BOMBS[name](500)), steps(BOMBS[name](4_000))
    assert many <= 9 * few + 1_000


def steps(octets: bytes) -> int:
    """How many lines of code run while these octets are parsed."""
    count = 0

    def trace(frame: FrameType, event: str, argument: object) -> object:
        nonlocal count
        count += event == "line"
        return trace

    parse(octets)  # what is compiled once is compiled
    before = sys.gettrace()
    sys.settrace(trace)  # type: ignore[arg-type]
    try:
        parse(octets)
    finally:
        sys.settrace(before)
    return count

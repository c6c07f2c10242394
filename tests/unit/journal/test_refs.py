from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.refs import LENGTH, Refs, new_ref, ref_time, split_ref


@given(st.floats(min_value=1_600_000_000, max_value=3_700_000_000))
def test_a_ref_tells_when_it_was_made(now: float) -> None:
    """The time comes back to the millisecond, for as long as this format lasts."""
    ref = Refs(lambda: now).new()
    assert len(ref) == LENGTH
    assert ref_time(ref) == pytest.approx(now, abs=0.002)


def test_refs_sort_by_time_and_never_repeat() -> None:
    """Also when thousands are made within one millisecond."""
    now = 1_750_000_000.0
    refs = Refs(lambda: now)
    made = [refs.new() for _ in range(5000)]
    now += 0.001
    made += [refs.new() for _ in range(5000)]
    assert made == sorted(made)
    assert len(set(made)) == len(made)


def test_a_ref_may_be_typed_in_capitals_and_with_a_recipient() -> None:
    """What a customer copies from a reply is understood as it is."""
    ref = new_ref()
    assert split_ref(f" {ref.upper()}.17 ") == (ref, 17)
    assert split_ref(ref) == (ref, None)


@pytest.mark.parametrize("text", ["", "abc", "!" * 13, "0" * 13 + ".x", "0" * 13 + "."])
def test_what_is_no_ref_is_refused(text: str) -> None:
    """Nothing is searched for by mistake."""
    with pytest.raises(ValueError, match="not a ref"):
        split_ref(text)

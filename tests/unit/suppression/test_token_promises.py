"""Tokens that Hypothesis edits keep the promises that the fuzzing campaign checks."""

from hypothesis import given
from hypothesis import strategies as st

from tests.campaigns import fuzz_tokens


@given(st.binary(min_size=21, max_size=21), st.binary(max_size=12))
def test_only_the_same_token_is_read(made_of: bytes, edits: bytes) -> None:
    """After any edit a token is refused, unless the edit only changed its case."""
    fuzz_tokens.one_input(made_of + edits)

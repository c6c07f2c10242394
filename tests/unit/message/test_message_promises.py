"""Messages that Hypothesis puts together keep the promises that the fuzzing campaign checks."""

from hypothesis import given
from hypothesis import strategies as st

from tests.campaigns import fuzz_messages
from tests.campaigns.message_seeds import AUTHORS, BODIES, FIELDS, WORDS

_PARTS = st.one_of(
    st.sampled_from([*AUTHORS, *FIELDS]), st.sampled_from(WORDS), st.binary(max_size=20)
)
_HEADERS = st.lists(_PARTS, max_size=12).map(b"".join)
_BODIES = st.one_of(st.sampled_from(BODIES), st.binary(max_size=60))


@given(st.integers(0, 255), _HEADERS, st.sampled_from([b"\r\n", b"\r\n", b"", b"\n"]), _BODIES)
def test_a_message_keeps_its_promises(flags: int, header: bytes, gap: bytes, body: bytes) -> None:
    """Refused by name, or sent on with its octets and without what must not be seen."""
    fuzz_messages.one_input(bytes([flags]) + header + gap + body)

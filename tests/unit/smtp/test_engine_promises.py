"""Dialogues that Hypothesis puts together keep the promises that the fuzzing campaign checks."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from tests.campaigns import fuzz_relay
from tests.campaigns.dialogue_seeds import PAUSE, WORDS
from tests.campaigns.fuzz_engine import OFFERS, one_dialogue

_LINES = st.sampled_from(
    [b"EHLO client.test", b"STARTTLS", b"AUTH PLAIN AGFjbWUAY29ycmVjdCBob3JzZQ==", b"AUTH LOGIN",
     b"*", b"MAIL FROM:<news@acme.test>", b"RCPT TO:<anna@inbox.test>", b"RCPT TO:oops", b"DATA",
     b"Subject: x", b"..", b".", b"RSET", b"NOOP", b"VRFY a", b"BDAT 4", b"QUIT", b"x" * 2100]
)  # fmt: skip
_ENDS = st.sampled_from([b"\r\n"] * 12 + [b"\r\n" + PAUSE] * 4 + [b"\n", b"\r", b"\0\r\n", b""])
_WORDS = st.one_of(st.sampled_from(WORDS), st.binary(max_size=20))
_DIALOGUES = st.lists(
    st.one_of(st.builds(bytes.__add__, _LINES, _ENDS), _WORDS), min_size=1, max_size=25
).map(b"".join)
_HOP = st.lists(
    st.one_of(st.sampled_from([*fuzz_relay.SEEDS, *fuzz_relay.WORDS]), st.binary(max_size=20)),
    max_size=12,
).map(b"".join)


@given(st.sampled_from(range(len(OFFERS))), _DIALOGUES, st.integers(0, 2**32))
def test_our_engine_keeps_its_promises(offer: int, octets: bytes, seed: int) -> None:
    """In order, after TLS and AUTH where they must be, clean, bounded, however it is cut."""
    one_dialogue(offer, octets, Random(seed))


@given(st.integers(0, 4), _HOP, st.integers(0, 2**32))
def test_the_relays_engine_keeps_its_promises(script: int, octets: bytes, seed: int) -> None:
    """No reply of a next hop's is taken in another's place, however it is cut."""
    fuzz_relay.one_conversation(script, octets, Random(seed))

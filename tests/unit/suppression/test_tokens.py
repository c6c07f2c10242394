"""Tokens are read back exactly, and nothing else is."""

from base64 import b32decode, b32encode

from hypothesis import given
from hypothesis import strategies as st

from suppression.case_links import NO_CASE, case_link
from suppression.keys import Generation, Keyring
from suppression.tokens import MAX_STREAM, TOKEN_CHARACTERS, Purpose, Token, Tokens

KEYRING = Keyring([Generation.fresh(7)])
TOKENS = Tokens(KEYRING)
KEYS = st.binary(min_size=16, max_size=16)
NUMBERS = st.integers(0, MAX_STREAM)
PURPOSES = st.sampled_from(Purpose)


@given(PURPOSES, NUMBERS, KEYS)
def test_a_token_is_read_back_in_any_case(purpose: Purpose, number: int, key: bytes) -> None:
    """52 characters that fit a local part and a link carry stream and key."""
    text = TOKENS.make(purpose, number, key)
    assert len(text) == TOKEN_CHARACTERS
    assert text == text.lower()
    assert TOKENS.read(purpose, text) == Token(number, key)
    assert TOKENS.read(purpose, text.upper()) == Token(number, key)


@given(PURPOSES, PURPOSES, NUMBERS, KEYS)
def test_a_token_serves_its_purpose_only(
    purpose: Purpose, other: Purpose, number: int, key: bytes
) -> None:
    """A return path's token does not unsubscribe."""
    read = TOKENS.read(other, TOKENS.make(purpose, number, key))
    assert (read is not None) == (purpose is other)


def test_every_single_bit_flip_is_refused() -> None:
    """All 256 bits of a token are covered by its tag."""
    for number in range(40):
        octets = b32decode(TOKENS.make(Purpose.UNSUBSCRIBE, number, bytes(16)).upper() + "====")
        for bit in range(256):
            flipped = (int.from_bytes(octets, "big") ^ 1 << bit).to_bytes(32, "big")
            text = b32encode(flipped)[:TOKEN_CHARACTERS].decode().lower()
            assert TOKENS.read(Purpose.UNSUBSCRIBE, text) is None


def test_a_token_has_one_spelling() -> None:
    """The four spare bits of the last character must be zero."""
    text = TOKENS.make(Purpose.UNSUBSCRIBE, 1, bytes(16))
    accepted = [
        last
        for last in "abcdefghijklmnopqrstuvwxyz234567"
        if TOKENS.read(Purpose.UNSUBSCRIBE, text[:-1] + last)
    ]
    assert accepted == [text[-1]]


@given(st.text(max_size=60))
def test_other_text_is_no_token(text: str) -> None:
    """Whatever a scanner sends is answered None, never an exception."""
    assert TOKENS.read(Purpose.UNSUBSCRIBE, text) is None


def test_letters_outside_ascii_are_refused() -> None:
    """Characters that upper-case into the alphabet do not make a second spelling."""
    text = TOKENS.make(Purpose.UNSUBSCRIBE, 1, bytes(16))
    assert TOKENS.read(Purpose.UNSUBSCRIBE, "\u0131" + text[1:]) is None


def test_tokens_outlive_rotation_but_not_their_secret() -> None:
    """A link in an old mail works for as long as its generation is in the keyring."""
    text = TOKENS.make(Purpose.UNSUBSCRIBE, 1, bytes(16))
    rotated = Tokens(Keyring([Generation.fresh(8), KEYRING.current]))
    assert rotated.read(Purpose.UNSUBSCRIBE, text) == Token(1, bytes(16))
    assert Tokens(Keyring([Generation.fresh(8)])).read(Purpose.UNSUBSCRIBE, text) is None
    assert Tokens(Keyring([Generation.fresh(7)])).read(Purpose.UNSUBSCRIBE, text) is None


@given(NUMBERS, KEYS)
def test_a_status_link_carries_tenant_and_case(number: int, tracking: bytes) -> None:
    """What refusals and notices link to is read back; without a case it stands for the tenant."""
    link = case_link("https://mail.example.com/", TOKENS, number, tracking)
    assert link.startswith("https://mail.example.com/status/")
    assert TOKENS.read(Purpose.CASE, link.rpartition("/")[2]) == Token(number, tracking)
    whole = case_link("https://mail.example.com", TOKENS, number)
    assert TOKENS.read(Purpose.CASE, whole.rpartition("/")[2]) == Token(number, NO_CASE)

"""What staff paste into the look-up is recognised by its form."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.web.desk.recognition import Kind, Recognised, recognise
from suppression.keys import Generation, Keyring
from suppression.tokens import Purpose, Tokens

KEYRING = Keyring([Generation(0, b"a" * 32, b"b" * 32, b"c" * 32)])
TOKENS = Tokens(KEYRING)
KEY = bytes(range(16))
REF = "0bm7k2w9xq4tn"


def read(text: str) -> Recognised:
    """What `text` is under the test's keys."""
    return recognise(text, TOKENS)


@pytest.mark.parametrize("purpose", list(Purpose))
@pytest.mark.parametrize(
    "pattern",
    ["{}", " {} \n", "https://mail.example/unsubscribe/{}?lang=pl", "bounce+{}@x.example"],
)
def test_a_token_of_any_purpose_is_found_in_its_link(purpose: Purpose, pattern: str) -> None:
    """Tokens are read alone, in links and in local parts, in either case."""
    token = TOKENS.make(purpose, 7, KEY)
    for spelling in (token, token.upper()):
        found = read(pattern.format(spelling))
        assert (found.kind, found.purpose) == (Kind.TOKEN, purpose)
        assert found.token is not None
        assert (found.token.stream_number, found.token.key) == (7, KEY)


def test_a_forged_token_is_none() -> None:
    """A token with one character changed is not taken for one."""
    token = TOKENS.make(Purpose.UNSUBSCRIBE, 7, KEY)
    assert read(("b" if token[0] == "a" else "a") + token[1:]).kind is Kind.NOTHING


@pytest.mark.parametrize(
    ("text", "recipient"),
    [
        (REF, None),
        (f" {REF.upper()}.3 ", 3),
        (f"550 5.7.1 [UNSUB] this recipient has unsubscribed; ref={REF}.12", 12),
        (f"550-5.7.1 [UNSUB] no; ref={REF}.0\r\n550 https://mail.example/replies/unsub", 0),
    ],
)
def test_a_ref_is_found_in_a_whole_reply(text: str, recipient: int | None) -> None:
    """A ref is read alone and out of the reply that it stands in."""
    found = read(text)
    assert (found.kind, found.ref, found.recipient) == (Kind.REF, REF, recipient)


@pytest.mark.parametrize(
    "text",
    ["jan@example.org", "<jan@example.org>", "Jan <jan@example.org>", "mailto:jan@example.org"],
)
def test_an_address_is_read_with_what_is_around_it(text: str) -> None:
    """Display name, brackets and scheme are left away; it may be a Message-ID as well."""
    found = read(text)
    assert found.kind is Kind.ADDRESS
    assert found.address is not None
    assert found.address.text == found.message_id == "jan@example.org"


def test_a_message_id_is_known_by_its_label_or_its_form() -> None:
    """What is labelled so, or is no address, is a Message-ID only; one of ours holds a ref."""
    labelled = read("Message-ID: <a.b@mailer.example>")
    assert (labelled.kind, labelled.message_id) == (Kind.MESSAGE_ID, "a.b@mailer.example")
    assert read("<a..b@[mailer]>").kind is Kind.MESSAGE_ID
    ours = read(f"Message-ID: <{REF}@gateway.example>")
    assert (ours.kind, ours.ref) == (Kind.MESSAGE_ID, REF)
    lookalike = read(f"{REF}@gateway.example")
    assert (lookalike.kind, lookalike.ref) == (Kind.ADDRESS, REF)


def test_cases_numbers_and_domains_are_told_apart() -> None:
    """A case by its id, a number by its 32 digits, a domain by its dots."""
    assert read("case C-000123, 2 items open") == Recognised(Kind.CASE, case=123)
    assert read("c-000123").case == 123
    assert read(KEY.hex().upper()) == Recognised(Kind.NUMBER, number=KEY)
    assert read("Shop.Example") == Recognised(Kind.DOMAIN, domain="shop.example")
    assert read("żółw.example").domain == "xn--w-uga1v8h.example"
    for nothing in ("", "hello", "two words", "http://x.example/a"):
        assert read(nothing).kind is Kind.NOTHING


@given(st.text())
def test_no_text_is_too_strange(text: str) -> None:
    """Whatever is pasted has a reading, and reading it raises nothing."""
    assert recognise(text, TOKENS).kind in Kind

"""The confirmation mail: what stands in it, whoever wrote the texts that go into it."""

from __future__ import annotations

import email
import email.policy
from dataclasses import replace
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.message.dkim import Signer
from gateway.message.dkim_keys import KeyKind, load_key, new_key
from gateway.message.header import HeaderView
from gateway.opt_in.letter import Draft, compose
from gateway.opt_in.texts import TEXTS
from gateway.records.proof_mailing import Letter

SIGNERS = (Signer("acme.test", "s", load_key(new_key(KeyKind.ED25519))),)
DRAFT = Draft(
    letter=Letter.QUESTION,
    language="en",
    sender="lists@acme.test",
    sender_name="Acme",
    list_name="Weekly",
    address="jan@example.org",
    text="I agree.",
    link="https://gateway.test/c/" + "a" * 52,
    privacy="https://acme.test/privacy?a=1&b=2",
    number="0" * 32,
    hostname="gateway.test",
    at=1_800_000_000,
    until=1_800_600_000,
)
NAMES = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=80)
"""What the configuration lets a name be."""
WORDS = st.text(st.characters(exclude_categories=("Cs", "Cc"), include_characters="\n\t"))


def read(draft: Draft) -> EmailMessage:
    """The mail as a reader's program takes it apart."""
    parsed = email.message_from_bytes(compose(draft, SIGNERS).octets, policy=email.policy.default)
    assert isinstance(parsed, EmailMessage)
    return parsed


@given(NAMES, NAMES, WORDS, st.sampled_from(["en", "pl"]), st.sampled_from(Letter))
def test_no_name_or_text_ends_a_field_or_a_part(
    sender: str, title: str, text: str, language: str, letter: Letter
) -> None:
    """The same fields whatever they say, in lines that every server takes, with two parts."""
    draft = replace(
        DRAFT, sender_name=sender, list_name=title, text=text, language=language, letter=letter
    )
    octets = compose(draft, SIGNERS).octets
    head, _, body = octets.partition(b"\r\n\r\n")
    fields = [field.name for field in HeaderView.parse(head + b"\r\n").fields]
    assert fields == [
        *(b"dkim-signature", b"from", b"to", b"subject", b"date", b"message-id"),
        *(b"auto-submitted", b"content-language", b"x-consent-number"),
        *(b"mime-version", b"content-type"),
    ]
    assert octets.replace(b"\r\n", b"").find(b"\n") == -1
    assert octets.replace(b"\r\n", b"").find(b"\r") == -1
    assert max(map(len, octets.split(b"\r\n"))) <= 998
    assert body.isascii()
    parts = list(read(draft).iter_parts())
    assert [part.get_content_type() for part in parts] == ["text/plain", "text/html"]
    for line in text.replace("\r\n", "\n").split("\n"):
        assert line.strip("\x1c\x1d\x1e\x85\u2028\u2029") in parts[0].get_content()


def test_the_same_input_gives_the_same_octets() -> None:
    """So that a mail that is sent again is the very mail whose hash is on record."""
    first, second = compose(DRAFT, SIGNERS), compose(DRAFT, SIGNERS)
    assert first == second
    assert first.sha256 != compose(replace(DRAFT, at=DRAFT.at + 1), SIGNERS).sha256


def test_markup_is_text() -> None:
    """A tenant's words cannot put anything into the HTML part."""
    evil = '<img src="https://evil.test/x"><script>alert(1)</script>'
    html = list(read(replace(DRAFT, text=evil, list_name=evil)).iter_parts())[1].get_content()
    assert "<script" not in html
    assert "<img" not in html
    assert "&lt;script&gt;" in html


def test_nothing_is_loaded_and_one_link_confirms() -> None:
    """Opening the mail tells nobody; besides the link there is the privacy notice only."""
    html = list(read(DRAFT).iter_parts())[1].get_content()
    assert not any(loads in html for loads in ("src=", "url(", "<link", "@import", "background="))
    assert html.count("href=") == 2
    assert f'href="{DRAFT.link}"' in html


@pytest.mark.parametrize("language", TEXTS)
def test_a_reminder_says_that_it_is_one(language: str) -> None:
    """It names the day of the question; the question does not speak of a reminder."""
    draft = replace(DRAFT, language=language, mailed_at=1_799_000_000)
    question = str(read(draft))
    reminder = str(read(replace(draft, letter=Letter.REMINDER)))
    assert "2027-01-03" not in question
    assert "2027-01-03" in reminder
    assert (
        compose(draft, SIGNERS).message_id
        != compose(replace(draft, letter=Letter.REMINDER), SIGNERS).message_id
    )


def test_both_languages_say_the_same() -> None:
    """Each text exists in each language, with the same things filled in."""
    names = {language: set(texts) for language, texts in TEXTS.items()}
    assert names["en"] == names["pl"]
    for name in names["en"]:
        filled = [
            {word for word in ("{sender}", "{list}", "{address}", "{when}") if word in texts[name]}
            for texts in TEXTS.values()
        ]
        assert filled[0] == filled[1], name

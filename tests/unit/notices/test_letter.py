"""Notices: what stands in them in both languages, whoever wrote what goes into them."""

from __future__ import annotations

import email
import email.policy
from dataclasses import replace
from email.message import EmailMessage
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.message.dkim import Signer
from gateway.message.dkim_keys import KeyKind, load_key, new_key
from gateway.message.header import HeaderView
from gateway.notices.letter import Draft, compose, instant, subject_of, text_of
from gateway.notices.words import FACTS, LANGUAGES, OPENED, REQUIREMENTS, SUBJECTS
from gateway.records.notice_facts import Seen
from policies.sanctions.case import Fee, FeeState, Requirement
from policies.sanctions.ladder import Then
from policies.sanctions.preset import REQUIREMENTS as ASKED_FOR
from policies.sanctions.words import FactKind, NoticeKind

SIGNERS = (Signer("gateway.test", "s", load_key(new_key(KeyKind.ED25519))),)
WARSAW = ZoneInfo("Europe/Warsaw")
LINK = "https://gateway.test/status/" + "a" * 52
REPLY_TO = f"case+{'b' * 52}@cases.gateway.test"
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
DRAFT = Draft(
    kind=NoticeKind.OPENED,
    language="en",
    message_id="<1.notice@gateway.test>",
    sender="abuse@gateway.test",
    sender_name="Abuse desk",
    recipient="office@acme.test",
    reply_to=REPLY_TO,
    return_path=REPLY_TO,
    at=1_800_000_000,
    zone=WARSAW,
    case="C-000123",
    tenant="Acme",
    title="mail to protected addresses",
    preset="Niebieski",
    clause="§3.1",
    clause_text="the sender is blocked until protection is confirmed",
    blocked=("acme.test", "news.acme.test"),
    facts=(Seen(FactKind.PROTECTED_HIT, 40, 1_799_990_000, 1_799_999_000),),
    mailing="0k3ma1l1ng000",
    refs=("0refaaaaaaaaa", "0refbbbbbbbbb"),
    addresses=("anna@inbox.test",),
    more_addresses=3,
    requirements=(Requirement("protection-confirmed", 1.0), Requirement("screenshot")),
    fees=(Fee(1, 9000, "PLN", 2, 4500, "§3.2"), Fee(2, 100, "PLN", 1, 100, "", FeeState.WAIVED)),
    link=LINK,
    deadline=1_802_592_000,
    then=Then.MAY_TERMINATE.value,
    appeal_seconds=30 * 86_400,
    reason="seen by staff",
)


def read(draft: Draft) -> EmailMessage:
    """The mail as a reader's program takes it apart."""
    parsed = email.message_from_bytes(compose(draft, SIGNERS).octets, policy=email.policy.default)
    assert isinstance(parsed, EmailMessage)
    return parsed


def flowing(draft: Draft) -> str:
    """The text with its lines joined, as it is read."""
    return " ".join(text_of(draft).split())


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", NoticeKind)
def test_every_kind_tells_what_matters(kind: NoticeKind, language: str) -> None:
    """Case, cause, clause, what is blocked, refs and mailing are in every notice, whatever kind."""
    draft = replace(DRAFT, kind=kind, language=language)
    text = flowing(draft)
    greeting, lead = text_of(draft).split("\n\n")[:2]
    assert greeting in ("Hello,", "Dzień dobry,")
    assert lead.strip(), "the kind has a sentence of its own"
    for told in (
        *("C-000123", "mail to protected addresses", "Niebieski, §3.1", "protection is confirmed"),
        *("- acme.test", "- news.acme.test", "0k3ma1l1ng000", "0refaaaaaaaaa", "seen by staff"),
        *(": 40,", "anna@inbox.test", "Abuse desk"),
    ):
        if kind is NoticeKind.REJECTED and told == "mail to protected addresses":
            continue  # it is in the subject
        assert told in text, told
    assert subject_of(draft).startswith("[C-000123] ")
    assert "None" not in text
    assert max(map(len, text_of(draft).splitlines())) <= 100


def test_kinds_and_languages_differ() -> None:
    """No two kinds begin alike in a language, and nothing of one language stands in the other."""
    leads = {
        (language, kind): text_of(replace(DRAFT, kind=kind, language=language)).split("\n\n")[1]
        for language in LANGUAGES
        for kind in NoticeKind
    }
    assert len(set(leads.values())) == len(leads)


@pytest.mark.parametrize(
    ("language", "todo", "deadline", "fee", "appeal"),
    [
        (
            "en",
            "[x] confirm that you use anti-spam protection [ ] a screenshot",
            "2027-02-14 09:00 CET (08:00 UTC). After that your service may be terminated",
            "- 90.00 PLN net (2 x 45.00 PLN), §3.2: foreseen",
            "Answer this mail or use your page, and say why. Somebody else than the author",
        ),
        (
            "pl",
            "[x] potwierdzenie stosowania ochrony antyspamowej [ ] zrzut ekranu",
            "2027-02-14 09:00 CET (08:00 UTC). Potem usługa może zostać rozwiązana",
            "- 90,00 PLN netto (2 x 45,00 PLN), §3.2: przewidziana",
            "Wystarczy odpowiedzieć na tę wiadomość albo skorzystać ze strony sprawy",
        ),
    ],
)
def test_what_to_do_until_when_and_how_to_object(
    language: str, todo: str, deadline: str, fee: str, appeal: str
) -> None:
    """The checklist shows what is in, the deadline stands in both zones, waived fees do not."""
    text = flowing(replace(DRAFT, language=language))
    for told in (todo, deadline, fee, appeal, LINK):
        assert told in text, told
    assert "1.00 PLN" not in text
    assert "1,00 PLN" not in text


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("then", Then)
def test_what_follows_a_deadline_is_said(language: str, then: Then) -> None:
    """Every way a clock can end fits behind the deadline."""
    text = flowing(replace(DRAFT, language=language, then=then.value))
    assert "2027-02-14 09:00 CET (08:00 UTC). " in text


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_over_asks_for_nothing(language: str) -> None:
    """An unblocked tenant reads that nothing is blocked and gets no checklist or deadline."""
    draft = replace(
        DRAFT, kind=NoticeKind.UNBLOCKED, language=language, blocked=(), is_over=True, fees=()
    )
    text = flowing(draft)
    assert "[ ]" not in text
    assert "2027-02-14" not in text
    assert {"en": "Nothing.", "pl": "Nic."}[language] in text
    draft = replace(draft, probation=1_802_592_000.0)
    assert "2027-02-14 09:00 CET (08:00 UTC)" in flowing(draft)


def test_without_a_feedback_listener_answers_go_to_the_sender() -> None:
    """No Reply-To, and the text asks to keep the number in the subject."""
    draft = replace(DRAFT, reply_to=DRAFT.sender, return_path=DRAFT.sender)
    mail = read(draft)
    assert mail["Reply-To"] is None
    assert "Write to abuse@gateway.test" in flowing(draft)
    assert "keep the number in the subject" in flowing(draft)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_word_is_there(language: str) -> None:
    """Each fact, kind, and thing that a preset may ask for has words in the language."""
    assert set(FACTS[language]) == set(FactKind)
    assert set(SUBJECTS[language]) == set(NoticeKind)
    assert set(REQUIREMENTS[language]) == set(ASKED_FOR)
    assert set(OPENED[language]) == {True, False}


def test_the_mail_is_plain_signed_and_answers_to_the_case() -> None:
    """What receivers and vacation programs go by is in the header; the same draft, same octets."""
    mail = read(replace(DRAFT, thread=("<0.notice@gateway.test>",)))
    assert mail.get_content_type() == "text/plain"
    assert mail["From"] == "Abuse desk <abuse@gateway.test>"
    assert mail["To"] == "office@acme.test"
    assert mail["Reply-To"] == REPLY_TO
    assert mail["Subject"] == "[C-000123] sending is blocked: mail to protected addresses"
    assert mail["Message-ID"] == "<1.notice@gateway.test>"
    assert mail["References"] == "<0.notice@gateway.test>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Date"].datetime.timestamp() == DRAFT.at
    assert "d=gateway.test; s=s;" in " ".join(mail["DKIM-Signature"].split())
    assert mail.get_content().replace("\r\n", "\n") == text_of(
        replace(DRAFT, thread=("<0.notice@gateway.test>",))
    )
    assert compose(DRAFT, SIGNERS) == compose(DRAFT, SIGNERS)


@given(TEXTS, TEXTS, TEXTS, TEXTS, st.sampled_from(NoticeKind), st.sampled_from(LANGUAGES))
def test_no_text_ends_a_field_or_begins_a_paragraph(
    title: str, reason: str, mailing: str, name: str, kind: NoticeKind, language: str
) -> None:
    """The same fields whatever a preset, staff or a customer writes, and no heading of theirs."""
    forged = "\r\nBcc: eve@evil.test\r\n\r\nWHAT TO DO\r\npay"
    draft = replace(
        DRAFT,
        kind=kind,
        language=language,
        title=title + forged,
        reason=reason + forged,
        mailing=mailing + forged,
        sender_name=name + forged,
        addresses=(f"anna{forged}@inbox.test",),
    )
    octets = compose(draft, ()).octets
    head, _, body = octets.partition(b"\r\n\r\n")
    assert [field.name for field in HeaderView.parse(head + b"\r\n").fields] == [
        *(b"from", b"to", b"reply-to", b"subject", b"date", b"message-id", b"auto-submitted"),
        *(b"content-language", b"mime-version", b"content-type", b"content-transfer-encoding"),
    ]
    assert all(len(line) <= 998 for line in octets.split(b"\r\n"))
    assert b"\r" not in body.replace(b"\r\n", b"")
    assert b"\n" not in body.replace(b"\r\n", b"")
    headings = [part for part in text_of(draft).split("\n\n") if part[:10] == "WHAT TO DO"]
    assert len(headings) == (language == "en")


def test_an_instant_is_told_in_both_zones() -> None:
    """In UTC too, with its day where that differs, and once where the zone is UTC."""
    assert instant(1_802_592_000, WARSAW) == "2027-02-14 09:00 CET (08:00 UTC)"
    assert instant(1_802_561_400, WARSAW) == "2027-02-14 00:30 CET (2027-02-13 23:30 UTC)"
    assert instant(1_802_592_000, ZoneInfo("UTC")) == "2027-02-14 08:00 UTC"

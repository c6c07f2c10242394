"""Bounces of all forms: who failed, why, and how little a hostile one can do."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.feedback.bounce_rules import bounce_table
from gateway.feedback.dsn import MAX_FIELDS, read_dsn
from gateway.feedback.mime import read_mail
from gateway.feedback.parsed import Action, BouncedRecipient
from gateway.feedback.plain_bounce import read_plain_bounce
from gateway.feedback.server_words import (
    MAX_ADDRESS,
    MAX_RECIPIENTS,
    MAX_SAID,
    BounceMail,
    address_in,
    host_in,
    said,
    unix_time,
)
from policies.returned.bounces import Refusal

FOLDER = Path(__file__).parent / "fixtures"
GONE, DEAD, FULL = "invalid-mailbox", "dead-domain", "mailbox-full"
ANNA = {"anna@inbox.test": f"failed {GONE}"}
FIXTURES = {
    "bounce-domino": ANNA,
    "bounce-exchange-2007": ANNA,
    "bounce-exchange-5": ANNA,
    "bounce-exim": {**ANNA, "bob@gone.test": f"failed {DEAD}"},
    "bounce-exim-delayed": {"anna@inbox.test": "delayed routing"},
    "bounce-gmail": ANNA,
    "bounce-gmail-delayed": {"anna@inbox.test": "delayed unknown"},
    "bounce-gmx": ANNA,
    "bounce-html-exchange": ANNA,
    "bounce-html-gateway": {"anna@inbox.test": f"failed {FULL}"},
    "bounce-iso-2022-jp": ANNA,
    "bounce-iso-8859-2": ANNA,
    "bounce-mail-ru": ANNA,
    "bounce-notes": ANNA,
    "bounce-opensmtpd": {"anna@inbox.test": "failed spam"},
    "bounce-postfix": {"anna@inbox.test": f"failed {FULL}", "bob@inbox.test": f"failed {GONE}"},
    "bounce-postfix-delayed": {"anna@inbox.test": "delayed routing"},
    "bounce-qmail": {
        **ANNA,
        "bob@gone.test": f"failed {DEAD}",
        "carl@relay.test": f"failed {GONE}",
    },
    "bounce-qmail-polish": {
        "anna@inbox.test": f"failed {FULL}",
        "bob@inbox.test": f"failed {GONE}",
    },
    "bounce-sender-refused": {"anna@inbox.test": "failed policy"},
    "bounce-sendmail": {"anna@inbox.test": "failed refuses-us", "bob@inbox.test": f"failed {GONE}"},
    "bounce-sendmail-5": ANNA,
    "bounce-sendmail-delayed": {"anna@inbox.test": "delayed unknown"},
    "bounce-unknown-charset": ANNA,
    "bounce-utf-16": ANNA,
    "bounce-windows-1250": {"anna@inbox.test": f"failed {FULL}"},
    "bounce-yahoo": ANNA,
    "dsn-base64": ANNA,
    "dsn-consentry": ANNA,
    "dsn-domino": ANNA,
    "dsn-exchange-full": {"anna@inbox.test": f"failed {FULL}"},
    "dsn-exchange-online": ANNA,
    "dsn-exim": {"anna@inbox.test": "failed refuses-us"},
    "dsn-gmail": ANNA,
    "dsn-in-a-wrapper": ANNA,
    "dsn-no-empty-lines": {**ANNA, "bob@inbox.test": f"failed {FULL}"},
    "dsn-no-status": ANNA,
    "dsn-postfix-dead": {"anna@dead.test": f"failed {DEAD}"},
    "dsn-postfix-delayed": {"busy@full.test": "delayed transient"},
    "dsn-postfix-delivered": {"news@acme.test": "delivered unknown"},
    "dsn-postfix-expired": {"busy@full.test": "failed transient"},
    "dsn-postfix-relayed": {"bob@full.test": "relayed unknown"},
    "dsn-postfix-several": {
        "blocked@full.test": "failed refuses-us",
        "full@full.test": f"failed {FULL}",
        "unknown@full.test": f"failed {GONE}",
    },
    "dsn-postfix-unknown": {"unknown@full.test": f"failed {GONE}"},
    "dsn-sendmail": ANNA,
    "dsn-several-actions": {
        "anna@inbox.test": "delayed routing",
        "team@inbox.test": "expanded unknown",
        "bob@inbox.test": "relayed unknown",
        "carl@inbox.test": "delivered unknown",
        "dora@inbox.test": "unknown unknown",
        "emil@inbox.test": f"failed {GONE}",
        "fred@inbox.test": "failed routing",
    },
    "dsn-status-is-text": ANNA,
    "dsn-too-many-empty-lines": {**ANNA, "bob@inbox.test": "delayed routing"},
    "dsn-utf-8": {"zoë@inbox.test": f"failed {GONE}"},
    "dsn-xtext": {
        "anna+news@inbox.test": f"failed {GONE}",
        '"bob smith"@inbox.test': "failed routing",
    },
}


def read(octets: bytes) -> BounceMail | None:
    """The bounce in a mail, whichever form it has."""
    mail = read_mail(octets)
    return read_dsn(mail) or read_plain_bounce(mail)


def why(recipient: BouncedRecipient) -> str:
    """The class of what was said."""
    reply = (recipient.code, recipient.enhanced, recipient.text)
    return bounce_table().classify(Refusal(*reply, host=recipient.remote)).value


@pytest.mark.parametrize("name", FIXTURES)
def test_who_failed_and_why(name: str) -> None:
    """Each server's own form comes out as what it means."""
    found = read((FOLDER / f"{name}.eml").read_bytes())
    assert found is not None
    recipients = found.bounce.recipients
    assert {one.address: f"{one.action} {why(one)}" for one in recipients} == FIXTURES[name]


def test_every_bounce_among_the_fixtures_is_here() -> None:
    """A new one needs to be told what it means."""
    names = {path.stem for path in FOLDER.glob("*.eml")}
    assert {name for name in names if name.startswith(("bounce-", "dsn-"))} == set(FIXTURES)


def test_our_own_notice_gives_the_original_back() -> None:
    """What the gateway writes to MAIL FROM it can read, header and all."""
    found = read((FOLDER / "dsn-consentry.eml").read_bytes())
    assert found is not None
    assert found.original is not None
    assert b"Message-ID: <1.july@acme.test>\r\n" in found.original.header


QMAIL = b"""\
Hi. This is the qmail-send program at relay.test.

<anna@inbox.test>:
550 5.1.1 User unknown

--- Below this line is a copy of the message.

Message-ID: <1@acme.test>
From: news@acme.test
"""


@pytest.mark.parametrize(
    ("header", "is_one"),
    [
        (b"From: MAILER-DAEMON@relay.test\n", True),
        (b"From: Mail Delivery Subsystem <x@relay.test>\n", True),
        (b"Return-Path: <>\nFrom: Relay <relay@relay.test>\n", True),
        (b"Return-Path: <bob@inbox.test>\nFrom: Bob <bob@inbox.test>\n", False),
        (b"From: Bob <bob@inbox.test>\n", False),
        (b"Subject: failure notice\n", False),
    ],
)
def test_only_servers_bounce(header: bytes, is_one: bool) -> None:
    """The same words from a person, who has forwarded them, are none."""
    assert (read(header + b"\n" + QMAIL) is not None) is is_one


@pytest.mark.parametrize(
    "text",
    [
        "I am away. Your message was not delivered to anna@inbox.test, who has left.",
        "anna@inbox.test\nis unable to deliver an answer before Monday.",
        "The account anna@inbox.test does not exist any more: delivery failed",
    ],
)
def test_an_answering_machine_that_writes_from_nobody_is_none(text: str) -> None:
    """The null sender alone makes no bounce of what names no code."""
    mail = f"Return-Path: <>\nFrom: Anna <anna@inbox.test>\nSubject: away\n\n{text}\n"
    assert read(mail.encode()) is None


def test_a_disposition_notice_is_no_bounce() -> None:
    """Who has read or deleted a mail has got it (RFC 8098)."""
    mail = (
        b"From: postmaster@inbox.test\nContent-Type: multipart/report; boundary=b;\n"
        b" report-type=disposition-notification\n\n--b\n\nYour mail was displayed.\n--b\n"
        b"Content-Type: message/disposition-notification\n\n"
        b"Final-Recipient: rfc822; anna@inbox.test\nDisposition: manual-action; displayed\n--b--\n"
    )
    assert read(mail) is None


@pytest.mark.parametrize(
    ("text", "code", "enhanced", "words"),
    [
        ("550 5.1.1 <a@b.test>: no", 550, "5.1.1", "550 5.1.1 <>: no"),
        ("host x.test[192.0.2.1] said: 552-5.2.2 it is full", 552, "5.2.2", "552-5.2.2 it is full"),
        ("SMTP; 550 it is not here", 0, "", "SMTP; 550 it is not here"),
        ("Remote host said: 550 it is not here", 550, "", "550 it is not here"),
        ("Sorry, no. (#5.1.2)", 0, "5.1.2", "Sorry, no. (#5.1.2)"),
        ("450 4.1.1 unverified: host y said: 550 5.1.1 x", 450, "4.1.1", None),
        ("we are 192.5.1.1 and 10.550.5.1.1", 0, "", None),
        ("User unknown: 550", 550, "", "User unknown: 550"),
        ("", 0, "", ""),
    ],
)
def test_a_reply_is_found_in_words(text: str, code: int, enhanced: str, words: str | None) -> None:
    """The first code counts: what a milder reply quotes does not make it harsher."""
    reply = said(text)
    assert (reply.code, reply.enhanced) == (code, enhanced)
    assert words is None or reply.text == words


def test_addresses_hosts_and_times_are_found() -> None:
    """As servers write them; what is none is empty."""
    texts = [
        "<a@b.test>",
        "x (a@b.test), c@d.test",
        "'a@b.test'.",
        '"a b"@c.test',
        "a@b@c",
        "a@",
        "",
    ]
    assert [address_in(text) for text in texts] == [
        "a@b.test",
        "a@b.test",
        "a@b.test",
        '"a b"@c.test',
        "",
        "",
        "",
    ]
    assert [host_in(text) for text in ("MX.b.test. (2001:db8::1)", "192.0.2.1", "x")] == [
        "mx.b.test",
        "",
        "",
    ]
    assert unix_time("Sat, 21 Nov 2026 14:00:02 +0000") == 1_795_269_602
    assert [unix_time(text) for text in ("yesterday", "", "99 Foo 99999 99:99")] == [None] * 3


PIECES = [
    b"From: MAILER-DAEMON@x.test\n",
    b"Return-Path: <>\n",
    b"Content-Type: multipart/report; report-type=delivery-status; boundary=b\n",
    b"X-Failed-Recipients: a@b.test, c@d.test\n",
    b"\n",
    b"--b\n",
    b"--b--\n",
    b"Content-Type: message/delivery-status\n",
    b"Content-Transfer-Encoding: base64\n",
    b"Reporting-MTA: dns; x.test\n",
    b"Final-Recipient: rfc822; a@b.test\n",
    b"Original-Recipient: utf-8; \\x{110000}\\x{D800}+2B@b.test\n",
    b"Action: failed\n",
    b"Status: 5.1.1\n",
    b"Diagnostic-Code: smtp; 550 5.1.1 no\n",
    b"Arrival-Date: Sat, 99 Nov 2026 14:00:02 +9999\n",
    b"Hi. This is the qmail-send program\n",
    b"   ----- Transcript of session follows -----\n",
    b"<a@b.test>: host x.test[192.0.2.1] said: 550 5.1.1 no\n",
    b"550 <c@d.test>... User unknown\n",
    b"--- Below this line is a copy of the message.\n",
]


@given(st.lists(st.sampled_from(PIECES) | st.binary(max_size=20), max_size=40).map(b"".join))
def test_whatever_comes_is_read_within_bounds(octets: bytes) -> None:
    """Nothing raises, and what is found fits the records."""
    for found in (read_dsn(read_mail(octets)), read_plain_bounce(read_mail(octets))):
        if found is None:
            continue
        assert 0 < len(found.bounce.recipients) <= MAX_RECIPIENTS
        assert len(found.fields) <= MAX_FIELDS
        for one in found.bounce.recipients:
            assert 3 <= len(one.address) <= MAX_ADDRESS
            assert len(one.text) <= MAX_SAID
            assert one.code == 0 or 200 <= one.code < 600
            assert isinstance(one.action, Action)
            why(one)


@pytest.mark.parametrize(
    "line",
    [
        b"Final-Recipient: rfc822; a@b.test\nAction: failed\nStatus: 5.1.1\n\n",
        b"Final-Recipient: rfc822; a@b.test\n",
        b"Diagnostic-Code: smtp; " + b"550 5.1.1 <" * 900 + b"\n",
        b"Original-Recipient: rfc822; " + b"\\x{1}" * 1_500 + b"\n",
        b"Original-Recipient: rfc822; " + b"a@" * 4_000 + b"\n",
    ],
)
def test_much_of_the_same_stays_within_bounds(line: bytes) -> None:
    """A status part of megabytes gives no more than others, from the first octets of it."""
    head = (
        b"Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n"
        b"Content-Type: message/delivery-status\n\nFinal-Recipient: rfc822; a@b.test\n"
        b"Action: failed\n"
    )
    found = read_dsn(read_mail(head + line * (4_000_000 // len(line)) + b"--b--\n"))
    assert found is not None
    assert len(found.bounce.recipients) <= MAX_RECIPIENTS
    assert len(found.fields) <= MAX_FIELDS


@pytest.mark.parametrize(
    "line",
    [
        b"<a@b.test>: no\n",
        b"550 a@b.test no\n",
        b"a" * 900 + b"@\n",
        b"mail to " * 100 + b"\n",
        b"-" * 900 + b"\n",
        b"x <" + b"a." * 400 + b"@\n",
    ],
)
def test_words_without_end_stay_within_bounds(line: bytes) -> None:
    """So does a text of megabytes."""
    head = b"From: MAILER-DAEMON@x.test\n\nHi. This is the qmail-send program.\n<c@d.test>: no\n"
    found = read_plain_bounce(read_mail(head + line * (4_000_000 // len(line))))
    assert found is not None
    assert len(found.bounce.recipients) <= MAX_RECIPIENTS

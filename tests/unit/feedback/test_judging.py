"""What is kept of a mail that came back: its header section and words, and no body of our mail."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from gateway.feedback.judging import Judge
from gateway.feedback.parsed import Form
from gateway.feedback.terms import Terms
from gateway.records.database import Database
from gateway.records.returned import Returned
from suppression.keys import Generation, Keyring
from suppression.tokens import Tokens

KEYRING = Keyring([Generation.fresh(0)], 0)
NOW = 1_800_000_000.0
SECRET = b"your results are enclosed"
QMAIL = b"""\
From: MAILER-DAEMON@isp.test
Return-Path: <>
Subject: failure notice

Hi. This is the qmail-send program at isp.test.

<jan@isp.test>:
Sorry, no mailbox here by that name. (#5.1.1)

--- Below this line is a copy of the message.

Message-ID: <2@acme.test>
From: news@acme.test
To: jan@isp.test

Dear Jan, your results are enclosed
"""


async def judged(octets: bytes) -> Returned:
    """What is taken of a mail to `abuse@` that nobody has signed and no token of ours is in."""
    rules = SimpleNamespace(feedback_sources=frozenset(), keyring=KEYRING)
    house, mailboxes = SimpleNamespace(tokens=Tokens(KEYRING)), SimpleNamespace(feedback="x.test")
    said: Any = SimpleNamespace(rules=rules, house=house, mailboxes=mailboxes, dns=None)
    known: Any = SimpleNamespace(of_key=lambda *_: [], of_message_id=lambda *_: [])
    judge, terms = Judge(cast(Database, None), known), cast(Terms, said)
    mail = await judge.read(octets, terms, NOW)
    return await judge.judge(mail, None, "abuse", "smtp", terms, NOW)


@pytest.mark.parametrize("end", [b"\n\n", b"\n\r\n", b"\r\n\n", b"\r\n\r\n", b"\r\n"])
async def test_no_body_is_kept_as_a_header(end: bytes) -> None:
    """Whatever line ends the mail has, and where the empty line is missing."""
    octets = b"From: a@b.test\r\nSubject: hello" + end + SECRET + b"\r\nand more\r\n"
    kept = await judged(octets)
    assert kept.raw == b"From: a@b.test\r\nSubject: hello\r\n"


async def test_of_a_plain_bounce_the_servers_words_are_kept() -> None:
    """Not our mail below them, which some servers send back whole."""
    kept = await judged(QMAIL)
    assert kept.form is Form.PLAIN_BOUNCE
    assert kept.said is not None
    words = "Sorry, no mailbox here by that name. (#5.1.1)"
    assert kept.said["text"] == f"jan@isp.test: {words}"
    assert SECRET.decode() not in str(kept)
    assert b"Message-ID: <2@acme.test>\r\n" in kept.original

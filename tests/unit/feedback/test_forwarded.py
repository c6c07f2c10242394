"""Notifications that somebody has sent on: worth what an unsigned one is that came by itself, and
that only for the recipient whose token is in what they give back."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gateway.feedback.bounce_rules import bounce_table
from gateway.feedback.intake import NO_REPLY
from gateway.feedback.judging import Judge
from gateway.feedback.mailboxes import Kind, Mailbox
from gateway.feedback.parsed import Form
from gateway.feedback.signatures import Signed
from gateway.feedback.terms import Terms
from gateway.message.address import parse_mailbox
from gateway.message.dkim_verify import Signature
from gateway.message.header import HeaderView
from gateway.records.database import Database
from gateway.records.returned import Returned
from policies.returned.classes import BounceClass
from policies.sanctions.words import Grade
from suppression.keys import Generation, Keyring
from suppression.tokens import Purpose, Tokens
from tests.e2e.returned_mail import DOMAIN, dsn, report, sent_on

KEYRING = Keyring([Generation.fresh(0)], 0)
TOKENS = Tokens(KEYRING)
NOW = 1_800_000_000.0
ANNA, EWA = "anna@inbox.test", "ewa@inbox.test"
SIGNED = cast(Signature, SimpleNamespace(domain="loops.isp.test", octets=b"a signature"))


@pytest.fixture(autouse=True)
def streams(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every number is that of one stream."""
    monkeypatch.setattr("gateway.feedback.judging.find_stream", lambda *_: ("acme", "weekly"))


def key(address: str) -> bytes:
    """A recipient's key."""
    return KEYRING.exact_key(parse_mailbox(address))


def trace(address: str) -> str:
    """The field of our mail that names its recipient."""
    return f"Consentry-Trace: {TOKENS.make(Purpose.FEEDBACK, 1, key(address))}"


def mailing() -> str:
    """The field that only names its mailing."""
    token = TOKENS.make(Purpose.MAILING, 1, b"m1".ljust(16, b"\0"))
    return f"Feedback-ID: m1.{token}:weekly:acme:consentry"


def path(address: str) -> Mailbox:
    """The return path of a copy to somebody."""
    text = TOKENS.make(Purpose.RETURN_PATH, 1, key(address))
    token = TOKENS.read(Purpose.RETURN_PATH, text)
    return Mailbox(Kind.BOUNCES, f"bounce+{text}@{DOMAIN}", token)


def parts_of(notification: bytes) -> bytes:
    """The mail of a person whose program has taken it to pieces."""
    _, _, parts = notification.partition(b"\r\n\r\n")
    head = b'From: Olga <olga@isp.test>\r\nContent-Type: multipart/mixed; boundary="b"\r\n\r\n'
    return head + parts


async def judged(octets: bytes, mailbox: Mailbox | None = None, signed: bool = False) -> Returned:
    """What is taken of a mail."""
    rules = SimpleNamespace(feedback_sources=frozenset(), keyring=KEYRING)
    house, mailboxes = SimpleNamespace(tokens=TOKENS), SimpleNamespace(feedback=DOMAIN)
    said: Any = SimpleNamespace(
        rules=rules, house=house, mailboxes=mailboxes, dns=None, table=bounce_table()
    )
    known: Any = SimpleNamespace(of_key=lambda *_: [], of_message_id=lambda *_: [])
    database: Any = SimpleNamespace(reading=nullcontext)
    judge, terms = Judge(cast(Database, database), known), cast(Terms, said)
    mail = await judge.read(octets, terms, NOW)
    if signed:
        mail = replace(mail, signed=Signed(HeaderView(b"", ()), b"", valid=SIGNED))
    return await judge.judge(mail, mailbox, "fbl", "smtp", terms, NOW)


@pytest.mark.parametrize("way", [sent_on, parts_of])
@pytest.mark.parametrize("is_signed", [False, True])
async def test_what_gives_our_token_back_bounces_unsigned(way: Any, is_signed: bool) -> None:
    """Whoever has signed the mail around it has not written it."""
    taken = await judged(way(dsn("n1", ANNA, original=trace(ANNA))), signed=is_signed)
    assert (taken.form, taken.grade, taken.source) == (Form.FORWARDED_DSN, Grade.B, "")
    assert taken.bounce is not None
    assert taken.bounce.key == key(ANNA)
    assert taken.bounce.grade is Grade.B
    assert taken.bounce.bounce_class is BounceClass.INVALID_MAILBOX
    own = await judged(report("r1", trace(ANNA)), signed=is_signed)
    assert own.grade is (Grade.A if is_signed else Grade.B)


@pytest.mark.parametrize("way", [sent_on, parts_of])
@pytest.mark.parametrize("original", ["Subject: hello", mailing()], ids=["nothing", "mailing"])
async def test_a_return_path_alone_proves_nothing_of_what_is_sent_on(
    way: Any, original: str
) -> None:
    """Somebody may answer our mail with a notification about any mail of theirs: they are not the
    ones who are unknown. What came by itself needs no more than the path."""
    notification = dsn("n2", EWA, original=original)
    taken = await judged(way(notification), path(ANNA))
    assert taken.bounce is None
    assert taken.match is None or not taken.match.key
    assert taken.grade is (Grade.D if original == "Subject: hello" else Grade.B)
    own = await judged(notification, path(ANNA))
    assert own.bounce is not None
    assert own.bounce.key == key(ANNA)


async def test_what_is_sent_on_to_somebody_elses_path_contradicts() -> None:
    """Neither of the two is believed; sent on to their own it is."""
    notification = sent_on(dsn("n3", EWA, original=trace(EWA)))
    taken = await judged(notification, path(ANNA))
    assert (taken.bounce, taken.match, taken.grade) == (None, None, Grade.D)
    assert (await judged(notification, path(EWA))).bounce is not None


async def test_a_notification_in_a_report_is_not_read() -> None:
    """A report is about the mail that it gives back, whatever that mail says: a listed source's
    signature would else speak for a stranger."""
    notification = dsn("n4", ANNA, original=trace(ANNA)).decode().replace("\r\n", "\n")
    notification = notification.replace('boundary="b"', 'boundary="c"').replace("--b", "--c")
    taken = await judged(report("r4", notification), signed=True)
    assert (taken.form, taken.bounce, taken.grade) == (Form.ARF, None, Grade.D)


def test_who_sends_a_notification_on_is_somebody() -> None:
    """A tenant may so answer a notice; only what servers send themselves is no answer."""
    assert Form.DSN in NO_REPLY
    assert Form.FORWARDED_DSN not in NO_REPLY

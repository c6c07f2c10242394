"""Mail that came back, for tests of the desk: taken in as mail is, and storms of bounces."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zlib import crc32

from gateway.feedback.intake import Intake
from gateway.feedback.terms import Terms
from gateway.message.address import parse_mailbox
from gateway.notices.gather import House
from gateway.records import figures
from gateway.records.bounces import Bounced, BounceTerms, settle, take_bounce
from gateway.records.case_rules import Rules
from gateway.records.database import Connection
from gateway.records.streams import stream_number
from policies.returned.classes import BounceClass
from suppression.tokens import Purpose, Tokens

if TYPE_CHECKING:
    from conftest import World

JAN = "jan.kowalski@inbox.test"
FORGED = "a" * 40 + "b" * 12
"""A token's shape, and none of ours."""


def arf(
    original: str, *, agent: str = "Loop/1", subject: str = "complaint", **fields: str
) -> bytes:
    """A complaint (RFC 5965) about a mail with these header fields."""
    own = "".join(f"{name.replace('_', '-')}: {text}\n" for name, text in fields.items())
    text = f"""From: Loop <fbl@loop.test>
To: abuse@gateway.test
Subject: {subject}
Message-ID: <{crc32(repr((original, agent, subject, own)).encode())}@loop.test>
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary=b

--b

This is a report.
--b
Content-Type: message/feedback-report

Feedback-Type: abuse
User-Agent: {agent}
Version: 1
Original-Rcpt-To: <{JAN}>
{own}
--b
Content-Type: text/rfc822-headers

{original}
--b--
"""
    return text.replace("\n", "\r\n").encode()


async def came(world: World, mail: bytes) -> int:
    """Take a mail in; its report's number."""
    (world.folder / "state/journal").mkdir(parents=True, exist_ok=True)
    while world.index.advance():
        pass
    house = House.of(world.loaded, world.rules)
    terms = Terms.of(world.loaded, house)
    intake = Intake(world.database, world.index, terms, world.events.append, lambda: world.now)
    done = await intake.ingest(mail, "api")
    assert done.taken is not None
    assert done.taken.report is not None
    return done.taken.report.number


def trace(world: World, tenant: str = "acme", address: str = JAN) -> str:
    """The token that a copy to somebody carries."""
    with world.database.transaction() as connection:
        number = stream_number(connection, tenant, "offers")
    key = world.keyring.exact_key(parse_mailbox(address))
    return Tokens(world.keyring).make(Purpose.FEEDBACK, number, key)


def storm(
    connection: Connection,
    rules: Rules,
    now: float,
    provider: str,
    tenants: tuple[str, ...] = ("acme", "beta"),
    text: str = "no such user",
) -> None:
    """Many unknown mailboxes at a provider, held by the job that looks at them."""
    terms = BounceTerms()
    before = now - terms.storm.within - 60
    figures.note_sent(connection, provider, before, 40)
    for number in range(terms.storm.count + 1):
        person = parse_mailbox(f"user{number // 2}@{provider}")
        bounced = Bounced(
            f"{provider} {now} {number}", tenants[number % len(tenants)], "offers", "", "acme.test",
            provider, rules.keyring.exact_key(person), BounceClass.INVALID_MAILBOX, 550, "5.1.1",
            text, before + number, grade=None,
        )  # fmt: skip
        take_bounce(connection, bounced, rules, terms, before + number)
    while settle(connection, rules, terms, now):
        pass

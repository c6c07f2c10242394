"""What the journal's lines tell of recipients: bounces, alarms and sums, each outcome once."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from gateway.events import Event
from gateway.feedback.outcomes import Followed, Outcome, read_outcomes
from gateway.journal import encode
from gateway.records.figures import Figure
from policies.returned.bounces import Stage
from policies.returned.classes import BounceClass

AT = 1_800_000_000.0
KEYS = [bytes([number]) * 16 for number in range(4)]
UNKNOWN = "<>: no such user here"
DENIED = "relaying denied for this client"


def entry(number: int, state: str, code: int = 250, enhanced: str = "", text: str = "ok") -> object:
    """A recipient as events tell of one."""
    told: dict[str, object] = {"key": KEYS[number].hex(), "domain": "Inbox.Example"}
    told |= {"n": number, "state": state, "code": code, "text": text}
    return told | ({} if code < 300 else {"enhanced": enhanced})


def message(kind: str, recipients: Sequence[object], copies: int) -> bytes:
    """A line about a message."""
    detail: dict[str, object] = {"recipients": list(recipients), "copies": copies}
    event = Event(kind, AT, ref="R1", tenant="acme", stream="weekly", mailing="m1", detail=detail)
    event.domain = "shop.example"
    return encode(event)


def refused(code: int, enhanced: str, text: str) -> bytes:
    """A line about a recipient whom the next hop refused at RCPT."""
    detail: dict[str, object] = {"n": 3, "key": KEYS[3].hex(), "from": "shop.example"}
    detail["next_hop"] = f"{code} {enhanced} {text}"
    event = Event("rcpt.refused", AT, ref="R1.3", tenant="acme", stream="weekly", mailing="m1")
    event.domain, event.detail = "inbox.example", detail
    return encode(event)


def follow(*lines: bytes) -> Followed:
    """What follows from lines."""
    followed = Followed()
    for line in lines:
        for outcome in read_outcomes(line):
            followed.take(outcome)
    return followed


def figures(followed: Followed) -> dict[Figure, int]:
    """The sums by what they are of."""
    return {what: amount for (*_, what), amount in followed.figures.items()}


def test_a_recipient_refused_at_rcpt_bounces() -> None:
    """With everything that the records need, and what it was about."""
    followed = follow(refused(550, "5.1.1", UNKNOWN))
    (bounced,) = followed.bounced
    assert (bounced.bounce_class, bounced.code, bounced.enhanced, bounced.text) == (
        BounceClass.INVALID_MAILBOX,
        550,
        "5.1.1",
        UNKNOWN,
    )
    assert (bounced.tenant, bounced.stream, bounced.mailing) == ("acme", "weekly", "m1")
    assert (bounced.domain, bounced.provider) == ("shop.example", "inbox.example")
    assert (bounced.key, bounced.at, bounced.grade) == (KEYS[3], AT, None)
    assert (bounced.mark, bounced.ref) == (f"R1 {KEYS[3].hex()}", "R1")
    assert figures(followed) == {Figure.OFFERED: 1}
    assert list(followed.sent.values()) == [1]
    assert not followed.alarms


def test_copies_of_one_recipient_each_bounce_by_themselves() -> None:
    """What was taken is delivered; what was refused after its own dot is that recipient's."""
    recipients = [entry(0, "taken"), entry(1, "refused", 550, "5.1.1", UNKNOWN)]
    recipients.append(entry(2, "deferred", 451, "4.7.1", "later"))
    followed = follow(message("message.deferred", recipients, copies=3))
    assert [bounced.key for bounced in followed.bounced] == [KEYS[1]]
    assert followed.bounced[0].bounce_class is BounceClass.INVALID_MAILBOX
    assert figures(followed) == {Figure.OFFERED: 2, Figure.DELIVERED: 1}
    assert list(followed.sent) == [("inbox.example", AT // 300 * 300)]


def test_a_reply_to_a_message_for_several_is_nobodys_bounce() -> None:
    """`no such user` after the dot of a shared copy does not say whose mailbox it is."""
    recipients = [entry(number, "refused", 550, "5.1.1", UNKNOWN) for number in range(2)]
    outcomes = list(read_outcomes(message("message.refused", recipients, copies=1)))
    assert [outcome.refusal and outcome.refusal.stage for outcome in outcomes] == [Stage.SHARED] * 2
    followed = follow(message("message.refused", recipients, copies=1))
    assert not followed.bounced
    assert figures(followed) == {Figure.OFFERED: 2}


def test_a_reply_to_a_message_for_one_is_that_ones() -> None:
    """The same of a copy with one recipient, whatever else was put off."""
    recipients = [entry(0, "refused", 550, "5.1.1", UNKNOWN), entry(1, "deferred", 451, "", "wait")]
    followed = follow(message("message.deferred", recipients, copies=1))
    assert [bounced.key for bounced in followed.bounced] == [KEYS[0]]


def test_a_refused_sender_is_no_recipients_bounce() -> None:
    """The answer to MAIL goes for every RCPT, and for the recipients of a copy."""
    told = entry(0, "refused", 550, "5.1.1", UNKNOWN) | {"said_to": "mail"}  # type: ignore[operator]
    line = refused(550, "5.1.1", UNKNOWN).replace(b'"from"', b'"said_to":"mail","from"')
    followed = follow(message("message.refused", [told], copies=1), line)
    assert not followed.bounced
    assert figures(followed) == {Figure.OFFERED: 2}


def test_an_outcome_of_an_earlier_try_is_not_told_again() -> None:
    """A retry's line names everybody; who was taken or refused before counted then."""
    earlier = {"earlier": True}
    recipients = [
        entry(0, "taken") | earlier,  # type: ignore[operator]
        entry(1, "refused", 550, "5.1.1", UNKNOWN) | earlier,  # type: ignore[operator]
        entry(2, "taken"),
    ]
    followed = follow(message("message.relayed", recipients, copies=1))
    assert not followed.bounced
    assert figures(followed) == {Figure.OFFERED: 1, Figure.DELIVERED: 1}


@pytest.mark.parametrize(
    "line",
    [
        refused(550, "5.7.1", DENIED),
        refused(554, "5.7.1", "service unavailable; client host blocked using bl.test"),
        message("message.refused", [entry(0, "refused", 550, "5.7.1", DENIED)], copies=1),
    ],
)
def test_replies_that_refuse_us_are_alarms_and_never_bounces(line: bytes) -> None:
    """Relaying denied is about the gateway: no bounce, no figure, one alarm."""
    followed = follow(line)
    (alarm,) = followed.alarms
    assert isinstance(alarm, Outcome)
    assert alarm.refusal is not None
    assert not followed.bounced
    assert not followed.figures
    assert not followed.sent
    assert followed.kinds == {"refuses-us": 1}


@pytest.mark.parametrize(
    "line",
    [
        refused(451, "4.3.5", "550 5.7.1 relay access denied"),
        refused(450, "4.2.1", "mailbox busy"),
        message("message.sent_again", [entry(0, "unknown", 451, "", "?")], copies=1),
        encode(Event("rcpt.refused", AT, "S", "R1.1", "acme", tag="UNSUB", detail={"n": 1})),
        encode(Event("process.started", AT, detail={"next_hop": "550 5.1.1 x", "key": "00"})),
        refused(550, "5.1.1", UNKNOWN)[:-20],
        message("message.relayed", ["nonsense"], copies=1),
        message("message.relayed", [{"state": "taken"}], copies=1),
        encode(Event("message.relayed", AT, tenant="acme", detail={"recipients": 7})),
        encode(Event("rcpt.refused", AT, tenant="acme", detail={"next_hop": "550"})),
        b"\xff\x00 \"message.\n",
    ],
)  # fmt: skip
def test_what_is_no_outcome_has_no_effect(line: bytes) -> None:
    """Refusals for now, our own refusals, torn lines and nonsense are passed over."""
    followed = follow(line)
    assert not followed.bounced
    assert not followed.figures
    assert not followed.alarms

"""What the customer is told, and how a refusal of the gateway itself is recognised."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.relay.answers import (
    LACKS_SMTPUTF8,
    outcome_of,
    refuses_us,
    reply_for,
    without_addresses,
)
from gateway.relay.outcome import HopReply, State, Trouble
from gateway.relay.watch import RefusalWatch

UNKNOWN = HopReply(550, "5.1.1", "<u1@x.example>: User unknown")


@pytest.mark.parametrize(
    ("code", "enhanced", "text"),
    [
        (530, "5.7.0", "Authentication required"),
        (535, "5.7.8", "bad login"),
        (503, "5.5.1", "nested MAIL command"),
        (555, "5.5.4", "Unsupported option"),
        (501, "5.5.4", "Bad BODY parameter"),
        (554, "5.7.1", "<u@x.example>: Relay access denied"),
        (454, "4.7.1", "<u@x.example>: Relay access denied"),
        (554, "5.7.1", "<unknown[address]>: Client host rejected: Access denied"),
        (550, "", "relay not permitted"),
        (550, "", "5.x Unable to relay"),
    ],
)
def test_refusals_of_the_gateway(code: int, enhanced: str, text: str) -> None:
    """Authentication, our own syntax, relaying and our address are not the customer's affair."""
    assert refuses_us(HopReply(code, enhanced, text))


@pytest.mark.parametrize(
    "reply",
    [
        UNKNOWN,
        HopReply(550, "5.7.1", "<client@relay.example>: Recipient address rejected"),
        HopReply(501, "5.1.3", "Bad recipient address syntax"),
        HopReply(452, "4.2.2", "Mailbox full"),
        HopReply(554, "5.7.1", "Message content rejected"),
    ],
)
def test_refusals_of_the_mail(reply: HopReply) -> None:
    """Words about the recipient or the content stay the customer's, whatever its address says."""
    assert not refuses_us(reply)
    answer = reply_for(reply)
    assert (answer.code, answer.enhanced, answer.text) == (reply.code, reply.enhanced, reply.text)


@pytest.mark.parametrize(
    ("trouble", "tag"),
    [
        (Trouble.AWAY, "NEXT-HOP-AWAY"),
        (Trouble.BUSY, "NEXT-HOP-BUSY"),
        (Trouble.BROKE_OFF, "NEXT-HOP-SILENT"),
        (Trouble.REFUSES_US, "NEXT-HOP"),
    ],
)
def test_trouble_is_told_in_our_words(trouble: Trouble, tag: str) -> None:
    """The customer learns that, not what, and always as a 451."""
    answer = reply_for(HopReply(451, "4.3.5", "535 secret words", trouble))
    assert (answer.code, answer.tag) == (451, tag)
    assert "secret" not in answer.text


def test_codes_that_would_mislead_are_changed() -> None:
    """421 would close the customer's session, 552 5.5.3 means `too many recipients for now`."""
    assert reply_for(HopReply(421, "4.3.2", "later")).code == 451
    assert reply_for(HopReply(552, "5.5.3", "too many")).code == 452
    assert reply_for(LACKS_SMTPUTF8).tag == "SMTPUTF8"


@given(st.integers(400, 599), st.sampled_from(["", "4.1.1", "5.1.1", "5.9"]), st.text())
def test_every_refusal_makes_a_valid_reply(code: int, enhanced: str, text: str) -> None:
    """Whatever the next hop says, the reply is one of the same class and encodes to one line."""
    answer = reply_for(HopReply(code, enhanced, text))
    assert answer.code // 100 == code // 100
    assert answer.encode().count(b"\n") == 1


def test_outcomes_follow_the_class() -> None:
    """2xx taken, 4xx deferred, 5xx refused."""
    codes = (250, 451, 554)
    assert [outcome_of(HopReply(code, "", "")).state for code in codes] == [
        State.TAKEN,
        State.DEFERRED,
        State.REFUSED,
    ]


def test_addresses_are_cut_from_words() -> None:
    """Bracketed and plain addresses both go."""
    assert without_addresses("<a@b.example>: no c@d.example here") == "<>: no <> here"


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def refuse(watch: RefusalWatch, count: int, tenants: int) -> bool:
    return [
        watch.refused(f"t{n % tenants}", HopReply(550, "5.1.1", f"<u{n}@x>: no"))
        for n in range(count)
    ][-1]


def test_one_refusal_for_most_of_several_tenants_is_about_us() -> None:
    """Twenty recipients of three tenants, all refused in the same words but for the address."""
    assert refuse(RefusalWatch(Clock()), 20, 3)


def test_one_tenants_bad_list_is_about_its_list() -> None:
    """However many it has, one tenant's unknown users are its own."""
    assert not refuse(RefusalWatch(Clock()), 1000, 2)


def test_most_means_more_than_half_of_the_last_minute() -> None:
    """Acceptances weigh against refusals, until they are a minute old."""
    clock = Clock()
    watch = RefusalWatch(clock)
    for _ in range(30):
        watch.accepted()
    assert not refuse(watch, 30, 3)
    clock.now = 61.0
    assert refuse(watch, 20, 3)

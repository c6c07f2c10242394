"""What the customer is told, and how a refusal of the gateway itself is recognised."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.relay.answers import (
    LACKS_SMTPUTF8,
    for_now,
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
        (500, "5.5.2", "Syntax error, command unrecognized"),
        (502, "", "command not implemented"),
        (504, "5.5.2", "<gw>: Helo command rejected: need fully-qualified hostname"),
        (534, "5.7.9", "Please use another mechanism"),
        (554, "5.7.1", "<u@x.example>: Relay access denied"),
        (454, "4.7.1", "<u@x.example>: Relay access denied"),
        (554, "5.7.1", "<unknown[address]>: Client host rejected: Access denied"),
        (554, "5.7.1", "Service unavailable; client [address] blocked using bl.example"),
        (550, "5.7.1", "Client was not authenticated"),
        (550, "5.7.54", "SMTP; Unable to relay recipient in non-accepted domain"),
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
        HopReply(
            504, "5.5.2", "<joe@gmail>: Recipient address rejected: need fully-qualified address"
        ),
        HopReply(504, "5.5.2", "<joe>: Sender address rejected: need fully-qualified address"),
        HopReply(501, "5.5.4", "Invalid domain name in recipient"),
        HopReply(501, "", "joe@x_y.example: malformed address: no such domain"),
        HopReply(500, "5.6.0", "line too long"),
        HopReply(534, "5.3.4", "Message too big for this server"),
        HopReply(
            550,
            "5.1.1",
            "<u@x.example>: Recipient address rejected: undeliverable address: "
            "host mx.x.example[address] said: 554 5.7.1 Relay access denied",
        ),
        HopReply(550, "5.1.1", "Relay access denied by the mailbox's own server"),
        HopReply(550, "5.7.1", "host mx.x.example said: 554 5.7.1 Client host rejected"),
        HopReply(550, "", "host mx.x.example said: 550 relay not permitted"),
        HopReply(550, "5.7.1", "Message rejected: sent by a forbidden mail client"),
        HopReply(550, "5.7.26", "This mail is unauthenticated, see your mail client's manual"),
        HopReply(452, "4.2.2", "Mailbox full"),
        HopReply(554, "5.7.1", "Message content rejected"),
    ],
)
def test_refusals_of_the_mail(reply: HopReply) -> None:
    """Words about the recipient or the content stay the customer's, whatever its address says."""
    assert not refuses_us(reply)
    answer = reply_for(reply)
    enhanced = reply.enhanced or "5.0.0"
    assert (answer.code, answer.enhanced, answer.text) == (reply.code, enhanced, reply.text)


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
    """421 would close the customer's session; what no next hop could take has words of ours."""
    assert reply_for(HopReply(421, "4.3.2", "later")).code == 451
    assert reply_for(LACKS_SMTPUTF8).tag == "SMTPUTF8"


@pytest.mark.parametrize("enhanced", ["", "5.5.3"])
def test_too_many_recipients_is_for_now(enhanced: str) -> None:
    """RFC 5321 section 4.5.3.1.10: a 552 that means so is a 452, with or without its own code."""
    reply = for_now(HopReply(552, enhanced, "Error: Too many recipients"))
    assert (reply.code, reply.enhanced, reply.text) == (452, "4.5.3", "Error: Too many recipients")
    assert outcome_of(reply).state is State.DEFERRED


@pytest.mark.parametrize(
    "reply",
    [
        HopReply(552, "5.2.2", "Mailbox full"),
        HopReply(552, "", "Mailbox full"),
        HopReply(552, "5.2.3", "Too many recipients of such a large message"),
        HopReply(550, "5.5.3", "Too many recipients"),
    ],
)
def test_other_refusals_stay_for_good(reply: HopReply) -> None:
    """A full mailbox, or a limit in other words, is passed on as it is."""
    assert for_now(reply) == reply


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

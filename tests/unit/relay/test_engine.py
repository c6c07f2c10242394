"""The sans-I/O client engine: replies in their places, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.relay.engine import (
    Engine,
    Garbled,
    Offers,
    Place,
    mail_command,
    rcpt_command,
    read_offers,
)
from gateway.relay.outcome import HopReply
from gateway.words import Body


def waiting_for(*places: Place) -> Engine:
    engine = Engine(("hop.internal",))
    engine.expect(places)
    return engine


@given(st.data())
def test_replies_do_not_depend_on_how_the_octets_arrive(data: st.DataObject) -> None:
    """However TCP cuts the stream, the same replies come out in the same order."""
    stream = b"250 2.1.0 Ok\r\n250-2.1.5 one\r\n250 2.1.5 two\r\n550 5.1.1 no such user\r\n"
    engine = waiting_for(Place.MAIL, Place.RCPT, Place.RCPT)
    replies = []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        replies += engine.receive(stream[:size])
        stream = stream[size:]
    assert replies == [
        HopReply(250, "2.1.0", "Ok"),
        HopReply(250, "2.1.5", "one two"),
        HopReply(550, "5.1.1", "no such user"),
    ]


@pytest.mark.parametrize(
    "octets",
    [
        b"250 Ok\n",
        b"250 O\rk\r\n",
        b"hello\r\n",
        b"25 short\r\n",
        b"199 too low\r\n",
        b"600 too high\r\n",
        b"250_Ok\r\n",
        b"250-first\r\n251 second\r\n",
        b"354 go on\r\n",
        b"220 greeting\r\n",
        b"250 Ok\r\n250 Ok again\r\n",
        b"250 Ok\r\n25",
        b"250-x\r\n" * 101,
        b"250 " + b"x" * 9000 + b"\r\n",
        b"x" * 9000,
    ],
)
def test_what_is_no_reply_in_its_place_is_garbled(octets: bytes) -> None:
    """Bad lines, mixed codes, wrong places, surplus replies and endless ones all end it."""
    with pytest.raises(Garbled):
        waiting_for(Place.RCPT).receive(octets)


@given(st.binary(max_size=400))
def test_octets_nobody_asked_for_never_become_a_reply(octets: bytes) -> None:
    """With no command unanswered, every octet is garbled or the farewell, never a reply."""
    engine = waiting_for()
    try:
        assert engine.receive(octets) == []
    except Garbled:
        return
    assert octets == b"" or engine.farewell is not None


def test_a_421_is_a_farewell_and_ends_all_that_is_unanswered() -> None:
    """421 in the place of RCPT answers no recipient, and what follows it is not read."""
    engine = waiting_for(Place.RCPT, Place.RCPT, Place.RCPT)
    replies = engine.receive(b"250 2.1.5 Ok\r\n421 4.7.0 bye\r\n250 Ok\r\n")
    assert [reply.code for reply in replies] == [250]
    assert engine.farewell == HopReply(421, "4.7.0", "bye")
    assert engine.receive(b"250 Ok\r\n") == []


def test_a_421_to_the_dot_is_its_answer() -> None:
    """After the dot a 421 says for certain that the message was not taken."""
    engine = waiting_for(Place.DOT)
    assert [reply.code for reply in engine.receive(b"421 4.3.2 down\r\n")] == [421]


def test_the_next_hops_name_and_addresses_do_not_get_through_a_refusal() -> None:
    """Host names behind us and IP addresses are masked; the recipient's own domain stays."""
    engine = waiting_for(Place.GREETING, Place.RCPT)
    replies = engine.receive(
        b"220 mx7.inner.example ESMTP\r\n"
        b"550 5.7.1 <a@mx7.inner.example>: "
        b"MX7.inner.example[10.0.0.7] at hop.internal (\xc3\xbc)\r\n"
    )
    assert replies[1].text == (
        "<a@mx7.inner.example>: the next server[address] at the next server (??)"
    )


def test_an_enhanced_code_of_another_class_is_text() -> None:
    """A 450 with 5.1.1 is a 450 without an enhanced code."""
    reply = waiting_for(Place.RCPT).receive(b"450 5.1.1 odd\r\n")[0]
    assert reply == HopReply(450, "", "5.1.1 odd")


def test_offers_are_read_whatever_the_case_and_form() -> None:
    """Keywords match without case; AUTH counts with a space and with the old equals sign."""
    offers = read_offers([b"pipelining", b"SIZE 10240000", b"AUTH=PLAIN login", b"X-ODD"])
    assert offers == Offers(pipelining=True, size=True, auth=frozenset({"PLAIN", "LOGIN"}))


def test_mail_carries_only_parameters_that_are_offered() -> None:
    """SIZE, BODY and SMTPUTF8 are left out where the next hop does not know them."""
    every = Offers(eight_bit=True, smtputf8=True, size=True)
    full = mail_command("a@b.example", every, 9, Body.EIGHT_BIT, True)
    assert full == b"MAIL FROM:<a@b.example> SIZE=9 BODY=8BITMIME SMTPUTF8\r\n"
    assert mail_command("", Offers(), 9, Body.EIGHT_BIT, True) == b"MAIL FROM:<>\r\n"


def test_an_address_cannot_smuggle_a_command() -> None:
    """A line end in an address raises before anything is written."""
    with pytest.raises(ValueError, match="line end"):
        rcpt_command("a@b.example>\r\nRSET")

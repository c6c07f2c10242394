"""The customer's side of SMTP: what is in order when, and what is thrown away."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.framing import Flaw
from gateway.smtp import commands
from gateway.smtp.engine import AuthLine, Block, End, Engine, Group, Offer, State

OPEN = Offer("mx.example", 1000, tls=False, needs_tls=False, auth=False, needs_auth=False)
STRICT = Offer("mx.example", 1000)


def engine(offer: Offer, state: State = State.READY) -> Engine:
    """An engine that stands in `state`."""
    made = Engine(offer)
    made.greeted(commands.Hello("client.example", extended=True))
    made.state = state
    return made


def tag(event: object) -> str:
    """The tag of the refusal that the event is."""
    assert isinstance(event, commands.Invalid), event
    return event.reply.tag


@pytest.mark.parametrize(
    ("line", "state", "expected"),
    [
        (b"MAIL FROM:<a@b>", State.NEW, "SEQUENCE"),
        (b"MAIL FROM:<a@b>", State.MAIL, "SEQUENCE"),
        (b"MAIL FROM:<a@b>", State.RCPT, "SEQUENCE"),
        (b"DATA", State.READY, "SEQUENCE"),
        (b"DATA", State.MAIL, "NO-RECIPIENTS"),
        (b"BDAT 3 LAST", State.RCPT, "NOT-IMPLEMENTED"),
        (b"XYZZY", State.READY, "SYNTAX"),
        (b"AUTH PLAIN", State.READY, "NOT-IMPLEMENTED"),
        (b"STARTTLS", State.READY, "NOT-IMPLEMENTED"),
    ],
)
def test_out_of_order_commands_are_refused(line, state, expected):
    """Each command that has no meaning in a state gets the reply for it."""
    made = engine(OPEN, state)
    made.feed(line + b"\r\n")
    assert tag(made.next_event()) == expected
    assert made.state is state


def test_rcpt_before_mail_is_refused():
    """A RCPT without a transaction never reaches a policy."""
    made = engine(OPEN)
    made.feed(b"RCPT TO:<a@b>\r\n")
    assert tag(made.next_event()) == "SEQUENCE"


@pytest.mark.parametrize("verb", [b"MAIL FROM:<a@b>", b"RCPT TO:<a@b>", b"DATA", b"VRFY a"])
def test_tls_comes_first_then_auth(verb):
    """A strict listener asks for TLS, then for a login, before anything about mail."""
    made = engine(STRICT)
    made.feed(verb + b"\r\n")
    assert tag(made.next_event()) == "TLS-REQUIRED"
    made.is_encrypted = True
    made.feed(verb + b"\r\n")
    assert tag(made.next_event()) == "AUTH-REQUIRED"


def test_auth_is_not_offered_before_tls():
    """Before TLS, EHLO is silent about AUTH and the command itself is refused."""
    made = engine(STRICT)
    assert b"AUTH" not in made.ehlo_reply()
    made.feed(b"AUTH PLAIN AGEAYg==\r\n")
    assert tag(made.next_event()) == "AUTH-BEFORE-TLS"
    made.is_encrypted = True
    assert b"AUTH PLAIN LOGIN" in made.ehlo_reply()
    assert b"STARTTLS" not in made.ehlo_reply()


def test_what_is_pipelined_behind_starttls_is_thrown_away():
    """Commands smuggled in front of the handshake are never executed after it."""
    made = engine(STRICT)
    made.feed(b"STARTTLS\r\nMAIL FROM:<evil@example>\r\nNO")
    assert isinstance(made.next_event(), commands.StartTls)
    made.forget_input()
    made.feed(b"OP\r\n")
    made.started_tls()
    assert made.next_event() is None
    assert made.state is State.NEW
    made.feed(b"NOOP\r\n")
    assert isinstance(made.next_event(), commands.Noop)


def test_pipelined_recipients_form_one_group():
    """RCPTs that lie ready are one group; a malformed one keeps its place in it."""
    made = engine(OPEN, State.MAIL)
    made.feed(b"RCPT TO:<a@b>\r\nRCPT TO:oops\r\nRCPT TO:<c@d>\r\nDATA\r\n")
    group = made.next_event()
    assert isinstance(group, Group)
    assert [type(command).__name__ for command in group.commands] == ["Rcpt", "Invalid", "Rcpt"]
    made.accepted_recipient()
    assert isinstance(made.next_event(), commands.Data)


def test_data_is_no_command():
    """Message data goes to its end and the commands behind it are read as commands again."""
    made = engine(OPEN, State.RCPT)
    made.feed(b"DATA\r\n")
    assert isinstance(made.next_event(), commands.Data)
    made.expect_data(1000)
    made.feed(b"QUIT\r\n..RSET\r\n.\r\nQUIT\r\n")
    assert made.next_event() == Block(b"QUIT\r\n.RSET\r\n")
    assert made.next_event() == End(None, 13)
    made.closed()
    assert isinstance(made.next_event(), commands.Quit)


def test_discarded_data_is_still_read_to_its_end():
    """When there is no room, nothing is handed on and the session stays in step."""
    made = engine(OPEN, State.RCPT)
    made.expect_data(1000)
    made.discard_data(Flaw.NO_MEMORY)
    made.feed(b"x\r\n.\r\nNOOP\r\n")
    assert made.next_event() == End(Flaw.NO_MEMORY, 0)
    made.closed()
    assert isinstance(made.next_event(), commands.Noop)


def test_auth_lines_are_no_commands():
    """During AUTH a line is the client's answer, whatever it looks like."""
    made = engine(STRICT)
    made.is_encrypted = True
    made.expect_auth_line()
    made.feed(b"QUIT\r\n")
    assert made.next_event() == AuthLine("QUIT")
    made.ended_auth(success=False)
    assert not made.is_authenticated
    assert made.state is State.READY


@given(st.lists(st.binary(max_size=40), max_size=30))
def test_no_octets_make_the_engine_raise(segments):
    """Whatever is fed, in whatever state, the engine answers with events."""
    for state in State:
        made = engine(OPEN, state)
        if state is State.DATA:
            made.expect_data(1000)
        for segment in segments:
            made.feed(segment + b"\r\n")
            for _ in range(100):
                if made.next_event() is None:
                    break

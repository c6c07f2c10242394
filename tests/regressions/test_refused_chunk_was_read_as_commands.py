"""BDAT was refused with 502, and then the octets of its chunk, which its sender does not wait to
send (RFC 3030 section 2), were read as commands: text inside a message could have been mail."""

from __future__ import annotations

import pytest

from gateway.smtp import commands
from gateway.smtp.engine import Engine, Offer, State

HIDDEN = b"MAIL FROM:<evil@acme.test>\r\nRCPT TO:<bert@inbox.test>\r\nDATA\r\nx\n.\r\n\0\r"
OFFER = Offer("gateway.test", 1000, tls=False, needs_tls=False, auth=False, needs_auth=False)


@pytest.mark.parametrize("size", [1, 7, len(HIDDEN) + 2])
@pytest.mark.parametrize("state", [State.NEW, State.READY, State.MAIL, State.RCPT])
def test_a_chunk_is_no_command(state: State, size: int) -> None:
    """Whatever the segments, all that comes out of two chunks and a NOOP is two refusals and it."""
    engine = Engine(OFFER)
    engine.state = state
    chunk = b"BDAT %d LAST\r\n%b" % (len(HIDDEN), HIDDEN)
    octets, events = chunk + b"bdat 3\r\n\r\n." + b"NOOP\r\n", []
    for start in range(0, len(octets), size):
        engine.feed(octets[start : start + size])
        while (event := engine.next_event()) is not None:
            events.append(event)
    assert [type(event) for event in events] == [commands.Invalid, commands.Invalid, commands.Noop]
    assert {e.reply.code for e in events if isinstance(e, commands.Invalid)} == {502}


def test_a_chunk_behind_recipients_is_no_command() -> None:
    """Also when the BDAT was read ahead, to see where a group of recipients ends."""
    engine = Engine(OFFER)
    engine.state = State.MAIL
    engine.feed(b"RCPT TO:<anna@inbox.test>\r\nBDAT 6 LAST\r\nRSET\r\nNOOP\r\n")
    engine.next_event()
    engine.state = State.RCPT
    assert isinstance(engine.next_event(), commands.Invalid)
    assert isinstance(engine.next_event(), commands.Noop)


@pytest.mark.parametrize("size", [b"", b" x", b" -1", b" 0", b" \xc2\xb2", b" 0 LAST"])
def test_without_a_size_there_is_no_chunk(size: bytes) -> None:
    """What follows a BDAT that announces no octets is a command like any other."""
    engine = Engine(OFFER)
    engine.state = State.READY
    engine.feed(b"BDAT" + size + b"\r\nNOOP\r\n")
    assert isinstance(engine.next_event(), commands.Invalid)
    assert isinstance(engine.next_event(), commands.Noop)


@pytest.mark.parametrize("words", [b"6", b"6 LAST", b" 6 LAST", b"6\tLAST", b"6 "])
def test_blanks_in_the_command_change_nothing(words: bytes) -> None:
    """More of them than there should be, or others, do not turn the chunk into commands."""
    engine = Engine(OFFER)
    engine.feed(b"BDAT %b\r\nQUIT\r\nNOOP\r\n" % words)
    assert isinstance(engine.next_event(), commands.Invalid)
    assert isinstance(engine.next_event(), commands.Noop)

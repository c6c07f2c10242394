"""Receiving: where the header section ends, what the slices hold, what the digest covers."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import HeaderSyntaxError
from gateway.message.header import MAX_OCTETS, HeaderView
from gateway.message.received import SLICE, Message, Receiver


def receive(*blocks: bytes) -> Message:
    """The message made of `blocks`."""
    receiver = Receiver()
    for block in blocks:
        receiver.add(block)
    assert receiver.size == sum(map(len, blocks))
    return receiver.finish()


@given(st.lists(st.sampled_from([b"A: b\r\n", b" c\r\n", b"\r\n", b"text\r\n"]), max_size=20))
def test_splits_at_first_empty_line(lines: list[bytes]) -> None:
    """One block or one block a line: header, body, size and both hashes come out the same."""
    whole = b"".join(lines)
    message = receive(*lines)
    assert message == receive(*([whole] if whole else []))
    header, separator, body = (b"\r\n" + whole).partition(b"\r\n\r\n")
    assert message.header == ((header + b"\r\n")[2:] if separator else whole)
    assert b"".join(message.body) == body
    assert message.digest == sha256(whole).digest()
    assert message.size == len(whole)


def test_small_blocks_are_gathered() -> None:
    """A body that arrives line by line is kept in few large slices."""
    message = receive(b"A: b\r\n\r\n", *[b"x" * 98 + b"\r\n"] * 2000)
    assert len(message.body) == 4
    assert all(len(part) >= SLICE for part in message.body[:-1])
    assert all(part.endswith(b"\r\n") for part in message.body)


def test_endless_header_is_cut() -> None:
    """A message without an empty line does not pile up as header; the view then refuses it."""
    message = receive(*[b"A: " + b"b" * 995 + b"\r\n"] * 1000)
    assert MAX_OCTETS < len(message.header) < MAX_OCTETS + 1001
    assert len(message.header) + sum(map(len, message.body)) == message.size
    with pytest.raises(HeaderSyntaxError, match="over 262144 octets"):
        HeaderView.parse(message.header)


def test_text_without_header() -> None:
    """What starts with plain text is kept whole; the view says which line is no field."""
    message = receive(b"Hello,\r\nhow are you\r\n", b"\r\nBye\r\n")
    assert message.header == b"Hello,\r\nhow are you\r\n"
    with pytest.raises(HeaderSyntaxError, match="line 1 is no header field"):
        HeaderView.parse(message.header)

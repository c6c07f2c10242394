"""Lines and message data, however the octets are cut into segments."""

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.framing import (
    BLOCK,
    BareLineEnding,
    DataReader,
    Flaw,
    FramingError,
    LineBuffer,
    LineTooLong,
    dot_stuff,
)

LINES = st.lists(
    st.binary(max_size=30).map(lambda b: b.translate(None, b"\r\n\0")), min_size=1, max_size=20
)


def cut(octets: bytes, places: list[int]) -> list[bytes]:
    """`octets` in segments, cut at the given places."""
    edges = sorted({0, len(octets), *(p % (len(octets) + 1) for p in places)})
    return [octets[a:b] for a, b in pairwise(edges)]


def read(segments: list[bytes], max_size: int = 10**9) -> tuple[DataReader, bytes]:
    """A reader fed with the segments until it is done, and what it gave."""
    reader, taken = DataReader(max_size), b""
    for position, segment in enumerate(segments):
        taken += reader.feed(segment)
        if reader.done:
            reader.rest += b"".join(segments[position + 1 :])
            break
    return reader, taken


@given(LINES, st.lists(st.integers(0, 10**6), max_size=8))
def test_data_comes_out_as_it_went_in(lines, places):
    """Stuffed, cut anywhere and followed by commands, the data is what was sent."""
    content = b"".join(line + b"\r\n" for line in lines)
    wire = dot_stuff(content) + b".\r\nQUIT\r\n"
    reader, taken = read(cut(wire, places))
    assert reader.done
    assert reader.flaw is None
    assert taken == content
    assert reader.size == len(content)
    assert reader.rest == b"QUIT\r\n"


@given(
    st.lists(st.sampled_from([b"\r", b"\n", b"\0", b".", b"a", b"\r\n", b"\r\n."]), max_size=40),
    st.lists(st.integers(0, 10**6), max_size=8),
)
def test_only_clean_lines_ever_come_out(pieces, places):
    """Whatever the mixture of CR, LF, NUL and dots, what is handed on is CRLF lines only."""
    wire = b"".join(pieces) + b"\r\n.\r\n"
    reader, taken = read(cut(wire, places))
    assert reader.done
    rest = taken.replace(b"\r\n", b"")
    assert not set(rest) & {0, 10, 13}
    assert taken == b"" or taken.endswith(b"\r\n")
    body = wire[: wire.find(b"\r\n.\r\n") + 2] if not wire.startswith(b".\r\n") else b""
    dirty = bool(set(body.replace(b"\r\n", b"")) & {0, 10, 13})
    assert (reader.flaw is Flaw.BARE_LINE_ENDING) == dirty


@pytest.mark.parametrize(
    "end", [b"\n.\n", b"\n.\r\n", b"\r.\r", b"\r\n.\n", b"\r\n.\r", b"\r.\r\n", b"\r\n\0.\r\n"]
)
def test_nothing_but_crlf_dot_crlf_ends_the_data(end):
    """A look-alike of the end neither ends the message nor lets it pass."""
    reader, _ = read([b"hello" + end + b"MAIL FROM:<x@y>\r\n"])
    assert not reader.done
    reader.feed(b"\r\n.\r\n")
    assert reader.done
    assert reader.flaw is Flaw.BARE_LINE_ENDING


@pytest.mark.parametrize(
    "end", [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r\n", b"\r\n\0.\r\n", None]
)
def test_the_edge_of_a_block_is_no_hiding_place(end):
    """Wherever a block is handed on, look-alikes around it are seen and the real end is found."""
    for shift in range(8):
        start = (b"x" * 70 + b"\r\n") * (BLOCK // 72 - 1)
        start += b"y" * (BLOCK - len(start) - shift)
        content = start + (end or b"\r\n...\r\n")
        for cut_at in range(len(start) - 1, len(content)):
            wire = content + b"\r\n.\r\nQUIT\r\n"
            reader, taken = read(cut(wire, [cut_at, BLOCK]))
            assert reader.done
            assert reader.rest == b"QUIT\r\n"
            assert reader.flaw is (Flaw.BARE_LINE_ENDING if end else None)
            assert not re.search(rb"(?<!\r)\n|\r(?!\n)|\0", taken)


@pytest.mark.parametrize(
    ("line", "flaw"),
    [(b"x" * 998, None), (b"x" * 999, Flaw.LINE_TOO_LONG), (b"." * 998, None)],
)
def test_a_line_has_998_octets_at_most(line, flaw):
    """998 octets pass, also with a stuffed dot in front; 999 do not."""
    reader, taken = read([dot_stuff(line + b"\r\n") + b"short\r\n" * 300 + b".\r\n"])
    assert reader.flaw is flaw
    assert taken.startswith(line[:500]) == (flaw is None)


def test_a_flood_without_line_ends_stays_small():
    """Ten million octets without a newline are refused and not kept."""
    reader = DataReader(10**9)
    for _ in range(10_000_000 // BLOCK):
        assert reader.feed(b"x" * BLOCK) == b""
        assert len(reader._buffer) <= BLOCK
    reader.feed(b"\r\n.\r\nNOOP\r\n")
    assert reader.done
    assert reader.flaw is Flaw.LINE_TOO_LONG
    assert reader.rest == b"NOOP\r\n"


def test_size_is_enforced_while_data_arrives():
    """Beyond the limit nothing more is handed on, but the end is still found."""
    reader, taken = read([b"x" * 70 + b"\r\n"] * 2000 + [b".\r\n"], max_size=50_000)
    assert reader.done
    assert reader.flaw is Flaw.TOO_BIG
    assert len(taken) <= 50_000


@given(LINES, st.lists(st.integers(0, 10**6), max_size=8))
def test_lines_come_out_whole(lines, places):
    """Lines are cut at CRLF and nowhere else, however the segments fall."""
    buffer, found = LineBuffer(), []
    for segment in cut(b"".join(line + b"\r\n" for line in lines), places):
        buffer.feed(segment)
        while (line := buffer.next_line()) is not None:
            found.append(line)
    assert found == lines


@given(st.lists(st.sampled_from([b"\r", b"\n", b"\0", b"A", b"\r\n"]), max_size=40))
def test_no_line_hides_another(pieces):
    """What follows a bare CR, LF or NUL is never read as a line of its own before a CRLF."""
    wire = b"".join(pieces) + b"\r\n"
    buffer, found = LineBuffer(), []
    buffer.feed(wire)
    while True:
        try:
            line = buffer.next_line()
        except FramingError:
            continue
        if line is None:
            break
        found.append(line)
    clean = [part for part in wire.split(b"\r\n")[:-1] if not set(part) & {0, 10, 13}]
    assert found == clean


def test_a_command_behind_a_bare_line_feed_is_thrown_away():
    """The second half of a line that was cut by a bare LF never executes."""
    buffer = LineBuffer()
    buffer.feed(b"NOOP\nMAIL FROM:<a@b>\r\nQUIT\r\n")
    with pytest.raises(BareLineEnding):
        buffer.next_line()
    assert buffer.next_line() == b"QUIT"


def test_a_long_line_is_refused_once_and_not_kept():
    """A line without an end is refused as soon as it is too long, and memory stays flat."""
    buffer = LineBuffer(limit=100)
    buffer.feed(b"x" * 200)
    with pytest.raises(LineTooLong):
        buffer.next_line()
    for _ in range(100):
        buffer.feed(b"x" * 1000)
        assert buffer.next_line() is None
        assert len(buffer) <= 1
    buffer.feed(b"\r\nNOOP\r\n")
    assert buffer.next_line() == b"NOOP"

"""The relaxed body hash, against a reference written straight from RFC 6376 section 3.4.4."""

from __future__ import annotations

import re
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.message.body import RelaxedBodyHash

LINES = st.lists(
    st.one_of(
        st.sampled_from([b"", b" ", b"\t ", b"a", b" a", b"a ", b"a \t b", b"a  ", b"\xe4 \xff"]),
        st.text("ab \t\xe9", max_size=12).map(lambda text: text.encode("latin-1")),
    ),
    max_size=30,
)


def reference(body: bytes) -> bytes:
    """The canonical body at one go: whitespace first, then trailing empty lines."""
    lines = [re.sub(rb"[ \t]+", b" ", line).rstrip(b" ") for line in body.split(b"\r\n")[:-1]]
    while lines and not lines[-1]:
        lines.pop()
    return sha256(b"".join(line + b"\r\n" for line in lines)).digest()


@given(LINES, st.data())
def test_blocks_make_no_difference(lines: list[bytes], data: st.DataObject) -> None:
    """However whole lines are grouped into blocks, the hash is that of the canonical body."""
    hasher = RelaxedBodyHash()
    rest = [line + b"\r\n" for line in lines]
    while rest:
        count = data.draw(st.integers(1, len(rest)))
        hasher.add(b"".join(rest[:count]))
        rest = rest[count:]
    assert hasher.digest() == reference(b"".join(line + b"\r\n" for line in lines))


@pytest.mark.parametrize(
    "body",
    [b"", b"\r\n", b"\r\n" * 1000, b"x\r\n" + b" \r\n" * 1000, b" " * 997 + b"x\r\n" + b"\r\n"],
)
def test_known_bodies(body: bytes) -> None:
    """Empty, blank and nearly blank bodies in one block hash like the reference."""
    hasher = RelaxedBodyHash()
    if body:
        hasher.add(body)
    assert hasher.digest() == reference(body)


def test_blank_lines_between_text_count() -> None:
    """Blank lines that only looked trailing are part of the body once text follows."""
    hasher = RelaxedBodyHash()
    for block in (b"a\r\n", b"\r\n\r\n", b"\r\n", b"b\r\n", b"\r\n"):
        hasher.add(block)
    assert hasher.digest() == sha256(b"a\r\n\r\n\r\n\r\nb\r\n").digest()

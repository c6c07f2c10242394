"""The header view: fields found, octets untouched, malformed sections refused by line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import HeaderSyntaxError
from gateway.message.header import MAX_FIELDS, Field, HeaderView

NAMES = st.sampled_from([b"From", b"TO", b"subject", b"X-a", b"!", b"a;b~"])
TEXT = st.text("ab: ;\t\xe9=?", max_size=20).map(lambda text: text.encode("latin-1"))
FIELDS = st.builds(
    lambda name, lines: name + b":" + b"\r\n ".join(lines) + b"\r\n",
    NAMES,
    st.lists(TEXT, min_size=1, max_size=4),
)


@given(st.lists(FIELDS, max_size=20))
def test_fields_are_the_octets(raws: list[bytes]) -> None:
    """Whatever the folding, the fields in order are the header section, octet for octet."""
    view = HeaderView.parse(b"".join(raws))
    assert [field.raw for field in view.fields] == raws
    for field in view.fields:
        assert field in view.all(field.name)
        assert field.name in view
        assert field.name == field.raw.partition(b":")[0].lower()


def test_look_up_by_name() -> None:
    """Names match without case, `first` is the topmost, and values are unfolded and stripped."""
    view = HeaderView.parse(b"To: a\r\nSubject: one\r\n\t two \r\nTO:b\r\n")
    assert view.first(b"subject") == Field(b"subject", b"Subject: one\r\n\t two \r\n")
    assert [field.value for field in view.all(b"to")] == [b"a", b"b"]
    assert [field.value for field in view.all(b"subject")] == [b"one\t two"]
    assert view.first(b"cc") is None
    assert not view.all(b"cc")
    assert view.names == {b"to", b"subject"}


@pytest.mark.parametrize(
    ("header", "text"),
    [
        (b" a: b\r\n", "line 1 continues a field"),
        (b"A: b\r\n c\r\nnonsense\r\nD: e\r\n", "line 3 is no header field"),
        (b"A: b\r\nFrom : c\r\n", "line 2 has a space before the colon"),
        (b"A: b\r\n: c\r\n", "line 2 is no header field"),
        (b"A: b\r\n\r\nC: d\r\n", "line 2 is no header field"),
        (b"From joe Mon Jan\r\nA: b\r\n", "line 1 is no header field"),
        (b"\xfcber: b\r\n", "line 1 is no header field"),
        (b"A: b", "line 1 is no header field"),
        (b"A: b\nC: d\r\n", "bare CR or LF"),
        (b"A: b\rC: d\r\n", "bare CR or LF"),
        (b"A: b\x0bc\r\n", "vertical tab"),
        (b"A:b\r\n" * (MAX_FIELDS + 1), "over 1000 fields"),
        (b"A: b\r\n c\r\n" * (MAX_FIELDS + 1), "over 1000 fields"),
        (b"A: " + b"b" * 262_144 + b"\r\n", "over 262144 octets"),
        (b"x" * 250_000 + b"\r\n", "line 1 is no header field"),
    ],
)
def test_refuses_malformed(header: bytes, text: str) -> None:
    """A section that readers would take differently is refused with what to mend."""
    with pytest.raises(HeaderSyntaxError, match=text):
        HeaderView.parse(header)


def test_limits_are_reached() -> None:
    """1,000 folded fields, and one field of 16,000 encoded words, still pass."""
    assert len(HeaderView.parse(b"A: b\r\n c\r\n" * MAX_FIELDS).fields) == MAX_FIELDS
    words = b"\r\n ".join([b"=?u?q?b?="] * 16_000)
    view = HeaderView.parse(b"Subject: " + words + b"\r\n")
    assert view.fields[0].value.count(b"=?u?q?b?=") == 16_000

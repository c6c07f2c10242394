"""Reading From: ordinary fields pass, whatever two readers could take differently does not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import HeaderSyntaxError
from gateway.message.mailbox_list import mailboxes


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (b"a@x.org", ["a@x.org"]),
        (b"<a@x.org>", ["a@x.org"]),
        (b"Shop Example <a@x.org>", ["a@x.org"]),
        (b'"Shop, \\"Ltd\\" <b@y.org>" <a@x.org>', ["a@x.org"]),
        (b"John Q. Public < a@x.org >", ["a@x.org"]),
        (b"=?utf-8?Q?J=C3=B6rg?= =?utf-8?B?w6Q=?= <a@x.org>", ["a@x.org"]),
        ("Jörg <jörg@münchen.example>".encode(), ["jörg@münchen.example"]),
        (b"a@x.org (Joe (or \\) <b@y.org>))", ["a@x.org"]),
        (b"(c)Joe(c)<a@x.org>(c)", ["a@x.org"]),
        (b'"(not a comment" <a@x.org>', ["a@x.org"]),
        (b"a@x.org,\tB <b@y.org> , <c@z.org>", ["a@x.org", "b@y.org", "c@z.org"]),
        (b'"a b"@x.org, N <"c\\"@d"@y.org>', ['"a b"@x.org', '"c\\"@d"@y.org']),
    ],
)
def test_accepts(value: bytes, found: list[str]) -> None:
    """Names, quotes, comments and encoded words around an address leave it as it is."""
    assert [address.text for address in mailboxes(value)] == found


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"Joe",
        b"(a@x.org)",
        b"a@x <b@y>",
        b"a@x.org <b@y.org>",
        b"Joe a@x.org",
        b"a@x.org Joe",
        b"<a@x.org> Joe",
        b"<a@x.org><b@y.org>",
        b"<a@x.org> b@y.org",
        b"a@x.org; b@y.org",
        b"Group: a@x.org, b@y.org;",
        b"undisclosed-recipients:;",
        b"<@b.org,@c.org:a@x.org>",
        b"@b.org:a@x.org",
        b"<a%y.org@x.org>",
        b"y.org!a@x.org",
        b"a@[192.0.2.1]",
        b"a@x.org,",
        b",a@x.org",
        b"a@x.org,,b@y.org",
        b"<>",
        b"<a@x.org",
        b"a@x.org>",
        b"a @x.org",
        b"a(b@y.org)@x.org",
        b"<a@x.org(c)y>",
        b'"Joe <a@x.org>',
        b"Joe (c <a@x.org>",
        b"Joe c) <a@x.org>",
        b"Joe \\<b@y.org\\> <a@x.org>",
        b"a@x.org\x00",
        b"Joe\x01 <a@x.org>",
        b"\xff@x.org",
        b"(" * 1000 + b")" * 1000 + b"a@x.org",
        b"(" * 1000,
        b"=?u?q?b?= " * 16_000 + b"<a@x.org>",
        b'"' * 8_001,
        b"<" * 8_000,
    ],
)
def test_refuses(value: bytes) -> None:
    """Groups, routes, second addresses, open quotes and deep nesting never yield an address."""
    with pytest.raises(HeaderSyntaxError) as refusal:
        mailboxes(value)
    assert str(refusal.value).isascii()
    assert str(refusal.value).isprintable()
    assert len(str(refusal.value)) < 400


@given(st.text('ab@.<>(),:;"\\ %!\xe9', max_size=40))
def test_one_reading_only(text: str) -> None:
    """Whatever is accepted, each address found stands in the text as it was found."""
    try:
        found = mailboxes(text.encode())
    except HeaderSyntaxError:
        return
    assert found
    place = 0
    for address in found:
        place = text.index(address.text, place) + len(address.text)

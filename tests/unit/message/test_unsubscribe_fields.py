"""The unsubscribe pair: ours is well-formed, a tenant's own stays only when it surely works."""

from __future__ import annotations

import pytest

from gateway.message.header import HeaderView
from gateway.message.unsubscribe_fields import has_valid_pair, unsubscribe_fields

HOSTS = frozenset({"u.shop.example"})
POST = b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"


def test_ours() -> None:
    """Both links, the web address first, and the twin field; the mailto may be absent."""
    pair = unsubscribe_fields("https://u.b.org/x", "mailto:u+x@b.org")
    octets = b"List-Unsubscribe: <https://u.b.org/x>,\r\n\t<mailto:u+x@b.org>\r\n" + POST
    assert pair == HeaderView.parse(octets).fields
    alone = unsubscribe_fields("https://u.shop.example/x", "")
    octets = b"List-Unsubscribe: <https://u.shop.example/x>\r\n" + POST
    assert alone == HeaderView.parse(octets).fields
    assert has_valid_pair(HeaderView.parse(octets), HOSTS)


@pytest.mark.parametrize("url", ["", "https://a/>x", "https://a/\r\nBcc: b", "https://ü/", "a b"])
def test_ours_cannot_break_out(url: str) -> None:
    """A link that would end or corrupt the field is refused."""
    with pytest.raises(ValueError, match="cannot stand"):
        unsubscribe_fields(url, "")


@pytest.mark.parametrize(
    "value",
    [
        b"<https://u.shop.example/u?id=1&x=%20>",
        b"<HTTPS://U.Shop.Example:443/>",
        b"<mailto:u@shop.example?subject=bye>,\r\n <https://u.shop.example>",
        b"<https://u.shop.example/a>, <http://u.shop.example/b>",
    ],
)
def test_valid(value: bytes) -> None:
    """An https address on a registered host, in any case and order, with or without a mailto."""
    view = HeaderView.parse(b"List-Unsubscribe: " + value + b"\r\n" + POST)
    assert has_valid_pair(view, HOSTS)
    assert not has_valid_pair(view, frozenset())


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"https://u.shop.example/",
        b"<mailto:u@shop.example>",
        b"<http://u.shop.example/>",
        b"<https://evil.example/>",
        b"<https://u.shop.example.evil.example/>",
        b"<https://u.shop.example@evil.example/>",
        b"<https://evil.example\\@u.shop.example/>",
        b"<https://u.shop.example\\.evil.example/>",
        b"<https://u.shop.example:443@evil.example/>",
        b"<https://u.shop.example/>, <https://evil.example/>",
        b"<https://evil.example/>, <https://u.shop.example/>",
        b"<https://u.shop.example/> https://evil.example/",
        b"<https://u.shop.example/ x>",
        b"<https://u.shop.example/\xff>",
        b"<https:u.shop.example/>",
        b"<javascript:alert(1)>, <https://u.shop.example/>",
        b"<<https://u.shop.example/>>",
    ],
)
def test_invalid(value: bytes) -> None:
    """Foreign hosts, tricks around the host, and anything but plain links do not count."""
    view = HeaderView.parse(b"List-Unsubscribe: " + value + b"\r\n" + POST)
    assert not has_valid_pair(view, HOSTS)


def test_both_exactly_once() -> None:
    """Half a pair, a wrong twin or a doubled field is no pair."""
    link = b"List-Unsubscribe: <https://u.shop.example/>\r\n"
    for header in (
        link,
        POST,
        link + link + POST,
        link + POST + POST,
        link + b"List-Unsubscribe-Post: no\r\n",
    ):
        assert not has_valid_pair(HeaderView.parse(header), HOSTS)

"""Who a visitor is, behind proxies that tell and visitors that lie."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from fastapi import Request
from hypothesis import given
from hypothesis import strategies as st

from gateway.web.visitor import MAX_SOFTWARE, Visitor, visitor

PROXIES = (ip_network("127.0.0.1/32"), ip_network("10.0.0.0/8"), ip_network("2001:db8:1::/48"))


def request(peer: tuple[str, int] | None, *headers: tuple[str, str]) -> Request:
    return Request(
        {
            "type": "http",
            "client": peer,
            "headers": [(name.lower().encode(), text.encode("latin-1")) for name, text in headers],
        }
    )


def seen(*headers: tuple[str, str], peer: tuple[str, int] | None = ("10.0.0.1", 4000)) -> str:
    """The visitor's address and port, as `address port`."""
    found = visitor(request(peer, *headers), PROXIES)
    return f"{found.ip} {found.port}"


X, F = "X-Forwarded-For", "Forwarded"


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([(X, "192.0.2.7")], "192.0.2.7 0"),
        ([(X, "192.0.2.7:5555")], "192.0.2.7 5555"),
        ([(X, "2001:db8::7")], "2001:db8::7 0"),
        ([(X, "[2001:db8::7]:81")], "2001:db8::7 81"),
        ([(X, "::ffff:192.0.2.7")], "192.0.2.7 0"),
        ([(X, "192.0.2.7, 10.0.0.9")], "192.0.2.7 0"),
        ([(X, "192.0.2.7"), (X, "10.0.0.9")], "192.0.2.7 0"),
        ([(X, "10.0.0.8, 10.0.0.9")], "10.0.0.8 0"),
        ([(F, "for=192.0.2.7")], "192.0.2.7 0"),
        ([(F, 'For="[2001:db8::7]:81";proto=https;by=10.0.0.1')], "2001:db8::7 81"),
        ([(F, "for=192.0.2.7;proto=https, for=10.0.0.9")], "192.0.2.7 0"),
        ([(F, "for=192.0.2.7"), (X, "192.0.2.7")], "192.0.2.7 0"),
    ],
)
def test_a_proxy_of_ours_says_who_came(headers: list[tuple[str, str]], expected: str) -> None:
    """In either field, through several proxies, with or without a port."""
    assert seen(*headers) == expected


@pytest.mark.parametrize(
    "headers",
    [
        [(X, "198.51.100.66, 192.0.2.7")],
        [(X, "nonsense, 192.0.2.7")],
        [(X, "198.51.100.66"), (X, "192.0.2.7")],
        [(X, "10.0.0.3, 192.0.2.7, 10.0.0.9")],
        [(F, "for=198.51.100.66, for=192.0.2.7")],
        [(F, 'for="198.51.100.66, for=192.0.2.7')],
    ],
)
def test_what_a_visitor_wrote_before_the_proxy_is_not_believed(
    headers: list[tuple[str, str]],
) -> None:
    """The address next to our proxies is theirs, whatever stands before it."""
    assert seen(*headers) == "192.0.2.7 0"


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(X, "")],
        [(X, "unknown")],
        [(X, "192.0.2.7,")],
        [(X, "192.0.2.256")],
        [(X, "192.0.2.7:65536")],
        [(X, "192.0.2.7 198.51.100.1")],
        [(X, "fe80::1%eth0")],
        [(X, "0300.0.2.7")],
        [(F, "for=_hidden")],
        [(F, "proto=https")],
        [(F, "for=192.0.2.7;for=198.51.100.1")],
        [(F, "for=2001:db8::7")],
        [(F, "192.0.2.7")],
        [(F, "for=192.0.2.7"), (X, "198.51.100.1")],
    ],
)
def test_what_cannot_be_read_or_contradicts_itself_names_nobody(
    headers: list[tuple[str, str]],
) -> None:
    """Then the visitor is what we saw ourselves: the proxy's connection."""
    assert seen(*headers) == "10.0.0.1 4000"


def test_others_speak_for_nobody() -> None:
    """From outside the configured networks the fields are ignored, and so is every field when no
    proxy is configured."""
    fields = ((X, "192.0.2.7"), (F, "for=192.0.2.7"))
    assert seen(*fields, peer=("198.51.100.1", 9)) == "198.51.100.1 9"
    assert visitor(request(("10.0.0.1", 9), *fields), ()).ip == "10.0.0.1"
    assert seen(*fields, peer=None) == " 0"
    assert seen((X, "192.0.2.7"), peer=("::ffff:10.0.0.1", 9)) == "192.0.2.7 0"


def test_the_software_is_kept_to_a_length() -> None:
    """A User-Agent is what the visitor says, cut to what is worth keeping."""
    found = visitor(request(("192.0.2.1", 5), ("User-Agent", "x" * 5000)), PROXIES)
    assert found == Visitor("192.0.2.1", 5, "x" * MAX_SOFTWARE)


@given(st.sampled_from([X, F]), st.text(st.characters(max_codepoint=255), max_size=80))
def test_anything_may_stand_there(name: str, text: str) -> None:
    """The answer is always an address; never an error."""
    assert seen((name, text))
    assert seen((name, f"{text}, for=198.51.100.9, 198.51.100.9"))

"""Mailboxes and paths: what passes unchanged, what is refused and why."""

from __future__ import annotations

import pytest

from gateway.errors import AddressSyntaxError
from gateway.message.address import parse_mailbox, parse_path
from gateway.words import Address


@pytest.mark.parametrize(
    ("text", "local", "domain"),
    [
        ("joe@example.org", "joe", "example.org"),
        ("Joe.Q+tag@Mail.EXAMPLE.org", "Joe.Q+tag", "mail.example.org"),
        ('"joe doe"@example.org', '"joe doe"', "example.org"),
        (r'"a\"@b"@example.org', r'"a\"@b"', "example.org"),
        ("o'neil=x/y@xn--mnchen-3ya.example", "o'neil=x/y", "xn--mnchen-3ya.example"),
        ("jörg@MÜNCHEN.example", "jörg", "münchen.example"),
        ("अजय@उदाहरण.भारत", "अजय", "उदाहरण.भारत"),
        ("a@localhost", "a", "localhost"),
        ("a" * 64 + "@example.org", "a" * 64, "example.org"),
    ],
)
def test_accepts(text: str, local: str, domain: str) -> None:
    """A plain mailbox is taken as written; only the domain's case is levelled."""
    assert parse_mailbox(text) == Address(text, local, domain)
    assert parse_path(f"<{text}>") == Address(text, local, domain)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("joe", "no @"),
        ("", "no @"),
        ("@example.org", "local part"),
        ("joe@", "domain"),
        ("joe@-a.org", "domain"),
        ("joe@a..org", "domain"),
        ("joe@a.org.", "domain"),
        ("joe@a_b.org", "domain"),
        ("joe@a.org,b.org", "domain"),
        (f"joe@{'a' * 64}.org", "domain"),
        ("joe@evil。example", "domain"),
        ("joe@192.0.2.1", "ends in a number"),
        ("joe@[192.0.2.1]", "literals"),
        ("joe@[IPv6:2001:db8::1]", "literals"),
        (".joe@a.org", "local part"),
        ("j..oe@a.org", "local part"),
        ("j oe@a.org", "local part"),
        ("a@b@c.org", "local part"),
        ('""@a.org', "local part"),
        ('"a"b"@a.org', "local part"),
        ("joe%b.org@a.org", "routed on"),
        ("b.org!joe@a.org", "routed on"),
        ('"joe%b.org"@a.org', "routed on"),
        ("@b.org:joe@a.org", "source routes"),
        ("@b.org,@c.org:joe@a.org", "source routes"),
        ("joe\r\nRCPT@a.org", "control"),
        ("joe@a.org\x00", "control"),
        ("joe\u202e@a.org", "cannot be seen"),
        ("joe\ud800@a.org", "cannot be seen"),
        ("a" * 65 + "@a.org", "64 octets"),
        ("ü" * 33 + "@a.org", "64 octets"),
        ("a@" + "b." * 130 + "org", "254 octets"),
        ("a" * 100_000, "no @"),
        ("\U0001f600" * 80 + "@a.org", "254 octets"),
        ("a." * 100_000 + "@a.org", "254 octets"),
    ],
)
def test_refuses(text: str, why: str) -> None:
    """What is malformed or has two readings is refused, and the text names the rule."""
    with pytest.raises(AddressSyntaxError, match=why) as refusal:
        parse_mailbox(text)
    assert str(refusal.value).isascii()
    assert str(refusal.value).isprintable()
    assert len(str(refusal.value)) < 400


def test_paths() -> None:
    """The empty path is None; anything without angle brackets around it is refused."""
    assert parse_path("<>") is None
    for text in ("joe@a.org", "<joe@a.org", "", "<", "<joe@a.org> x", "<@b.org:joe@a.org>"):
        with pytest.raises(AddressSyntaxError):
            parse_path(text)


def test_a_capital_sigma_at_the_end_of_a_word_is_refused() -> None:
    """Its small letter depends on who writes it, so what is checked might not be what is sent."""
    for domain in ("ΟΔΟΣ-1.example", "example.ΟΔΟΣ"):
        with pytest.raises(AddressSyntaxError, match="capital sigma"):
            parse_mailbox(f"a@{domain}")
    assert parse_mailbox("a@ΣΊΣΥΦΟΣ.example").domain == "σίσυφοσ.example"

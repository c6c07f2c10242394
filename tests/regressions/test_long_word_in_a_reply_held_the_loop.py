"""A next hop's reply with one long word took time by the square of its length to look through."""

from __future__ import annotations

import pytest

from gateway.relay.answers import refuses_us, without_addresses
from gateway.relay.outcome import HopReply

LONG = 1_000_000
"""Octets: far over a reply's limit, so that the square of it would run into the test's own."""


@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("x" * LONG, "x" * LONG),
        ("x@y " + "x" * LONG, "<> " + "x" * LONG),
        ("<" * LONG, "<" * LONG),
        (">" * LONG, ">" * LONG),
        ("@" * LONG, "<>"),
    ],
)
def test_time_grows_with_the_octets(text: str, shown: str) -> None:
    """However long a word is, it is gone through once."""
    assert without_addresses(text) == shown
    assert not refuses_us(HopReply(550, "5.1.1", text))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("<anna@inbox.test>: no such user", "<>: no such user"),
        ("no anna@inbox.test here, <a b>", "no <> here, <>"),
        ("to=<a@b>,x@y: gone", "<> gone"),
        ("a@ @b @ c", "a@ @b @ c"),
    ],
)
def test_addresses_are_taken_out(text: str, shown: str) -> None:
    """What is in angle brackets and every word with an @ inside goes; nothing else does."""
    assert without_addresses(text) == shown

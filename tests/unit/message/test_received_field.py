"""The Received field: its form, its date, and that a client cannot write into it."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.message.header import HeaderView
from gateway.message.received_field import received_field, rfc5322_date, with_protocol


def test_form() -> None:
    """Client, host, protocol, ref and date are in it, folded behind the clauses."""
    assert received_field("app.a.org", "192.0.2.1", "mx.b.org", "ESMTPSA", "r1", 0.9) == (
        b"Received: from app.a.org ([192.0.2.1])\r\n"
        b"\tby mx.b.org with ESMTPSA id r1;\r\n"
        b"\tThu, 01 Jan 1970 00:00:00 +0000\r\n"
    )
    assert b"from [192.0.2.1] ([IPv6:2001:db8::1])\r\n" in received_field(
        "[192.0.2.1]", "2001:db8::1", "mx.b.org", "ESMTP", "r1", 0
    )


@given(st.text(max_size=300))
def test_hostile_helo(helo: str) -> None:
    """Whatever a client calls itself, the field stays one ASCII field with one client in it."""
    raw = received_field(helo, "192.0.2.1", "mx.b.org", "ESMTP", "r1", 0)
    (field,) = HeaderView.parse(raw).fields
    assert raw.count(b"\r\n") == 3
    assert field.value.count(b"(") == field.value.count(b";") == 1


@given(st.integers(0, 253_402_300_799))
def test_date(now: int) -> None:
    """Dates are those of RFC 5322, in UTC."""
    assert rfc5322_date(now) == format_datetime(datetime.fromtimestamp(now, UTC))


@pytest.mark.parametrize(
    ("extended", "tls", "authenticated", "smtputf8", "keyword"),
    [
        (False, False, False, False, "SMTP"),
        (True, False, False, False, "ESMTP"),
        (True, True, False, False, "ESMTPS"),
        (True, False, True, False, "ESMTPA"),
        (True, True, True, False, "ESMTPSA"),
        (True, True, True, True, "UTF8SMTPSA"),
    ],
)
def test_protocol(
    extended: bool, tls: bool, authenticated: bool, smtputf8: bool, keyword: str
) -> None:
    """The keyword is the registered one for how the message came."""
    assert keyword == with_protocol(
        extended=extended, tls=tls, authenticated=authenticated, smtputf8=smtputf8
    )

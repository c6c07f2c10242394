"""The bounce is read back by a parser that we did not write."""

from __future__ import annotations

import email
import email.policy
from email.message import EmailMessage

from hypothesis import given
from hypothesis import strategies as st

from gateway.ledger.dsn import Original, delivery_notice
from gateway.reply import Reply

HEADER = (
    b"From: Ann <ann@acme.example>\r\nTo: a@x.example,\r\n b@y.example\r\n"
    b"bcc: hidden@z.example,\r\n\talso-hidden@z.example\r\n"
    b"X-Consentry-Mode: test\r\nSubject: News\r\n"
)
GONE = Reply(550, "5.1.1", "RELAY-REFUSED", "no such user")


def notice(original: Original, refused: list[tuple[str, Reply]]) -> tuple[bytes, EmailMessage]:
    """The DSN's octets and what the standard library reads in them."""
    header, body = delivery_notice(original, refused, "gw.example", 1_700_000_000.0)
    octets = b"".join((header, *body))
    parsed = email.message_from_bytes(octets, policy=email.policy.default)
    assert isinstance(parsed, EmailMessage)
    assert not parsed.defects
    return octets, parsed


def test_the_three_parts_of_a_report() -> None:
    """Words, status of each refused recipient, and the original header without its secrets."""
    original = Original("ref1", "ann@acme.example", HEADER, 1_699_999_000.0)
    full = Reply(552, "5.2.2", "RELAY-REFUSED", "mailbox full")
    octets, parsed = notice(original, [("a@x.example", GONE), ("b@y.example", full)])
    assert parsed.get_content_type() == "multipart/report"
    assert parsed.get_param("report-type") == "delivery-status"
    assert parsed["To"] == "ann@acme.example"
    assert parsed["Auto-Submitted"] == "auto-replied"
    words, status, fields = parsed.iter_parts()
    assert "a@x.example\r\n  550 5.1.1 no such user" in words.get_content()
    assert "ref1" in words.get_content()
    assert status.get_content_type() == "message/delivery-status"
    about_message, first, second = status.get_payload()
    assert about_message["Reporting-MTA"] == "dns; gw.example"
    assert about_message["Arrival-Date"] == "Tue, 14 Nov 2023 21:56:40 -0000"
    assert dict(first) == {
        "Final-Recipient": "rfc822; a@x.example",
        "Action": "failed",
        "Status": "5.1.1",
        "Diagnostic-Code": "smtp; 550 5.1.1 no such user",
    }
    assert second["Status"] == "5.2.2"
    assert fields.get_content_type() == "text/rfc822-headers"
    assert fields.get_content() == (
        "From: Ann <ann@acme.example>\r\nTo: a@x.example,\r\n b@y.example\r\nSubject: News\r\n"
    )
    assert octets.isascii()


def test_the_global_form_keeps_utf8() -> None:
    """With SMTPUTF8 addresses and header fields keep their letters (RFC 6533)."""
    original = Original("ref1", "jörg@acme.example", "Subject: Grüße\r\n".encode(), 0.0, True)
    octets, parsed = notice(original, [("żaneta@x.example", GONE)])
    types = [part.get_content_type() for part in parsed.iter_parts()]
    assert types == ["text/plain", "message/global-delivery-status", "message/global-headers"]
    for text in ("To: <jörg@acme.example>", "Subject: Grüße", "utf-8; żaneta@x.example"):
        assert text.encode() in octets


TEXT = st.text(st.characters(codec="utf-8"), max_size=60)


@given(address=TEXT, said=TEXT, sender=TEXT, header=st.binary(max_size=300), utf8=st.booleans())
def test_nothing_hostile_gets_out(
    address: str, said: str, sender: str, header: bytes, utf8: bool
) -> None:
    """Whatever is put in, lines end in CRLF only, hold no control character, and parts are 3."""
    refused = [(address, Reply(550, "5.1.1", "", said))]
    octets, parsed = notice(Original("ref1", sender, header, 0.0, utf8), refused)
    lines = octets.split(b"\r\n")
    assert not any((c < 32 and c != 9) or c == 127 for line in lines for c in line)
    assert utf8 or octets.isascii()
    assert len(list(parsed.iter_parts())) == 3
    assert len(parsed.keys()) == 9

"""The message forms that must reach the far end unchanged, and the comparison that says so.

A form is one message and its envelope; `body` is what must arrive octet for octet. Messages are
as RFC 5322 wants them (From, Date, Message-ID), so that clients have nothing to add.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from uuid import uuid4

SENDER = "news@acme.test"
BIG = 20_000_000
"""Octets of the big form's body."""


@dataclass(frozen=True, slots=True)
class Form:
    """One message; `needs_smtputf8` when its header section is not ASCII (RFC 6532)."""

    name: str
    raw: bytes
    recipients: tuple[str, ...] = ("anna@inbox.test",)
    needs_smtputf8: bool = False
    mail_from: str = SENDER
    body: bytes = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "body", body_of(self.raw))

    def fresh(self) -> Form:
        """The same form with its own Message-ID: the same octets again may count as a retry."""
        unique = f"Message-ID: <{uuid4().hex}.".encode()
        return replace(self, raw=self.raw.replace(b"Message-ID: <", unique, 1))


def body_of(raw: bytes) -> bytes:
    """Everything after the first empty line (RFC 5322 section 2.1)."""
    return raw.partition(b"\r\n\r\n")[2]


def message(
    name: str,
    body: bytes,
    *,
    subject: str = "A test",
    to: str = "anna@inbox.test",
    charset: str = "us-ascii",
    encoding: str = "7bit",
) -> bytes:
    """A whole message with CRLF line ends; `name` makes its Message-ID."""
    header = (
        f"From: Acme News <{SENDER}>\r\n"
        f"To: <{to}>\r\n"
        f"Subject: {subject}\r\n"
        "Date: Thu, 20 Nov 2025 10:00:00 +0100\r\n"
        f"Message-ID: <{name}@acme.test>\r\n"
        "MIME-Version: 1.0\r\n"
        f"Content-Type: text/plain; charset={charset}\r\n"
        f"Content-Transfer-Encoding: {encoding}\r\n"
    )
    return header.encode() + b"\r\n" + body


def ascii_form() -> Form:
    """Plain ASCII, with runs of spaces and empty lines that canonicalisation could spoil."""
    body = b"Hello,\r\n\r\n  two  spaces,\ta tab, and spaces at the end:  \r\n\r\nBye\r\n\r\n\r\n"
    return Form("ascii", message("ascii", body))


def eight_bit_form() -> Form:
    """Octets above 127: ISO-8859-1 text that is no UTF-8."""
    body = "Gr\u00fc\u00dfe aus K\u00f6ln \u00a9\r\n".encode("latin-1") * 20
    return Form("eight-bit", message("eight-bit", body, charset="iso-8859-1", encoding="8bit"))


def utf8_header_form() -> Form:
    """A subject in raw UTF-8 (RFC 6532)."""
    body = "Zażółć gęślą jaźń\r\n".encode()
    raw = message("utf8", body, subject="Zażółć 漢字", charset="utf-8", encoding="8bit")
    return Form("utf8-header", raw, needs_smtputf8=True)


def dotted_form() -> Form:
    """Lines that begin with dots, one dot alone among them (RFC 5321 section 4.5.2)."""
    lines = [b".", b"..", b"...", b".a", b"a.", b"", b".", b"", b". .", b"end", b"."]
    return Form("dots", message("dots", b"\r\n".join(lines) + b"\r\n"))


def long_line_form() -> Form:
    """Lines of 998 octets, the most RFC 5322 section 2.1.1 allows, some beginning with a dot."""
    lines = [b"x" * 998, b"." + b"y" * 997, b"short", b"z" * 997 + b"."]
    return Form("long-lines", message("long-lines", b"\r\n".join(lines) + b"\r\n"))


def big_form() -> Form:
    """20 MB that do not compress, in lines of 76."""
    noise = random.Random(20).randbytes(1 << 16).hex().encode()
    block = b"\r\n".join(noise[i : i + 76] for i in range(0, len(noise), 76)) + b"\r\n"
    body = block * (BIG // len(block) + 1)
    return Form("big", message("big", body))


def crowd(count: int = 100, domain: str = "inbox.test") -> tuple[str, ...]:
    """`count` addresses."""
    return tuple(f"reader{number:03d}@{domain}" for number in range(count))


def crowd_form() -> Form:
    """One message to 100 recipients."""
    body = b"To all of you.\r\n"
    return Form("crowd", message("crowd", body, to="readers@inbox.test"), crowd())


def all_forms() -> Sequence[Form]:
    """Every form, quickest first."""
    return (
        ascii_form(),
        eight_bit_form(),
        utf8_header_form(),
        dotted_form(),
        long_line_form(),
        crowd_form(),
        big_form(),
    )

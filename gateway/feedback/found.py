"""What the readers of all forms share: the value they give, and how they read common things.

Each form's module has one `read_...(mail: Mail) -> Found | None`, None when the mail is not of its
form. An original is given back as its header fields alone; addresses, moments and fields are read
with bounds from what strangers wrote. Nothing here raises.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from itertools import islice

from gateway.feedback.mime import MAX_HEADER, Header, Mail, Part, decoded, read_header, shown
from gateway.feedback.parsed import Bounce, Complaint, Form, Original

MAX_SHOWN = 200
"""Fields that are shown to people."""
MAX_ADDRESS = 320
MAX_RECIPIENTS = 100
_MAX_PARAGRAPHS = 200

HOLDS_ORIGINAL = (
    "message/rfc822",
    "message/global",
    "text/rfc822-headers",
    "message/rfc822-headers",
    "message/global-headers",
)
"""Kinds of parts that give a mail or its header back (RFC 2046, 6522, 6533), right or wrong."""
_USUAL = {"received", "message-id", "from", "to", "subject", "date", "return-path"}
_BRACKETS = re.compile(r"<([^<>]*+)>")
_MAIL_DATE = re.compile(
    r"(\d{1,2})\s+([a-z]{3})[a-z]*\s+(\d{4})\s+(\d{1,2}):(\d{2})(?::(\d{2}))?(?:\s*([+-])(\d\d)(\d\d))?",
    re.IGNORECASE,
)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


@dataclass(frozen=True, slots=True)
class Found:
    """What the reader of one form has found; the fields of `Parsed` that depend on the form."""

    form: Form
    complaint: Complaint | None = None
    bounce: Bounce | None = None
    original: Original | None = None
    fields: tuple[tuple[str, str], ...] = ()
    trouble: str = ""


def original_of(mail: Mail) -> Original | None:
    """The header of the mail that is given back: of the first part that holds one, else behind the
    words of a plain text."""
    for part in mail.parts:
        if part.kind in HOLDS_ORIGINAL or part.name.endswith(".eml"):
            return original_from(part.content())
    for part in mail.parts:
        if part.kind == "text/plain" and (header := _quoted(part)):
            return Original(header)
    return None


def original_from(octets: bytes) -> Original | None:
    """The header at the beginning of `octets`, None when there are no fields."""
    header = _clean(read_header(octets.lstrip(b"\r\n")))
    return Original(header) if header else None


def address(text: str) -> str:
    """The address in a field: what stands in angle brackets, or all of it, without the type of
    RFC 3464 (`rfc822;`). As it is stated: it may be redacted, and no address at all."""
    kind, semicolon, rest = text.partition(";")
    if semicolon and "@" not in kind:
        text = rest
    inner = _BRACKETS.search(text)
    return shown(inner[1] if inner else text, MAX_ADDRESS)


def addresses(values: list[bytes]) -> tuple[str, ...]:
    """Those of several fields, each once, at most MAX_RECIPIENTS."""
    each = (address(decoded(value)) for value in values)
    return tuple(islice(dict.fromkeys(one for one in each if one), MAX_RECIPIENTS))


def moment(text: str) -> float | None:
    """Unix seconds of a date of RFC 5322 or RFC 3339, None when it is none. Without a zone, or
    with one by name, it is read as UTC."""
    text = text[:100].strip()
    try:
        found = _MAIL_DATE.search(text)
        if found is None:
            when = datetime.fromisoformat(text)
        else:
            day, month, year, hour, minute, second, sign, hours, minutes = found.groups()
            zone = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
            when = datetime(
                int(year),
                _MONTHS.index(month.lower()) + 1,
                int(day),
                int(hour),
                int(minute),
                min(int(second or 0), 59),  # a leap second
                tzinfo=timezone(-zone if sign == "-" else zone),
            )
        seconds = (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
    return seconds if seconds >= 0 else None


def for_people(*headers: Header) -> tuple[tuple[str, str], ...]:
    """Fields as they stand, decoded and cut, at most MAX_SHOWN."""
    fields = (field for header in headers for field in header.fields)
    return tuple((name, shown(decoded(value), 500)) for name, value in islice(fields, MAX_SHOWN))


def _quoted(part: Part) -> bytes:
    """The header of a mail in a text: the first paragraph of fields as mails have them; lines
    before the first field are the separator that some programs write."""
    for paragraph in part.content().split(b"\n\n", _MAX_PARAGRAPHS)[:_MAX_PARAGRAPHS]:
        if b"\n" in paragraph:
            header = read_header(paragraph)
            names = {name for name, _ in header.fields}
            if len(names & _USUAL) >= 2 and names & {"received", "message-id"}:
                return _clean(header)
    return b""


def _clean(header: Header) -> bytes:
    """Its fields with CRLF, so that `HeaderView` takes them: no line that is no field, nothing that
    readers disagree on. A body that lost its empty line does not get in as far as it is prose."""
    kept: list[bytes] = []
    size = 0
    for raw in header.raw():
        field = raw.translate(_SPACES).replace(b"\n", b"\r\n")
        size += len(field)
        if size > MAX_HEADER:
            break
        kept.append(field)
    return b"".join(kept)


_SPACES = bytes(0x20 if octet in b"\0\r\v\f" else octet for octet in range(256))

"""Reads what mail servers write in reports: addresses, replies, host names, times.

Takes decoded text of a stranger, gives plain values; what cannot be read is "", 0 or None. Nothing
here raises, and time is linear in the text, which callers have cut.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.utils import mktime_tz, parsedate_tz

from gateway.feedback.mime import shown
from gateway.feedback.parsed import Bounce, Original
from gateway.relay.answers import without_addresses

MAX_ADDRESS = 320
MAX_SAID = 500
"""Characters of a server's words that are kept."""
MAX_RECIPIENTS = 100

_ADDRESS = re.compile(r"[^\s<>()\[\],;:\"@]{1,128}@[^\s<>()\[\],;:\"@]{1,255}")
_QUOTED = re.compile(r'<?("(?:[^"\\]|\\.){1,128}"@[^\s<>()\[\],;:"@]{1,255})')
_BOTH = re.compile(r"(?<![\d.])([245]\d\d)[ -]+#?([245]\.\d{1,3}\.\d{1,3})(?![\d.]*\d)", re.ASCII)
_CODE = re.compile(
    r"(?:^|said: ?|responded: ?|response: ?|response was: ?|reason: ?|error: ?|<<< ?|: )"
    r"([45]\d\d)(?=[ -]|$)",
    re.ASCII | re.IGNORECASE,
)
_ENHANCED = re.compile(r"(?<![\w.])#?([245]\.\d{1,3}\.\d{1,3})(?![\d.]*\d)", re.ASCII)
_HOST = re.compile(r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63}){1,10}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class BounceMail:
    """What read_dsn and read_plain_bounce find: the bounce, the header of our mail, and the fields
    as they stand."""

    bounce: Bounce
    original: Original | None
    fields: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Said:
    """A reply: `code` 0 and `enhanced` "" when there is none; `text` without addresses."""

    code: int
    enhanced: str
    text: str


def said(text: str) -> Said:
    """The reply in a server's words, which may quote another server's."""
    text = shown(without_addresses(text[: 4 * MAX_SAID]), MAX_SAID)
    if both := _BOTH.search(text):
        return Said(int(both[1]), both[2], text)
    code, enhanced = _CODE.search(text), _ENHANCED.search(text)
    return Said(int(code[1]) if code else 0, enhanced[1] if enhanced else "", text)


def address_in(text: str) -> str:
    """The first mail address, "" without one."""
    found = _QUOTED.match(text.strip()) or _ADDRESS.search(text)
    if found is None:
        return ""
    address = found[1] if found.re is _QUOTED else found[0]
    return address.strip("'`").rstrip(".")[:MAX_ADDRESS]


def host_in(text: str) -> str:
    """The first host name in lower case, "" without one."""
    found = _HOST.search(text)
    return found[0].lower() if found and not found[0].replace(".", "").isdigit() else ""


def unix_time(text: str) -> float | None:
    """The instant that a date field names (RFC 5322 section 3.3)."""
    try:
        parsed = parsedate_tz(text[:100])
        return None if parsed is None else float(mktime_tz(parsed))
    except (ValueError, OverflowError, IndexError, TypeError):  # the library's, for what is no date
        return None

"""Reads what mail servers write in reports: addresses, replies, host names, times.

Takes decoded text of a stranger, gives plain values; what cannot be read is "", 0 or None. Nothing
here raises, and time is linear in the text, which callers have cut.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.utils import mktime_tz, parsedate_tz

from gateway.feedback.mime import Mail, shown
from gateway.feedback.parsed import Bounce, Original
from gateway.relay.answers import without_addresses

MAX_ADDRESS = 320
MAX_SAID = 500
"""Characters of a server's words that are kept."""
MAX_RECIPIENTS = 100
_YEAR_10000 = 253_402_300_800
"""Unix seconds."""

_BETWEEN = re.compile(r"[\s<>()\[\],;:\"]+")
_QUOTED = re.compile(r'<?("(?:[^"\\]|\\.){1,128}"@[^\s<>()\[\],;:"@]{1,255})')
_BOTH = re.compile(r"(?<![\d.])([245]\d\d)[ -]+#?([245]\.\d{1,3}\.\d{1,3})(?![\d.]*\d)", re.ASCII)
_CODE = re.compile(r"(?:^|: ?|<<< ?|was |returned |said )([45]\d\d)(?=[ -]|$)", re.ASCII)
_ENHANCED = re.compile(r"(?<![\w.])#?([245]\.\d{1,3}\.\d{1,3})(?![\d.]*\d)", re.ASCII)
_MUTE = 12
"""Characters of a reply that says nothing but its codes."""
_SERVER = re.compile(
    r"mailer-?daemon|mail-?daemon|mailer daemon|mdaemon|postmaster|mail delivery (?:sub)?system"
    r"|mail delivery service|\bmailer@|\bmail-?system@",
    re.IGNORECASE,
)
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
    """The first reply in a server's words; what stands before its code is who says so. Whatever
    that reply quotes belongs to it, since it may be milder than what it quotes."""
    text = shown(without_addresses(text[: 4 * MAX_SAID]), 2 * MAX_SAID)
    code = _BOTH.search(text) or _CODE.search(text)
    enhanced = _ENHANCED.search(text, code.start(1) if code else 0)
    words = text[code.start(1) :] if code else text
    return Said(
        int(code[1]) if code else 0,
        enhanced[1] if enhanced else "",
        (words if len(words) > _MUTE else text)[:MAX_SAID],
    )


def is_of_a_server(text: str) -> bool:
    """Whether an address or a From field is a mail server's own."""
    return _SERVER.search(text) is not None


def is_from_a_server(mail: Mail) -> bool:
    """Whether a mail is from a mailer daemon or the null sender, by what its header says."""
    is_from_nobody = mail.header.first("return-path") == b"<>"
    return is_from_nobody or is_of_a_server(mail.header.text("from", MAX_ADDRESS))


def address_in(text: str) -> str:
    """The first mail address, "" without one."""
    if quoted := _QUOTED.match(text.strip()):
        return quoted[1]
    for word in _BETWEEN.split(text):
        word = word.strip("'`.")
        local, at, domain = word.partition("@")
        if at and local and domain and len(word) <= MAX_ADDRESS and "@" not in domain:
            return word
    return ""


def host_in(text: str) -> str:
    """The first host name in lower case, "" without one."""
    found = _HOST.search(text)
    return found[0].lower() if found and not found[0].replace(".", "").isdigit() else ""


def unix_time(text: str) -> float | None:
    """The instant that a date field names (RFC 5322 section 3.3)."""
    try:
        parsed = parsedate_tz(text[:100])
        seconds = None if parsed is None else float(mktime_tz(parsed))
    except (ValueError, OverflowError, IndexError, TypeError):  # the library's, for what is no date
        return None
    # The library takes years before 1970, and zones of any number of digits.
    return seconds if seconds is not None and 0 <= seconds < _YEAR_10000 else None

"""Reads what reports state: addresses, moments, fields for people; and the value that they give.

`read_arf` and `read_xarf` give `ReportMail`, or None for a mail that is no report of theirs.
Nothing here raises; all of it is bounded.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice

from gateway.feedback.mime import shown
from gateway.feedback.parsed import Complaint, Original
from gateway.feedback.server_words import MAX_ADDRESS, MAX_RECIPIENTS, unix_time

MAX_FIELDS = 200
"""Fields that are kept to be read by people."""
MAX_FIELD = 1_000
_BRACKETS = re.compile(r"<([^<>]*+)>")


@dataclass(frozen=True, slots=True)
class ReportMail:
    """A mail that is a report, or claims to be one: then `complaint` is None and `trouble` says
    why."""

    complaint: Complaint | None
    original: Original | None
    fields: tuple[tuple[str, str], ...] = ()
    trouble: str = ""


def stated_address(text: str) -> str:
    """The address that a field states, in angle brackets or bare, with or without its type
    (`rfc822;`). It may be redacted, and no address at all."""
    kind, semicolon, rest = text.partition(";")
    if semicolon and "@" not in kind:
        text = rest
    inner = _BRACKETS.search(text)
    return shown(inner[1] if inner else text, MAX_ADDRESS)


def stated_addresses(texts: Iterable[str]) -> tuple[str, ...]:
    """Those of several, each once, at most MAX_RECIPIENTS."""
    each = dict.fromkeys(map(stated_address, texts))
    return tuple(islice((one for one in each if one), MAX_RECIPIENTS))


def moment(text: str) -> float | None:
    """Unix seconds of a date of RFC 3339 (without a zone: UTC) or RFC 5322, or None."""
    try:
        when = datetime.fromisoformat(text[:100].strip())
        seconds = (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return unix_time(text)
    return seconds if seconds >= 0 else None

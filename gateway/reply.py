"""The one type that replies have: it refuses to be wrong, and puts itself into octets.

A reply is `<code> <enhanced> [TAG] sentence; ref=<id>` and, when a web address is configured, a
second line with a link that explains the tag (RFC 5321 section 4.2, RFC 3463 for the enhanced
codes). Code and enhanced class cannot disagree: making such a `Reply` raises ValueError.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

ENHANCED = re.compile(r"^[245]\.\d{1,3}\.\d{1,3}$")
_TAG = re.compile(r"^[A-Z][A-Z0-9-]*$")
_UNSAFE = re.compile(r"[^\x20-\x7e]")
MAX_TEXT = 400
"""Octets of text in one line; RFC 5321 section 4.5.3.1.5 allows 512 with code and CRLF."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One SMTP reply. `text` may hold `{placeholders}` in the catalogue, never on the wire.

    `page` is the address of a page of its own, which its second line names in the place of the
    tag's.
    """

    code: int
    enhanced: str
    tag: str
    text: str
    explanation: str = ""
    page: str = ""

    def __post_init__(self) -> None:
        if not 200 <= self.code <= 599:
            raise ValueError(f"reply code {self.code} is out of range")
        if self.enhanced and (
            not ENHANCED.match(self.enhanced) or int(self.enhanced[0]) != self.code // 100
        ):
            raise ValueError(f"enhanced code {self.enhanced!r} does not fit {self.code}")
        if self.tag and not _TAG.match(self.tag):
            raise ValueError(f"tag {self.tag!r} is not upper case letters, digits and hyphens")

    @property
    def is_temporary(self) -> bool:
        """True for 4xx: the customer's software should try again."""
        return 400 <= self.code < 500

    @property
    def is_permanent(self) -> bool:
        """True for 5xx: the customer's software should give up."""
        return self.code >= 500

    @property
    def is_positive(self) -> bool:
        """True for 2xx and 3xx."""
        return self.code < 400

    def fill(self, **values: object) -> Reply:
        """The same reply with its placeholders filled; values are cleaned for one line."""
        return replace(self, text=self.text.format(**{k: clean(str(v)) for k, v in values.items()}))

    def encode(self, ref: str = "", link: str = "") -> bytes:
        """The octets with CRLF; a 250 and a tagged refusal carry `ref`, the latter `link` too."""
        head = f"{self.enhanced} " if self.enhanced else ""
        tag = f"[{self.tag}] " if self.tag else ""
        text = clean(self.text)[:MAX_TEXT]
        if ref and (self.tag or self.code == 250):
            text = f"{text}; ref={ref}"
        page = self.page or (f"{link}/{self.tag}" if link else "")
        if self.tag and page:
            return f"{self.code}-{head}{tag}{text}\r\n{self.code} {head}{page}\r\n".encode("ascii")
        return f"{self.code} {head}{tag}{text}\r\n".encode("ascii")

    def __str__(self) -> str:
        tag = f"[{self.tag}] " if self.tag else ""
        return f"{self.code} {self.enhanced} {tag}{self.text}".replace("  ", " ")


def clean(text: str) -> str:
    """`text` with everything but printable ASCII replaced by `?`: safe in one reply line."""
    return _UNSAFE.sub("?", text)

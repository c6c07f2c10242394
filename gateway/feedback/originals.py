"""Finds our own mail in a mail that came back, and keeps its header fields alone.

Takes a part or a whole mail, gives `Original` or None. What it gives is whole fields with CRLF that
`HeaderView` takes, whatever stood there: traces.py and people read it. A body that lost the empty
line before it does not get in, but for lines that look like fields. Nothing here raises.
"""

from __future__ import annotations

from gateway.feedback.mime import MAX_HEADER, Header, Mail, Part, read_header
from gateway.feedback.parsed import Original

HOLDS_ORIGINAL = (
    "message/rfc822",
    "message/global",
    "text/rfc822-headers",
    "message/rfc822-headers",
    "message/global-headers",
)
"""Kinds of parts that give a mail or its header back (RFC 2046, 6522, 6533), right or wrong."""
_MAX_PARAGRAPHS = 200
_USUAL = {"received", "message-id", "from", "to", "subject", "date", "return-path"}
_SPACES = bytes(0x20 if octet in b"\0\r\v\f" else octet for octet in range(256))
"""What readers disagree on is a space."""


def original_of(header: Header) -> Original | None:
    """The fields of `header`, None when there are none."""
    kept: list[bytes] = []
    size = 0
    for raw in header.raw():
        field = raw.translate(_SPACES).replace(b"\n", b"\r\n")
        size += len(field)
        if size > MAX_HEADER:
            break
        kept.append(field)
    return Original(b"".join(kept)) if kept else None


def original_in(part: Part | None) -> Original | None:
    """The fields at the beginning of a part that gives a mail back."""
    if part is None:
        return None
    return original_of(read_header(part.content().lstrip(b"\n")))


def original_in_mail(mail: Mail) -> Original | None:
    """That of the first part that gives one back, else of what a plain text quotes."""
    for part in mail.parts:
        if part.kind in HOLDS_ORIGINAL or part.name.endswith(".eml"):
            return original_in(part)
    texts = (quoted_in(part.content()) for part in mail.parts if part.kind == "text/plain")
    return next((original for original in texts if original is not None), None)


def quoted_in(octets: bytes) -> Original | None:
    """The header of a mail within a text: the first paragraph of such fields as mails have. Lines
    before its first field are the separator that programs write."""
    for paragraph in octets.split(b"\n\n", _MAX_PARAGRAPHS)[:_MAX_PARAGRAPHS]:
        if b"\n" in paragraph:
            header = read_header(paragraph.lstrip(b"\n"))
            names = {name for name, _ in header.fields} & _USUAL
            if len(names) >= 2 and names & {"received", "message-id"}:
                return original_of(header)
    return None

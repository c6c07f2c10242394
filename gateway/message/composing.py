"""Parts of mails that the gateway itself writes: field bodies and quoted-printable text.

Takes texts of anybody, gives what may stand in a mail: nothing ends a field or a line early. Pure.
"""

from __future__ import annotations

import quopri
from email.header import Header


def encoded(text: str, name: str, *, is_phrase: bool = False) -> str:
    """`text` for the body of field `name`: as it is, quoted, or in encoded words (RFC 2047)."""
    if text.isascii() and text.isprintable() and len(text) < 60:
        if not is_phrase:
            return text
        escaped = text.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    return Header(text, "utf-8", header_name=name).encode(linesep="\r\n")


def quoted_printable(text: str) -> bytes:
    """`text` as UTF-8 in quoted-printable, lines ended by CRLF."""
    # A bare CR of somebody's text is a line's end too: only CRLF may reach the wire.
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    return quopri.encodestring(lines.encode()).replace(b"\n", b"\r\n")

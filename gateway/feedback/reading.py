"""Reads a mail of a stranger: who wrote it, its subject, and the first plain text in it.

Takes the octets as they came, gives `Read`, whatever they are: nothing here raises, recurses or
looks at more than it must. HTML, attachments and unknown character sets are left alone. Everything
is cut to a length before it is decoded, so that time is linear in the octets; run it in a thread.
"""

from __future__ import annotations

import binascii
import re
from dataclasses import dataclass
from email.errors import HeaderParseError
from email.header import decode_header
from hashlib import sha256

from gateway.errors import HeaderSyntaxError
from gateway.message.header import MAX_OCTETS, HeaderView

MAX_TEXT = 65_536
"""Characters of the text that are kept."""
MAX_SUBJECT = 500
MAX_SENDER = 320
MAX_DEPTH = 5
"""How deep multiparts are followed."""
MAX_PARTS = 50
_FIELD = 1_000
"""Octets of a field that are decoded: the library's time grows with their square."""
_RAW = 4 * MAX_TEXT
_TYPE = re.compile(rb"\s*([a-z]+/[a-z0-9.+-]+)", re.IGNORECASE)
_PARAMETER = re.compile(rb';\s*(boundary|charset)\s*=\s*(?:"([^"]{1,200})"|([^\s;"]{1,200}))', re.I)
_CHARSET = re.compile(r"utf-?8|us-ascii|iso-8859-\d{1,2}|windows-125\d|koi8-[ru]")
"""Character sets whose decoding takes time in proportion; others are read as UTF-8."""


@dataclass(frozen=True, slots=True)
class Read:
    """What is kept of a mail. `mail` is a digest of its Message-ID, or of all of it without one;
    `text` is empty where there is no plain text."""

    mail: str
    sender: str
    subject: str
    text: str
    is_automatic: bool


def read_mail(octets: bytes) -> Read:
    """What the mail says."""
    head, body = _split(octets)
    header = _header(head)
    identity = _value(header, b"message-id") or octets
    automatic = _value(header, b"auto-submitted").lower()
    is_automatic = bool(automatic) and not automatic.startswith(b"no")
    is_automatic |= _value(header, b"precedence").lower() in (b"bulk", b"junk", b"auto_reply")
    return Read(
        sha256(identity).hexdigest()[:32],
        shown(_decoded(_value(header, b"from")), MAX_SENDER),
        shown(_decoded(_value(header, b"subject")), MAX_SUBJECT),
        _text(head, body),
        is_automatic,
    )


def shown(text: str, most: int) -> str:
    """One line of visible characters, of `most` at most."""
    return "".join(c if c.isprintable() else "?" for c in " ".join(text.split()))[:most]


# ---- header ------------------------------------------------------------------------------------


def _split(octets: bytes) -> tuple[bytes, bytes]:
    if octets.startswith(b"\r\n"):
        return b"", octets[2:]
    head, _, body = octets.partition(b"\r\n\r\n")
    return head[: MAX_OCTETS - 2] + b"\r\n", body


def _header(head: bytes) -> HeaderView:
    try:
        return HeaderView.parse(head)
    except HeaderSyntaxError:  # a mail is no less a reply for that
        return HeaderView(b"", ())


def _value(header: HeaderView, name: bytes) -> bytes:
    field = header.first(name)
    return b"" if field is None else field.value[:_FIELD]


def _decoded(value: bytes) -> str:
    text = value.decode("utf-8", "replace")
    try:
        parts = decode_header(text)
    except (HeaderParseError, ValueError):
        return text
    return "".join(
        part
        if isinstance(part, str)
        else part.decode(_charset((charset or "").encode()), "replace")
        for part, charset in parts
    )


# ---- text --------------------------------------------------------------------------------------


def _text(head: bytes, body: bytes) -> str:
    """The first plain text, depth first, without descending by recursion."""
    waiting = [(head, body, 0)]
    looked_at = 0
    while waiting and looked_at < MAX_PARTS:
        head, body, depth = waiting.pop()
        looked_at += 1
        header = _header(head)
        declared = _value(header, b"content-type") or b"text/plain"
        found = _TYPE.match(declared)
        kind = found[1].lower() if found else b""
        parameters = {
            name.lower(): quoted or bare for name, quoted, bare in _PARAMETER.findall(declared)
        }
        if kind.startswith(b"multipart/"):
            boundary = parameters.get(b"boundary")
            if boundary and depth < MAX_DEPTH:
                parts = (b"\r\n" + body).split(b"\r\n--" + boundary, MAX_PARTS)[1:]
                inner = [part.removeprefix(b"\r\n") for part in parts if part[:2] != b"--"]
                waiting += [(*_split(part), depth + 1) for part in reversed(inner)]
        elif kind == b"text/plain" and not _value(
            header, b"content-disposition"
        ).lower().startswith(b"attachment"):
            encoding = _value(header, b"content-transfer-encoding").lower()
            octets = _unpacked(body[:_RAW], encoding)
            text = octets.decode(_charset(parameters.get(b"charset", b"")), "replace")
            return _lines(text)
    return ""


def _unpacked(octets: bytes, encoding: bytes) -> bytes:
    match encoding:
        case b"base64":
            letters = re.sub(rb"[^A-Za-z0-9+/]", b"", octets)
            if len(letters) % 4 == 1:  # six bits are no octet
                letters = letters[:-1]
            return binascii.a2b_base64(letters + b"=" * (-len(letters) % 4))
        case b"quoted-printable":
            return binascii.a2b_qp(octets)
        case _:
            return octets


def _charset(name: bytes) -> str:
    text = name.decode("ascii", "replace").lower()
    if not _CHARSET.fullmatch(text):
        return "utf-8"
    try:
        "".encode(text)
    except LookupError:  # iso-8859-77
        return "utf-8"
    return text


def _lines(text: str) -> str:
    """The text with its line ends, and nothing else that cannot be seen."""
    lines = text[:MAX_TEXT].replace("\r\n", "\n").replace("\r", "\n").replace("\t", " ").split("\n")
    return "\n".join("".join(c if c.isprintable() else "?" for c in line) for line in lines).strip()

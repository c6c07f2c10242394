"""Walks over a stranger's mail: its header section and its parts, as far as we look.

`read_mail` takes the octets as they came, whatever they are, and gives `Mail`: the header and the
leaves of the multiparts in their order, an attached mail being one leaf. Nothing here raises,
recurses or decodes before it has cut: depth, parts, fields and octets are bounded, and time is
linear in the octets. The `email` package is not used: it recurses, and is quadratic on encoded
words. Line ends are LF in all that is given. Run it in a thread.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from gateway.feedback.charsets import UTF_8, codec_of, is_ascii_within
from gateway.feedback.html_text import visible_text

MAX_DEPTH = 8
"""How deep multiparts are followed; what is deeper is one leaf of its kind."""
MAX_PARTS = 100
"""Leaves and multiparts that are looked at."""
MAX_FIELDS = 1_000
MAX_HEADER = 262_144
"""Octets of a header section that are looked at."""
MAX_VALUE = 8_192
"""Octets of a field that are kept."""
MAX_CONTENT = 262_144
"""Octets of a part that are decoded."""
MAX_TEXT = 65_536
"""Characters of a text."""
_MAX_MARKS = 10_000
"""Lines that begin like a boundary, of one multipart."""

_FIELD = re.compile(rb"^([!-9;-~]{1,100}+)[ \t]*+:([^\n]*+(?:\n[ \t][^\n]*+)*+)", re.MULTILINE)
"""Of RFC 5322 section 2.2; a space before the colon, of its section 4.5, is left out."""
_KIND = re.compile(rb"\s*+([a-z0-9.+_-]{1,80}+/[a-z0-9.+_-]{1,80}+)", re.IGNORECASE)
_PARAMETER = re.compile(
    rb';\s*+([a-z0-9_-]{1,40}+)\*?\s*+=\s*+(?:"((?:[^"\\]|\\.){0,250}+)"|([^\s;"]{1,250}+))',
    re.IGNORECASE | re.DOTALL,
)
_WORD = re.compile(rb"=\?([!->@-~]{1,60}+)\?([bq])\?([!->@-~]{0,4000}+)\?=", re.IGNORECASE)
"""An encoded word (RFC 2047), also a longer one than allowed."""
_ISO_2022 = b"\x1b$"
"""What only texts of ISO-2022 hold: some servers write them bare into fields."""


@dataclass(frozen=True, slots=True)
class Header:
    """A header section, or fields that look like one. `octets` is how it stood, with LF as line
    ends; `fields` are the names in lower case with their unfolded, stripped, undecoded values."""

    octets: bytes
    fields: tuple[tuple[str, bytes], ...]

    def all(self, name: str) -> list[bytes]:
        """The values of every field `name` (lower case), from the top."""
        return [value for each, value in self.fields if each == name]

    def first(self, name: str) -> bytes:
        """The topmost one, empty without one."""
        return next((value for each, value in self.fields if each == name), b"")

    def raw(self) -> Iterator[bytes]:
        """Every field with its final LF, at most MAX_FIELDS; a space before a colon is left out."""
        for field in islice(_FIELD.finditer(self.octets), MAX_FIELDS):
            yield field[1] + b":" + field[2] + b"\n"

    def text(self, name: str, most: int = 1_000) -> str:
        """The topmost one, decoded: one line of visible characters, at most `most`."""
        return shown(decoded(self.first(name)), most)


@dataclass(frozen=True, slots=True)
class Part:
    """One leaf. `kind` is its type in lower case, "text/plain" where none can be read; `raw` is
    what it holds, still in its transfer encoding and not cut."""

    header: Header
    kind: str
    parameters: dict[str, str]
    raw: bytes

    @property
    def is_attached(self) -> bool:
        """Whether it is to be kept and not shown (RFC 2183)."""
        return self.header.first("content-disposition").lower().startswith(b"attachment")

    @property
    def name(self) -> str:
        """Its file name in lower case, or ""."""
        disposition = _parameters(self.header.first("content-disposition"))
        return (disposition.get("filename") or self.parameters.get("name", "")).lower()

    def content(self, most: int = MAX_CONTENT) -> bytes:
        """The first octets of it, at most `most`, without their transfer encoding."""
        raw = self.raw
        match self.header.first("content-transfer-encoding").lower():
            case b"base64":
                content = _from_base64(raw[: 2 * most])
            case b"quoted-printable":
                content = binascii.a2b_qp(raw[: 3 * most])
            case _:
                return raw[:most]
        return content[:most].replace(b"\r\n", b"\n")

    def text(self, most: int = MAX_TEXT) -> str:
        """The same as lines of visible characters, at most `most`."""
        return lines(self.content(4 * most).decode(self.codec, "replace"), most)

    @property
    def codec(self) -> str:
        """The codec of its text."""
        return codec_of(self.parameters.get("charset", ""))

    def plain(self) -> Part:
        """Its text as a part of plain text whose octets hold ASCII as such: of HTML what that
        shows. A reader of plain texts so finds in it what it would find in them, and no more."""
        is_html = self.kind == "text/html"
        if not is_html and is_ascii_within(self.codec):
            return self
        text = self.content().decode(self.codec, "replace")
        raw = (visible_text(text) if is_html else text).encode("utf-8", "replace")
        return Part(Header(b"", ()), "text/plain", {"charset": UTF_8}, raw)


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail: its header, the kind it declares (with parameters), and its leaves in order; a mail
    that is no multipart is its only leaf."""

    header: Header
    kind: str
    parameters: dict[str, str]
    parts: tuple[Part, ...]

    def first(self, *kinds: str) -> Part | None:
        """The first leaf of one of these kinds."""
        return next((part for part in self.parts if part.kind in kinds), None)

    def words(self) -> Part | None:
        """What it says to people: the first plain text that is not attached; where there is none,
        what the first HTML shows, as a plain text."""
        for kind in ("text/plain", "text/html"):
            for part in self.parts:
                if part.kind == kind and not part.is_attached:
                    return part.plain()
        return None

    def text(self, most: int = MAX_TEXT) -> str:
        """The same as text, or ""."""
        part = self.words()
        return "" if part is None else part.text(most)


def read_mail(octets: bytes) -> Mail:
    """The mail in `octets`, with CRLF or LF as line ends; one line `From ...` before it is left
    out."""
    octets = octets.replace(b"\r\n", b"\n")
    start = octets.find(b"\n") + 1 if octets.startswith((b"From ", b">From ")) else 0
    header, _ = _split(octets, start, len(octets))
    kind, parameters = _kind(header)
    return Mail(header, kind, parameters, tuple(_leaves(octets, start)))


def read_header(octets: bytes) -> Header:
    """The fields at the beginning of `octets`, up to the first empty line. What is no field is
    passed over, fields beyond MAX_FIELDS and octets beyond MAX_HEADER too."""
    octets = octets[:MAX_HEADER].replace(b"\r\n", b"\n")
    end = 0 if octets.startswith(b"\n") else octets.find(b"\n\n") + 1
    return _fields(octets if end == 0 and not octets.startswith(b"\n") else octets[:end])


def blocks(octets: bytes, most: int) -> list[Header]:
    """Groups of fields between empty lines (RFC 3464 section 2.1), at most `most`; empty groups are
    passed over."""
    pieces = octets[:MAX_CONTENT].replace(b"\r\n", b"\n").split(b"\n\n", 4 * most)[: 4 * most]
    return [header for header in map(_fields, pieces) if header.fields][:most]


# ---- text --------------------------------------------------------------------------------------


def shown(text: str, most: int) -> str:
    """One line of visible characters, of `most` at most."""
    words = " ".join(text[: 4 * most].split())[:most]
    return words if words.isprintable() else _visible(words)


def lines(text: str, most: int) -> str:
    """The text with its line ends, and nothing else that cannot be seen."""
    text = text[:most].replace("\r\n", "\n").replace("\r", "\n")
    text = text.replace("\t", " ").replace("\xa0", " ")
    each = text.split("\n")
    return "\n".join(line if line.isprintable() else _visible(line) for line in each).strip()


def decoded(value: bytes) -> str:
    """A field's value with its encoded words (RFC 2047) read; words of one character set that
    follow each other are read as one, since programs cut within characters."""
    pieces: list[tuple[str, bytes]] = []
    place, was_word = 0, False
    for word in _WORD.finditer(value[:MAX_VALUE]):
        between = value[place : word.start()]
        if between.strip() or not was_word:
            pieces.append((_bare(between), between))
            was_word = False
        charset = codec_of(word[1].partition(b"*")[0].decode("ascii"))
        content = (
            _from_base64(word[3])
            if word[2] in b"bB"
            else binascii.a2b_qp(word[3], header=True)  # an underscore is a space
        )
        if was_word and pieces[-1][0] == charset:
            content = pieces.pop()[1] + content
        pieces.append((charset, content))
        place, was_word = word.end(), True
    pieces.append((_bare(value), value[place:MAX_VALUE]))
    return "".join(content.decode(charset, "replace") for charset, content in pieces)


def _visible(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)


def _bare(octets: bytes) -> str:
    """The codec of what stands in a field without being encoded (RFC 6532)."""
    return "iso2022_jp" if _ISO_2022 in octets else UTF_8


def _from_base64(octets: bytes) -> bytes:
    letters = re.sub(rb"[^A-Za-z0-9+/]", b"", octets)
    if len(letters) % 4 == 1:  # six bits are no octet
        letters = letters[:-1]
    return binascii.a2b_base64(letters + b"=" * (-len(letters) % 4))


def top_boundary(octets: bytes) -> bytes:
    """What stands between the parts of the multipart that this header section declares; empty when
    it declares none."""
    kind, parameters = _kind(read_header(octets))
    return _boundary(parameters) if kind.startswith("multipart/") else b""


# ---- header ------------------------------------------------------------------------------------


def _fields(octets: bytes) -> Header:
    fields = []
    for field in _FIELD.finditer(octets):
        value = field[2][:MAX_VALUE].replace(b"\n", b"").strip()
        fields.append((field[1].decode("ascii").lower(), value))
        if len(fields) == MAX_FIELDS:
            break
    return Header(octets, tuple(fields))


def _split(octets: bytes, start: int, end: int) -> tuple[Header, int]:
    """The header section that begins at `start`, and where the body does."""
    if octets.startswith(b"\n", start, end):
        return Header(b"", ()), start + 1
    gap = octets.find(b"\n\n", start, end)
    stop = end if gap < 0 else gap + 1
    header = _fields(octets[start : min(stop, start + MAX_HEADER)])
    if not header.fields:  # somebody forgot the empty line
        return Header(b"", ()), start
    return header, min(stop + 1, end)


def _kind(header: Header) -> tuple[str, dict[str, str]]:
    declared = header.first("content-type")
    found = _KIND.match(declared)
    kind = found[1].decode("ascii").lower() if found else "text/plain"
    return kind, _parameters(declared)


def _parameters(value: bytes) -> dict[str, str]:
    """The parameters of RFC 2045 section 5.1; the first of one name counts."""
    given: dict[str, str] = {}
    for name, quoted, bare in _PARAMETER.findall(value):
        text = re.sub(rb"\\(.)", rb"\1", quoted, flags=re.DOTALL) or bare
        given.setdefault(name.decode("ascii").lower(), text.decode("latin-1"))
    return given


def _boundary(parameters: dict[str, str]) -> bytes:
    return parameters.get("boundary", "").rstrip().encode("latin-1")


# ---- parts -------------------------------------------------------------------------------------


def _leaves(octets: bytes, start: int) -> Iterator[Part]:
    """The leaves, depth first, without descending by recursion: what waits are places, so that
    nothing is read or copied beyond the parts that are looked at."""
    waiting = [(start, len(octets), 0)]
    looked_at = 0
    while waiting and looked_at < MAX_PARTS:
        start, end, depth = waiting.pop()
        looked_at += 1
        header, body = _split(octets, start, end)
        kind, parameters = _kind(header)
        if kind.startswith("multipart/") and depth < MAX_DEPTH:
            boundary = _boundary(parameters)
            pieces = list(_pieces(octets, body, end, boundary)) if boundary else []
            waiting += [(*piece, depth + 1) for piece in reversed(pieces)]
            if pieces:
                continue
            kind = "text/plain"  # there are no parts in it, only what somebody wrote
        yield Part(header, kind, parameters, octets[body:end])


def _pieces(octets: bytes, body: int, end: int, boundary: bytes) -> Iterator[tuple[int, int]]:
    """Where the parts between the boundaries stand (RFC 2046 section 5.1.1). A boundary is a whole
    line, so one that begins like another is none; the last part may lack its end."""
    mark = b"\n--" + boundary
    start, place = -1, max(body - 1, 0)
    found = 0
    for _ in range(_MAX_MARKS):
        at = octets.find(mark, place, end)
        if at < 0 or found == MAX_PARTS:
            break
        place = at + len(mark)
        stop = octets.find(b"\n", place, end)
        stop = end if stop < 0 else stop
        rest = octets[place:stop].strip()
        if rest not in (b"", b"--"):
            continue
        if start >= 0:
            found += 1
            yield start, max(at, start)
        start = -1 if rest else min(stop + 1, end)
        if rest:
            return
        place = stop
    if start >= 0 and found < MAX_PARTS:
        yield start, end

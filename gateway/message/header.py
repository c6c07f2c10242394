"""A read-only view of a header section: its fields in order, found by name, not one octet changed.

Takes the octets of a header section (strict CRLF, without the empty line), gives `HeaderView`.
Raises HeaderSyntaxError, with the line number, for what is no field and for what readers disagree
on: a space before the colon, a vertical tab or form feed; and beyond the limits below. Decodes
nothing and judges no content. Linear in the octets; the `email` package is not used because it
recurses and is quadratic on encoded words.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence, Set
from typing import NamedTuple

from gateway.errors import HeaderSyntaxError

MAX_FIELDS = 1_000
MAX_OCTETS = 262_144

# One field with its folded lines (RFC 5322 section 2.2). Possessive, so that nothing is tried
# twice and a field of very many lines keeps no list of places to go back to.
_FIELD = re.compile(rb"^(([!-9;-~]++):[^\n]*+\n(?:[ \t][^\n]*+\n)*+)", re.MULTILINE)


class Field(NamedTuple):
    """One field: `name` in lower case, `raw` the whole of it with its final CRLF."""

    name: bytes
    raw: bytes

    @property
    def value(self) -> bytes:
        """The field's body, unfolded (RFC 5322 section 2.2.3) and stripped."""
        return self.raw[len(self.name) + 1 :].replace(b"\r\n", b"").strip()


class HeaderView:
    """The fields of one header section. `octets` is their concatenation."""

    __slots__ = ("_by_name", "fields", "octets")

    def __init__(self, octets: bytes, fields: Iterable[Field]) -> None:
        self.octets = octets
        self.fields = tuple(fields)
        self._by_name: dict[bytes, list[Field]] = {}
        for field in self.fields:
            self._by_name.setdefault(field.name, []).append(field)

    @classmethod
    def parse(cls, header: bytes) -> HeaderView:
        """Split `header` into fields, or raise HeaderSyntaxError."""
        if len(header) > MAX_OCTETS:
            raise HeaderSyntaxError(f"the header section is over {MAX_OCTETS} octets")
        _check_lines(header)
        if b"\v" in header or b"\f" in header:
            # Whitespace to some readers and not to others, so that they split words differently.
            raise HeaderSyntaxError("the header section holds a vertical tab or form feed")
        found = _FIELD.findall(header)
        if sum([len(raw) for raw, _ in found]) != len(header):
            raise HeaderSyntaxError(_fault(header))
        return cls(header, [Field(name.lower(), raw) for raw, name in found])

    @property
    def names(self) -> Set[bytes]:
        """The names that occur, in lower case."""
        return self._by_name.keys()

    def all(self, name: bytes) -> Sequence[Field]:
        """Every field called `name` (lower case), from the top."""
        return self._by_name.get(name, ())

    def first(self, name: bytes) -> Field | None:
        """The topmost field called `name` (lower case)."""
        found = self._by_name.get(name)
        return found[0] if found else None

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def __repr__(self) -> str:
        return f"<HeaderView {len(self.fields)} fields, {len(self.octets)} octets>"


def _check_lines(header: bytes) -> None:
    """Refuse bare line endings, and too many fields before an object is made for each."""
    lines = header.count(b"\n")
    if header.count(b"\r\n") != lines or header.count(b"\r") != lines:
        raise HeaderSyntaxError("the header section holds a bare CR or LF")
    if lines > MAX_FIELDS:
        folded = header.count(b"\n ") + header.count(b"\n\t")
        if lines - folded > MAX_FIELDS:
            raise HeaderSyntaxError(f"the header section has over {MAX_FIELDS} fields")


def _fault(header: bytes) -> str:
    """Which line is no field, and what is wrong with it."""
    place = 0
    while field := _FIELD.match(header, place):
        place = field.end()
    number = header.count(b"\n", 0, place) + 1
    line = header[place:].partition(b"\r\n")[0]
    if line.startswith((b" ", b"\t")):
        return f"line {number} continues a field, but there is none before it"
    name, colon, _ = line.partition(b":")
    if colon and name.rstrip(b" \t") != name:
        return f"line {number} has a space before the colon"
    return f"line {number} is no header field; an empty line must end the header section"

"""What a fuzzing campaign holds the gateway to: promises that are kept or `Broken`, and counts.

`promise(holds, name)` raises `Broken` when it does not hold; the name is what the campaign's table
shows. `COUNTS` is what one process has seen so far, by the words of the table. `replies_in` reads
the octets of replies strictly, as a client that trusts nothing would.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import NamedTuple

COUNTS: Counter[str] = Counter()
LONGEST = 512
"""Octets of one reply line with its CRLF (RFC 5321 section 4.5.3.1.5)."""

_LINE = re.compile(rb"([2-5][0-5]\d)([ -])([\x20-\x7e]*)\r\n")
_ENHANCED = re.compile(rb"([245])\.\d{1,3}\.\d{1,3}(?: |$)")
_INSIDE = re.compile(
    rb"Traceback|File \"|\.py\b|\b[A-Z]\w*(?:Error|Exception)\b|<class|object at 0x|NoneType"
)
"""What a reply that discloses our inside holds: a stack trace, a class, a file."""
_BARE = frozenset((220, 250, 334, 354))
"""Codes that some replies have without an enhanced code: greeting, EHLO, challenge, go-ahead."""


class Broken(Exception):
    """A promise was not kept; `name` says which."""

    def __init__(self, name: str, detail: object = "") -> None:
        super().__init__(f"{name}: {detail!r:.300}" if detail != "" else name)
        self.name = name


class SeenReply(NamedTuple):
    """One reply: its code, and the text of its lines behind it."""

    code: int
    lines: list[bytes]


def promise(holds: object, name: str, detail: object = "") -> None:
    """Raise `Broken` unless it holds."""
    if not holds:
        raise Broken(name, detail)


def replies_in(octets: bytes, said: bytes) -> list[SeenReply]:
    """The replies that `octets` are, each well formed; `said` is what the customer sent before.

    What a reply only repeats of the customer's own words discloses nothing.
    """
    found: list[SeenReply] = []
    place, lines = 0, []
    while place < len(octets):
        line = _LINE.match(octets, place)
        if line is None or line.end() - place > LONGEST:
            raise Broken("each reply is well formed", octets[place : place + 600])
        place = line.end()
        code = int(line[1])
        lines.append(line[3])
        enhanced = _ENHANCED.match(line[3])
        if enhanced is None:
            promise(code in _BARE, "each reply is well formed", octets)
        else:
            promise(enhanced[1] == line[1][:1], "each reply is well formed", octets)
        if line[2] == b" ":
            found.append(SeenReply(code, lines))
            lines = []
        else:
            promise(octets[place : place + 3] == line[1], "each reply is well formed", octets)
    promise(not lines, "each reply is well formed", octets)
    for inside in _INSIDE.finditer(octets):
        promise(inside[0] in said, "no reply discloses our inside", octets)
    return found

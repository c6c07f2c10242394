"""A message as it was received: header section, body in slices, and the two hashes of it.

`Receiver` is fed line-aligned blocks (every block ends in CRLF, dots already unstuffed, CR, LF and
NUL already checked) while DATA arrives and hashes them as they come, so that no big message holds
the event loop. The header section ends at the first empty line; whether it is well-formed is for
`HeaderView.parse` to say. One that outgrows `header.MAX_OCTETS` is cut there, which that refuses.
Raises nothing; looks at no field.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from gateway.message.body import CRLF, RelaxedBodyHash
from gateway.message.header import MAX_OCTETS

SLICE = 65_536
"""Octets from which a slice of the body is closed; many small blocks must not cost an object each.
"""


@dataclass(frozen=True, slots=True)
class Message:
    """One received message. Nothing in it is ever changed; edits make new header octets.

    `header` ends with the last field's CRLF, without the empty line; `body` are line-aligned
    blocks whose concatenation is everything after the empty line; `size` is the octets of all
    three together. `digest` (32 octets) identifies the message as received, for the ledger;
    `body_hash` is the SHA-256 of the relaxed-canonical body (RFC 6376 section 3.4.4).
    """

    header: bytes
    body: tuple[bytes, ...]
    size: int
    digest: bytes
    body_hash: bytes


class Receiver:
    """Builds one `Message`; `size` is the octets so far."""

    __slots__ = ("_body", "_body_hash", "_digest", "_header", "_in_header", "_slice", "size")

    def __init__(self) -> None:
        self.size = 0
        self._in_header = True
        self._header = bytearray()
        self._slice = bytearray()
        self._body: list[bytes] = []
        self._digest = sha256()
        self._body_hash = RelaxedBodyHash()

    def add(self, block: bytes) -> None:
        """Take the next block of whole lines."""
        self.size += len(block)
        self._digest.update(block)
        if self._in_header:
            block = self._take_header(block)
        if block:
            self._body_hash.add(block)
            self._slice += block
            if len(self._slice) >= SLICE:
                self._body.append(bytes(self._slice))
                self._slice.clear()

    def finish(self) -> Message:
        """The message; call it once, after the last block."""
        if self._slice:
            self._body.append(bytes(self._slice))
        return Message(
            bytes(self._header),
            tuple(self._body),
            self.size,
            self._digest.digest(),
            self._body_hash.digest(),
        )

    def _take_header(self, block: bytes) -> bytes:
        """Keep what belongs to the header section; give what comes after the empty line."""
        if block.startswith(CRLF):
            self._in_header = False
            return block[2:]
        end = block.find(b"\r\n\r\n")
        if end >= 0:
            self._in_header = False
            self._header += block[: end + 2]
            return block[end + 4 :]
        self._header += block
        self._in_header = len(self._header) <= MAX_OCTETS
        return b""

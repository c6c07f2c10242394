"""A message as it was received: header section, body in slices, and the two hashes of it.

`Receiver` is fed line-aligned blocks (every block ends in CRLF, dots already unstuffed, CR, LF and
NUL already checked) while DATA arrives and hashes them as they come, so that no big message holds
the event loop.
"""

from __future__ import annotations

from dataclasses import dataclass


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

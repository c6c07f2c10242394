"""Takes an upload in: scanned when a scanner is configured, drawn anew, named, digested.

`take` gives an `Upload` that may be kept. Raises `picture.Refused` for what is not taken, and
`scanner.ScannerAway` when nobody could say that it is clean: it is kept by nobody then.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from hashlib import sha256

from gateway.config.clamav import ClamAvSettings
from gateway.uploads.picture import MAX_OCTETS, Refused, Why, redraw
from gateway.uploads.scanner import scan

MAX_NAME = 120
CLEAN, UNSCANNED = "clean", "no scanner"
"""What `Upload.scanned` says."""


@dataclass(frozen=True, slots=True)
class Upload:
    """What may be kept: a picture drawn by us. `digest` is SHA-256 of `octets`, `name` what the
    tenant called its file: personal, to be sealed."""

    media_type: str
    octets: bytes
    name: str
    scanned: str

    @property
    def digest(self) -> bytes:
        """32 octets."""
        return sha256(self.octets).digest()


async def take(octets: bytes, name: str, clamav: ClamAvSettings | None) -> Upload:
    """`octets` as they came, under the name that the browser gave."""
    if not octets:
        raise Refused(Why.EMPTY)
    if len(octets) > MAX_OCTETS:
        raise Refused(Why.SIZE)
    if clamav is not None and (found := await scan(clamav, octets)):
        raise Refused(Why.VIRUS, found)
    made = await redraw(octets)
    return Upload(made.media_type, made.octets, _shown(name), CLEAN if clamav else UNSCANNED)


def _shown(name: str) -> str:
    """A file's name without its folders and without what cannot be shown or turns text around."""
    last = name.replace("\\", "/").rpartition("/")[2]
    kept = (c for c in last if unicodedata.category(c)[0] not in "CZ" or c == " ")
    return "".join(kept).strip()[:MAX_NAME] or "upload"

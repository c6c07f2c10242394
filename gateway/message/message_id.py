"""A Message-ID as the journal knows it: a digest, for the field often holds an address.

`message_id_digest` takes the field's body, or what a person pasted of it, and gives 32 hex digits.
Two spellings of one ID (RFC 5322 section 3.6.4: with or without angle brackets, folded, with a
comment after it) have one digest. Raises nothing.
"""

from __future__ import annotations

import hashlib
import re

MAX_OCTETS = 998
"""Of an ID that is told from another: as long as a line may be (RFC 5322 section 2.1.1)."""
_BETWEEN_ANGLES = re.compile(rb"<([^<>]*)>")


def message_id_digest(body: bytes) -> str:
    """The digest of the ID in `body`; "" when there is none."""
    angles = _BETWEEN_ANGLES.search(body)
    bare = b"".join((angles[1] if angles else body).split())[:MAX_OCTETS]
    return hashlib.sha256(bare).hexdigest()[:32] if bare else ""

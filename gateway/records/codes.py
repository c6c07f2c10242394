"""One small number for what an index row says: a consent's level, or an entry's effect.

0 marks (the index's generation, a tenant's first attestation), 1 to 4 are consent levels, 8 says
that a pre-check has cleared the address, 16 and up are suppressions: reason, stops and whether it
may be disclosed, and from 128 on also of which kind of hashed list. The numbers are durable; they
are never reused for something else.
"""

from __future__ import annotations

from suppression.hashes import HashKind
from suppression.precedence import RULES
from suppression.standing import Reason, Stops

MARK = 0
CONSENTS = range(1, 5)
CLEARED = 8
FIRST_SUPPRESSION = 16
RESTRICTED = 88
"""A manual entry that stops everything, like others; of its own, so that the few are found."""

_REASONS = {
    Reason.PROTECTED: 0,
    Reason.ERASURE: 1,
    Reason.OBJECTION: 2,
    Reason.COMPLAINT: 3,
    Reason.UNSUBSCRIBE: 4,
    Reason.HARD_BOUNCE: 5,
    Reason.ROBINSON: 6,
    Reason.SOFT_BOUNCE: 7,
    Reason.MANUAL: 8,
}
_KINDS = {
    HashKind.SHA256: 1,
    HashKind.SHA512: 2,
    HashKind.SHA256_DOMAIN: 3,
    HashKind.SHA512_DOMAIN: 4,
}
_NUMBERS = {number: kind for kind, number in _KINDS.items()}
FIRST_HASHED = 128
_STOPS = {Stops.EVERYTHING: 0, Stops.UNVERIFIED: 1, Stops.BULK: 2, Stops.MARKETING: 3}


def encode(
    reason: Reason, stops: Stops, is_disclosable: bool = True, hashed: HashKind | None = None
) -> int:
    """The code of a suppression; `hashed` when it is of a hashed list."""
    code = FIRST_SUPPRESSION + _REASONS[reason] * 8 + _STOPS[stops] * 2 + (not is_disclosable)
    return code if hashed is None else code + FIRST_HASHED * _KINDS[hashed]


def hash_number(code: int) -> int:
    """The number of the kind of hashed list that a suppression is of, 0 for none."""
    return code // FIRST_HASHED


def hash_kind(number: int) -> HashKind | None:
    """The kind of hashed list with this number."""
    return _NUMBERS.get(number)


DECODED: dict[int, tuple[Reason, Stops, bool]] = {
    encode(reason, stops, shown, hashed): (reason, stops, shown)
    for reason in Reason
    for stops in Stops
    for shown in (True, False)
    for hashed in (None, *HashKind)
} | {RESTRICTED: (Reason.MANUAL, Stops.EVERYTHING, False)}
"""Code to reason, stops and disclosure."""

EDITIONS = frozenset(code for code, decoded in DECODED.items() if decoded[0] is Reason.ROBINSON)
"""The codes of lists that come in editions: each source has its own, the last one counts."""

RENEWED = frozenset(code for code, decoded in DECODED.items() if RULES[decoded[0]].is_renewed)
"""The codes whose entries a newer one prolongs."""

"""One small number for what an index row says: a consent's level, or an entry's effect.

0 marks (the index's generation, a tenant's first attestation), 1 to 4 are consent levels, 8 says
that a pre-check has cleared the address, 16 and up are suppressions: reason, stops and whether it
may be disclosed. The numbers are durable; they
are never reused for something else.
"""

from __future__ import annotations

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
_STOPS = {Stops.EVERYTHING: 0, Stops.UNVERIFIED: 1, Stops.BULK: 2, Stops.MARKETING: 3}


def encode(reason: Reason, stops: Stops, is_disclosable: bool = True) -> int:
    """The code of a suppression."""
    return FIRST_SUPPRESSION + _REASONS[reason] * 8 + _STOPS[stops] * 2 + (not is_disclosable)


DECODED: dict[int, tuple[Reason, Stops, bool]] = {
    encode(reason, stops, shown): (reason, stops, shown)
    for reason in Reason
    for stops in Stops
    for shown in (True, False)
} | {RESTRICTED: (Reason.MANUAL, Stops.EVERYTHING, False)}
"""Code to reason, stops and disclosure."""

RENEWED = frozenset(code for code, decoded in DECODED.items() if RULES[decoded[0]].is_renewed)
"""The codes whose entries a newer one prolongs."""

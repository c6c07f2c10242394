"""An address's standing: which suppressions match it and what consent it has given.

The values that the one batched look-up returns for each recipient; policies judge by them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """Why an address must not be mailed, in the order of precedence (docs: replies)."""

    PROTECTED = "protected"
    ERASURE = "erasure"
    OBJECTION = "objection"
    COMPLAINT = "complaint"
    UNSUBSCRIBE = "unsubscribe"
    HARD_BOUNCE = "hard_bounce"
    ROBINSON = "robinson"
    SOFT_BOUNCE = "soft_bounce"
    MANUAL = "manual"


class Stops(StrEnum):
    """Which mail an entry stops."""

    EVERYTHING = "everything"
    UNVERIFIED = "unverified"
    """Everything but verified transactional mail."""
    BULK = "bulk"
    """Marketing and unverified transactional mail."""
    MARKETING = "marketing"


@dataclass(frozen=True, slots=True)
class Match:
    """One live suppression entry that matches an address in the scope asked for."""

    entry: int
    reason: Reason
    stops: Stops
    scope: str
    """`*` (all tenants), `tenant`, or `tenant/stream`."""
    is_disclosable: bool = True


@dataclass(frozen=True, slots=True)
class Standing:
    """All that is known about one address for one stream.

    `key` is the 16-octet exact key; `consent` the highest live consent level for the stream
    (0 none); `has_attested` says whether the tenant ever attested consent at all, `is_cleared`
    whether a pre-check of the stream that is still valid has cleared the address.
    """

    key: bytes
    matches: tuple[Match, ...] = ()
    consent: int = 0
    has_attested: bool = False
    is_cleared: bool = False

    @property
    def is_erased(self) -> bool:
        """Whether the person had their data erased here: then no record may name them again."""
        return any(match.reason is Reason.ERASURE for match in self.matches)

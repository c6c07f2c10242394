"""The terms a tenant sends under, as plain values: what the configuration comes down to.

`TenantTerms` and `StreamTerms` are built once per configuration and shared by every session, so
they are immutable. Sizes are octets, times are seconds or Unix seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from gateway.words import StreamKind

DAY = 86_400
MONTH = 30 * DAY


class TenantState(StrEnum):
    """Whether a tenant may send: closed until confirmations are on record, or slowed down."""

    CLOSED = "closed"
    STARTER = "starter"
    OPEN = "open"
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `count` of `unit` (`messages` or `recipients`) in any `seconds`."""

    unit: str
    count: int
    seconds: int


@dataclass(frozen=True, slots=True)
class Announcement:
    """A higher daily byte limit, announced at least 24 h ahead (Unix seconds)."""

    announced_at: float
    starts_at: float
    ends_at: float
    bytes_per_day: int


@dataclass(frozen=True, slots=True)
class Limits:
    """The contract's limits; a stream's own override its tenant's."""

    recipients_per_message: int = 100
    batches: int = 1
    batch_wait: float = 20.0
    batch_idle: float = 10.0
    bytes_per_day: int = 10_000_000_000
    message_bytes: int = 26_214_400
    rates: tuple[Rate, ...] = ()
    announcements: tuple[Announcement, ...] = ()


@dataclass(frozen=True, slots=True)
class StreamTerms:
    """One flow of a tenant's mail. `number` is its durable 24-bit id, used in tokens; with `verp`
    each recipient's copy goes out under a return path of its own."""

    tenant: str
    name: str
    number: int
    kind: StreamKind
    limits: Limits
    is_open: bool = True
    is_verified: bool = False
    consent_level: int = 0
    needs_pre_check: bool = False
    stamps_unsubscribe: bool = True
    mail_from: frozenset[str] = frozenset()
    verp: bool = False

    @property
    def id(self) -> str:
        """`tenant/stream`, as it appears in logins and events."""
        return f"{self.tenant}/{self.name}"

    @property
    def is_bulk(self) -> bool:
        """Marketing, and every transactional stream that is not marked verified."""
        return self.kind.is_marketing or not self.is_verified


@dataclass(frozen=True, slots=True)
class TenantTerms:
    """A customer: what it may send as and how fast. Domains are lower-case A-labels; `number` is
    its durable id as a whole, used in links to its pages."""

    name: str
    state: TenantState
    domains: frozenset[str]
    streams: Mapping[str, StreamTerms]
    default_stream: str
    limits: Limits
    starter_messages_per_hour: int = 100
    unsubscribe_hosts: frozenset[str] = field(default_factory=frozenset)
    number: int = 0

    def owns(self, domain: str) -> bool:
        """True when `domain` (A-label) is registered, itself or under a `*.parent` entry."""
        if domain in self.domains:
            return True
        parent = domain
        while "." in parent:
            parent = parent.partition(".")[2]
            if f"*.{parent}" in self.domains:
                return True
        return False

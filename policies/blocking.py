"""When facts about a tenant block its sender domain: pure thresholds over counts of 24 hours.

`thresholds` reads the `block_at` mapping of a preset (policies/presets/*.yaml) and raises
ConfigurationError for what it does not know; `judge` compares counts; `domains_of` says which
registered names a block falls on. Counting and blocking are gateway/enforcement.py's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum

from gateway.errors import ConfigurationError
from policies.terms import TenantTerms
from policies.transaction import Transaction
from suppression.address import a_label, suffixes

WARN_SHARE = 3
"""A warning is given at one third of a threshold."""


class FactKind(StrEnum):
    """What can be held against a tenant."""

    PROTECTED_HIT = "protected-hit"
    """A recipient refused because the address is protected."""
    BATCH_DEFIANCE = "batch-defiance"
    """A MAIL on a further connection within 60 s after [BATCH-BUSY]."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that happened, never changed. `key` is the recipient's exact key or empty,
    `domain` the sender domain (A-label) or empty, `at` Unix seconds."""

    kind: FactKind
    tenant: str
    stream: str
    mailing: str
    domain: str
    key: bytes
    ref: str
    at: float


@dataclass(frozen=True, slots=True)
class Threshold:
    """Reached by that many `facts` that are also `percent` of the recipients."""

    facts: int
    percent: float


class Step(Enum):
    """What counts ask for."""

    NOTHING = 0
    WARN = 1
    BLOCK = 2


def judge(facts: int, recipients: int, threshold: Threshold) -> Step:
    """What `facts` among `recipients` of the last 24 h come to."""
    if _reaches(facts, recipients, threshold, 1):
        return Step.BLOCK
    return Step.WARN if _reaches(facts, recipients, threshold, WARN_SHARE) else Step.NOTHING


def _reaches(facts: int, recipients: int, threshold: Threshold, share: int) -> bool:
    return (
        facts * share >= threshold.facts and facts * share * 100 >= threshold.percent * recipients
    )


def thresholds(preset: Mapping[str, object]) -> dict[FactKind, Threshold]:
    """The preset's thresholds by kind of fact."""
    entries = preset.get("block_at")
    if not isinstance(entries, Mapping) or set(preset) != {"block_at"}:
        raise ConfigurationError("a preset holds one mapping, block_at")
    return {_kind(name): _threshold(name, entry) for name, entry in entries.items()}


def _kind(name: str) -> FactKind:
    try:
        return FactKind(name)
    except ValueError:
        known = ", ".join(FactKind)
        raise ConfigurationError(f"block_at: {name} is no fact; known are {known}") from None


def _threshold(name: str, entry: object) -> Threshold:
    match entry:
        case {"facts": int(facts), "percent": int() | float() as percent, **rest} if not rest:
            if facts >= 1 and 0 <= percent <= 100:
                return Threshold(facts, percent)
    raise ConfigurationError(f"block_at.{name}: give facts (1 or more) and percent (0 to 100)")


def domains_of(t: Transaction) -> list[str]:
    """The registered names a block of this transaction's sender falls on; with the empty sender,
    where nothing tells them apart, all of the tenant's."""
    if t.mail_from is None:
        return sorted({name.removeprefix("*.") for name in t.tenant.domains})
    return [_registered(t.tenant, a_label(t.mail_from.domain))]


def _registered(tenant: TenantTerms, domain: str) -> str:
    """The domain itself, or the parent under whose `*.` entry it is registered: a block on one
    name below it would be dodged with the next."""
    if domain in tenant.domains:
        return domain
    return next((name for name in suffixes(domain) if f"*.{name}" in tenant.domains), domain)

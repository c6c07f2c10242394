"""What the records must know of the configuration to move a case: presets, contacts, calendar.

Values only; `gateway.sanctions.rules` makes them. `Rules.of` gives a tenant's own, or the house's
for a tenant that has left the configuration.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from policies.sanctions.calendar import Calendar
from policies.sanctions.ladder import Preset
from suppression.keys import Keyring


@dataclass(frozen=True, slots=True)
class Contact:
    """Where notices to a tenant go, and in which language (`en`, `pl`)."""

    email: str
    language: str


@dataclass(frozen=True, slots=True)
class TenantRules:
    """What goes for one tenant now. `digest` names the preset's wording, `domains` are all its
    sender domains without `*.` (A-labels)."""

    preset: Preset
    digest: str
    domains: tuple[str, ...] = ()
    contacts: tuple[Contact, ...] = ()
    shown_name: str = ""


@dataclass(frozen=True, slots=True)
class Rules:
    """Everything in force. `link` is the pages' public address without a final slash, or empty;
    `house` what goes for a tenant that the configuration does not know."""

    keyring: Keyring
    calendar: Calendar
    zone: ZoneInfo
    tenants: Mapping[str, TenantRules]
    house: TenantRules
    link: str = ""
    feedback_sources: frozenset[str] = frozenset()
    """Domains whose signature makes a report evidence of grade A."""

    def of(self, tenant: str) -> TenantRules:
        """The tenant's own."""
        return self.tenants.get(tenant, self.house)

"""The sanction rules that a configuration comes down to.

`rules_of` gives `gateway.records.case_rules.Rules`: the preset of each tenant (its own, or the
house's), its domains and contacts, and the calendar. Raises ConfigurationError for a preset that
cannot be read.
"""

from __future__ import annotations

from functools import cache
from zoneinfo import ZoneInfo

from gateway.config.load import Loaded
from gateway.presets import read_preset
from gateway.records.case_rules import Contact, Rules, TenantRules
from policies.sanctions.calendar import Calendar
from policies.sanctions.holidays import HOLIDAYS
from policies.sanctions.ladder import Preset
from policies.sanctions.preset import digest
from suppression.keys import Keyring


def rules_of(loaded: Loaded, keyring: Keyring) -> Rules:
    """The rules of this configuration."""

    @cache
    def wording(choice: str) -> tuple[Preset, str]:
        preset = read_preset(choice)
        return preset, digest(preset)

    settings = loaded.config.sanctions
    zone = ZoneInfo(settings.zone)
    tenants = {}
    for name, tenant in loaded.tenants.items():
        preset, mark = wording(tenant.sanctions or settings.preset)
        tenants[name] = TenantRules(
            preset=preset,
            digest=mark,
            domains=tuple(sorted({domain.removeprefix("*.") for domain in tenant.domains})),
            contacts=tuple(Contact(c.email, c.language) for c in tenant.contacts),
            shown_name=tenant.shown_name,
        )
    preset, mark = wording(settings.preset)
    return Rules(
        keyring=keyring,
        calendar=Calendar(
            zone, HOLIDAYS.get(settings.holidays or "", ()), frozenset(settings.closed)
        ),
        zone=zone,
        tenants=tenants,
        house=TenantRules(preset, mark),
        link=loaded.config.web.link,
        feedback_sources=frozenset(settings.feedback_sources),
    )

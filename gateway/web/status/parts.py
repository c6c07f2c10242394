"""What the status pages work with, made anew with each configuration."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gateway.config.load import Loaded
from gateway.config.tenant import ContactSettings
from gateway.events import Emit
from gateway.notices.gather import House
from gateway.records.case_rules import Rules
from gateway.records.database import Database
from gateway.records.event_index import EventIndex
from policies.ports import Clock
from suppression.keys import Keyring
from suppression.tokens import Tokens


@dataclass(frozen=True, slots=True)
class StatusParts:
    """The rest of the gateway; `clock` gives Unix seconds, `house` sends mailed codes as it does
    notices, and `index` finds refusals."""

    database: Database
    keyring: Keyring
    loaded: Loaded
    house: House
    clock: Clock
    emit: Emit
    index: EventIndex

    @property
    def rules(self) -> Rules:
        """The sanction rules in force."""
        return self.house.rules

    @property
    def tokens(self) -> Tokens:
        """Those that links carry."""
        return self.house.tokens

    def contact(self, tenant: str) -> ContactSettings | None:
        """Where a code for this tenant goes: to whom notices go first."""
        known = self.loaded.tenants.get(tenant)
        return known.contacts[0] if known is not None and known.contacts else None


Current = Callable[[], StatusParts]
"""Gives the parts in force, asked at each request."""

"""What one configuration says of mail that comes back; values, made anew with each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.config.feedback import UnprovenSettings
from gateway.config.load import Loaded
from gateway.feedback.bounce_rules import bounce_table
from gateway.feedback.mailboxes import Mailboxes
from gateway.feedback.signatures import Texts
from gateway.notices.gather import House
from gateway.records.bounces import BounceTerms
from gateway.records.case_rules import Rules
from gateway.sender_dns.lookups import Lookups
from policies.returned.bounces import BounceTable


@dataclass(frozen=True, slots=True)
class Terms:
    """`bounces_to` is where bounces of a tenant's stream are passed on to, where it wants that."""

    house: House
    mailboxes: Mailboxes
    bounces: BounceTerms
    bounces_to: Mapping[tuple[str, str], str]
    table: BounceTable
    dns: Texts
    unproven: UnprovenSettings = field(default_factory=UnprovenSettings)

    @classmethod
    def of(cls, loaded: Loaded, house: House) -> Terms:
        """`house` is what the same configuration says of notices."""
        config = loaded.config
        return cls(
            house,
            Mailboxes.of(config, house.tokens),
            BounceTerms.of(config.feedback),
            {
                (tenant.name, stream): settings.bounces_to
                for tenant in loaded.tenants.values()
                for stream, settings in tenant.streams.items()
                if settings.bounces_to is not None
            },
            bounce_table(),
            Lookups(config.sender_dns),
            config.feedback.unproven if config.feedback else UnprovenSettings(),
        )

    @property
    def rules(self) -> Rules:
        """The rules of sanctions in force."""
        return self.house.rules

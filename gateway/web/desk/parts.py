"""What the desk works with, made anew with each configuration."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from gateway.config.load import Loaded
from gateway.config.tenant import TenantConfig
from gateway.events import Emit
from gateway.records.case_rules import Rules
from gateway.records.database import Database
from gateway.records.event_index import EventIndex
from gateway.sender_dns.check import SenderDns
from policies.ports import Clock
from suppression.keys import Keyring


@dataclass(frozen=True, slots=True)
class DeskParts:
    """The rest of the gateway; `clock` gives Unix seconds.

    `index` finds events, `make_rules` gives the sanction rules (kept, once they are made),
    `sender_dns` looks sender domains up.
    """

    database: Database
    keyring: Keyring
    loaded: Loaded
    clock: Clock
    emit: Emit
    index: EventIndex
    make_rules: Callable[[], Rules]
    sender_dns: SenderDns

    @property
    def rules(self) -> Rules:
        """The sanction rules in force."""
        return self.make_rules()

    @property
    def tenants(self) -> Mapping[str, TenantConfig]:
        """The configured tenants by name."""
        return self.loaded.tenants

    @property
    def is_https(self) -> bool:
        """Whether the public address is."""
        return self.loaded.config.web.link.startswith("https://")


Current = Callable[[], DeskParts]
"""Gives the parts in force, asked at each request."""


def _parts(request: Request) -> DeskParts:
    parts: DeskParts = request.state.parts
    return parts


Parts = Annotated[DeskParts, Depends(_parts)]

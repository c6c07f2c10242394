"""What the API works with, and who is calling it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gateway.config.api import ApiSettings
from gateway.config.load import Loaded
from gateway.config.scopes import is_scope
from gateway.config.tenant import TenantConfig
from gateway.errors import StoreUnavailable
from gateway.events import Emit, Event
from gateway.feedback.intake import Intake
from gateway.records.api_tokens import ApiToken
from gateway.records.database import Database
from policies.ports import Clock
from suppression.keys import Keyring
from suppression.precedence import Lifter


@dataclass(frozen=True, slots=True)
class ApiParts:
    """The rest of the gateway; `clock` gives Unix seconds."""

    database: Database
    keyring: Keyring
    loaded: Loaded
    clock: Clock
    emit: Emit
    intake: Intake

    @property
    def settings(self) -> ApiSettings:
        """The `api` section of the configuration."""
        return self.loaded.config.api

    @property
    def tenants(self) -> Mapping[str, TenantConfig]:
        """The configured tenants by name."""
        return self.loaded.tenants

    def tell(self, error: Exception, ref: str) -> None:
        """Note in the journal that a call failed for a reason of ours, never in whose words."""
        what = str(error) if isinstance(error, StoreUnavailable) else type(error).__name__
        self.emit(Event("api.failed", self.clock(), ref=ref, detail={"error": what}))

    def is_scope(self, scope: str) -> bool:
        """Whether `scope` is `*` or names a configured tenant or stream."""
        return is_scope(self.tenants, scope)


Current = Callable[[], ApiParts]
"""Gives the parts in force, asked at each request."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, by a token that is in force."""

    token: ApiToken

    @property
    def is_staff(self) -> bool:
        """Whether the operator's own people call."""
        return self.token.is_staff

    @property
    def tenant(self) -> str:
        """The tenant's name, "" for staff."""
        return self.token.tenant

    @property
    def actor(self) -> str:
        """Who the audit trail names."""
        return self.token.actor

    @property
    def capacity(self) -> Lifter:
        """In what capacity entries are set and lifted."""
        return Lifter.OPERATOR if self.is_staff else Lifter.TENANT

    def owns(self, scope: str) -> bool:
        """Whether a scope (`*`, `tenant`, `tenant/stream`) is the caller's to see and set."""
        return self.is_staff or scope.partition("/")[0] == self.tenant

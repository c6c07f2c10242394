"""What no single key can say: references between files, unsafe settings, keys that do not fit.

`problems` yields errors (the gateway refuses to start) and warnings (it starts, and says so).
Reads certificate and key files to judge them; changes nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from gateway.config.document import Keys
from gateway.config.model import GatewayConfig
from gateway.config.tenant import TenantConfig

GATEWAY = ""
"""`Problem.where` of the gateway file; any other value is a tenant's name."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to mend, by file and key."""

    where: str
    keys: Keys
    text: str
    is_error: bool = True


def problems(
    config: GatewayConfig, tenants: Mapping[str, TenantConfig], known: Collection[str]
) -> Iterator[Problem]:
    """Everything wrong or unsafe. `known` names every tenant file, readable or not."""
    for name, tenant in tenants.items():
        if tenant.name != name:
            yield Problem(name, ("name",), f"the file is called {name}.yaml; write {name}")
    for index, listener in enumerate(config.listeners):
        for at, trusted in enumerate(listener.trusted):
            if trusted.tenant not in known:
                keys: Keys = ("listeners", index, "trusted", at, "tenant")
                yield Problem(GATEWAY, keys, f"there is no tenant {trusted.tenant}")

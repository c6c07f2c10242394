"""Scope texts that name something configured: `*`, `tenant`, `tenant/stream`. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.config.tenant import TenantConfig


def is_scope(tenants: Mapping[str, TenantConfig], scope: str) -> bool:
    """Whether `scope` is `*` or names a tenant or one of its streams."""
    tenant, slash, stream = scope.partition("/")
    known = tenants.get(tenant)
    return scope == "*" or (known is not None and (not slash or stream in known.streams))


def all_scopes(tenants: Mapping[str, TenantConfig]) -> list[str]:
    """Every scope text but `*`, in order."""
    streams = (f"{name}/{stream}" for name, known in tenants.items() for stream in known.streams)
    return sorted([*tenants, *streams])

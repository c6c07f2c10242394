"""From settings to terms: what policies judge by, built once per configuration.

Limits are inherited stream from tenant from gateway from the built-in defaults. Pure, but for the
`number` callable, which gives a stream its durable id (and may raise StoreUnavailable).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from gateway.config.model import GatewayConfig, LimitSettings
from gateway.config.pre_check import PreCheckRule
from gateway.config.tenant import TenantConfig, Unsubscribe
from policies.terms import Announcement, Limits, Rate, StreamTerms, TenantTerms


def tenant_terms(
    config: GatewayConfig,
    tenants: Mapping[str, TenantConfig],
    number: Callable[[str, str], int],
) -> dict[str, TenantTerms]:
    """Terms by tenant name. `number(tenant, stream)` gives the stream's 24-bit id, the tenant's own
    for an empty name."""
    house = override(Limits(), config.limits)
    return {name: _terms(tenant, house, number) for name, tenant in tenants.items()}


def override(limits: Limits, settings: LimitSettings) -> Limits:
    """`limits` with everything that `settings` says."""
    said: dict[str, Any] = {
        name: value
        for name in LimitSettings.model_fields
        if (value := getattr(settings, name)) is not None
    }
    if settings.rates is not None:
        said["rates"] = tuple(Rate(r.unit, r.count, round(r.per)) for r in settings.rates)
    return replace(limits, **said)


def _stream_limits(tenant: Limits, settings: LimitSettings) -> Limits:
    """A stream with a byte limit of its own has a window of its own, which what the tenant has
    announced for all its mail does not raise."""
    limits = override(tenant, settings)
    return limits if settings.bytes_per_day is None else replace(limits, announcements=())


def _terms(tenant: TenantConfig, house: Limits, number: Callable[[str, str], int]) -> TenantTerms:
    limits = replace(
        override(house, tenant.limits),
        announcements=tuple(
            Announcement(
                announced_at=said.announced.timestamp(),
                starts_at=said.starts.timestamp(),
                ends_at=said.ends.timestamp(),
                bytes_per_day=said.bytes_per_day,
            )
            for said in tenant.announcements
        ),
    )
    streams = {
        name: StreamTerms(
            tenant=tenant.name,
            name=name,
            number=number(tenant.name, name),
            kind=stream.kind,
            limits=_stream_limits(limits, stream.limits),
            is_open=stream.open,
            is_verified=stream.verified,
            consent_level=stream.consent_level,
            needs_pre_check=stream.pre_check is PreCheckRule.REQUIRED,
            stamps_unsubscribe=stream.unsubscribe is Unsubscribe.STAMP,
            mail_from=frozenset(stream.mail_from),
            verp=stream.verp,
        )
        for name, stream in tenant.streams.items()
    }
    return TenantTerms(
        name=tenant.name,
        state=tenant.state,
        domains=frozenset(tenant.domains),
        streams=streams,
        default_stream=tenant.default_stream,
        limits=limits,
        starter_messages_per_hour=tenant.starter_messages_per_hour,
        unsubscribe_hosts=frozenset(tenant.unsubscribe_hosts),
        number=number(tenant.name, ""),
    )

"""From a loaded configuration to the snapshot that transactions run under, and to listeners.

Built as a whole or not at all: whatever cannot be used (a key, a certificate, a password file)
raises ConfigurationError and the old snapshot stays in force. Reads keys and password files;
opens no socket.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass

from gateway.config.load import Loaded
from gateway.config.model import GatewayConfig, ListenerSettings, ListenerTls
from gateway.config.signers import signers_of, signers_of_keys
from gateway.config.tenant import TenantConfig
from gateway.config.terms import tenant_terms
from gateway.config.values import Endpoint
from gateway.errors import ConfigurationError
from gateway.pipeline import Pipeline
from gateway.relay.configured import configured_hops
from gateway.relay.settings import NextHopSettings
from gateway.smtp.authentication import Identity, Login
from gateway.smtp.engine import Offer
from gateway.smtp.services import Listening, Snapshot, Trust
from gateway.stage import Alarm
from policies import registry
from policies.ports import Standings
from policies.terms import Limits

UNSUBSCRIBE_PATH = "/u"
REPLIES_PATH = "/replies"


@dataclass(frozen=True, slots=True)
class Prepared:
    """Everything that one configuration comes down to."""

    snapshot: Snapshot
    hops: tuple[NextHopSettings, ...]
    listeners: dict[str, tuple[Endpoint, Listening]]


def prepare(
    loaded: Loaded,
    parts: registry.Parts,
    standings: Standings,
    number: Callable[[str, str], int],
    alarm: Alarm,
) -> Prepared:
    """Make `loaded` ready to be put in force. Raises ConfigurationError, StoreUnavailable."""
    config = loaded.config
    link = config.web.link
    feedback_domain = (config.feedback and config.feedback.domain) or ""
    pipeline = Pipeline(
        registry.build(config.policy_modes, parts),
        standings,
        config.policy_deadline_seconds,
        alarm,
        parts.blocks.is_stale,
    )
    snapshot = Snapshot(
        hash=loaded.hash,
        hostname=config.hostname,
        link=f"{link}{REPLIES_PATH}" if link else "",
        unsubscribe_url=f"{link}{UNSUBSCRIBE_PATH}" if link else "",
        mailto_domain=config.web.mailto_domain or feedback_domain,
        feedback_domain=feedback_domain,
        tenants=tenant_terms(config, loaded.tenants, number),
        logins=_logins(loaded.tenants),
        signers=signers_of(loaded.tenants),
        feedback_signers=signers_of_keys(
            feedback_domain, config.feedback.dkim if config.feedback else ()
        ),
        pipeline=pipeline,
        errors=config.session.errors,
        refusals_per_transaction=config.session.refusals_per_transaction,
        idle_seconds=config.session.idle_seconds,
        records_addresses=config.journal.addresses,
    )
    hops = configured_hops(config)
    context = _server_context(config)
    listeners = {
        settings.name: (settings.listen, _listening(config, settings, context))
        for settings in config.listeners
    }
    return Prepared(snapshot, hops, listeners)


def _logins(tenants: dict[str, TenantConfig]) -> dict[str, Login]:
    return {
        login.name: Login(login.name, tenant.name, login.password_hash, login.stream)
        for tenant in tenants.values()
        for login in tenant.logins
    }


def _server_context(config: GatewayConfig) -> ssl.SSLContext | None:
    if config.tls is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    try:
        context.load_cert_chain(config.tls.certificate, config.tls.key)
    except (OSError, ssl.SSLError) as problem:
        raise ConfigurationError(
            f"tls: {config.tls.certificate} with {config.tls.key}: {problem}"
        ) from problem
    return context


def _listening(
    config: GatewayConfig, settings: ListenerSettings, context: ssl.SSLContext | None
) -> Listening:
    has_tls = settings.tls is not ListenerTls.NONE
    offer = Offer(
        hostname=config.hostname,
        max_size=config.limits.message_bytes or Limits().message_bytes,
        tls=settings.tls is ListenerTls.STARTTLS,
        needs_tls=settings.require_tls,
        auth=settings.auth,
        needs_auth=True,
    )
    trusted = tuple(
        Trust(clients.networks, Identity(clients.tenant, usual=clients.stream))
        for clients in settings.trusted
    )
    return Listening(
        name=settings.name,
        offer=offer,
        is_implicit=settings.tls is ListenerTls.IMPLICIT,
        context=context if has_tls else None,
        trusted=trusted,
        proxies=settings.proxy_from,
    )

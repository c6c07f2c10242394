"""What no single key can say: references between keys and files, and settings that are unsafe.

`problems` yields errors (the gateway refuses to start) and warnings (it starts, and says so).
What lies in key and certificate files is judged in `keyfiles`; nothing is changed.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping

from gateway.config import feedback, keyfiles, notices, sanctions, scale, webhook
from gateway.config.document import Keys
from gateway.config.model import (
    GatewayConfig,
    HopTls,
    LimitSettings,
    ListenerSettings,
    ListenerTls,
)
from gateway.config.problem import GATEWAY, Problem, warning
from gateway.config.signers import covering
from gateway.config.tenant import DomainSettings, TenantConfig, Unsubscribe
from gateway.config.values import is_loopback
from gateway.errors import ConfigurationError
from gateway.message.dkim_keys import check_name
from gateway.words import Mode, StreamKind
from policies.registry import REGISTRY
from policies.terms import Limits

FLOORS = {"recipients_per_message": (100, "4.5.3.1.8"), "message_bytes": (65_536, "4.5.3.1.7")}
"""What every server must take, and the section of RFC 5321 that says so."""

RESERVED = ("example", "invalid", "test", "localhost", "example.com", "example.net", "example.org")
"""Names that no server can have (RFC 2606, RFC 6761)."""


def problems(
    config: GatewayConfig, tenants: Mapping[str, TenantConfig], known: Collection[str]
) -> Iterator[Problem]:
    """Everything wrong or unsafe. `known` names every tenant file, those with errors too."""
    for index, listener in enumerate(config.listeners):
        yield from _listener(config, index, listener)
        yield from _trusted(index, listener, tenants, known)
    yield from _endpoints(config)
    yield from _desk(config)
    yield from _hops(config)
    yield from _policies(config)
    yield from _house(config)
    yield from notices.problems(config)
    yield from feedback.problems(config, tenants)
    yield from scale.problems(config)
    yield from sanctions.problems(config, tenants)
    yield from _tenants_folder(config, has_tenants=any(known))
    trusted = {entry.tenant for listener in config.listeners for entry in listener.trusted}
    for name, tenant in tenants.items():
        yield from _tenant(name, tenant, has_clients=name in trusted)
        yield from _streams(name, tenant, config)
        yield from _sizes(name, tenant, config)
        if tenant.webhook is not None:
            yield from webhook.problems(name, tenant.webhook)
    yield from _proxies(config, tenants)
    yield from _claims(tenants)
    yield from _demo(config, tenants)
    yield from keyfiles.problems(config, tenants)


def _listener(config: GatewayConfig, index: int, listener: ListenerSettings) -> Iterator[Problem]:
    at = ("listeners", index)
    if listener.tls is not ListenerTls.NONE and config.tls is None:
        yield Problem(
            GATEWAY, (*at, "tls"), "needs a certificate; set `tls.certificate` and `tls.key`"
        )
    if listener.tls is ListenerTls.NONE and listener.require_tls:
        yield Problem(GATEWAY, (*at, "require_tls"), "cannot be met with `tls: none`; remove one")
    if not listener.auth and not listener.trusted:
        yield Problem(GATEWAY, at, "nobody could send here; set `auth: true` or list `trusted`")
    if listener.tls is ListenerTls.NONE and listener.auth and not listener.listen.is_loopback:
        yield warning(
            GATEWAY,
            (*at, "auth"),
            "passwords cross the network in the clear; use starttls or implicit TLS",
        )
    if any(network.prefixlen == 0 for network in listener.proxy_from):
        yield warning(
            GATEWAY,
            (*at, "proxy_from"),
            "anyone may claim to be any client; list the balancers' addresses only",
        )


def _trusted(
    index: int,
    listener: ListenerSettings,
    tenants: Mapping[str, TenantConfig],
    known: Collection[str],
) -> Iterator[Problem]:
    for number, entry in enumerate(listener.trusted):
        at = ("listeners", index, "trusted", number)
        if entry.tenant not in known:
            yield Problem(GATEWAY, (*at, "tenant"), f"there is no tenant {entry.tenant}")
        tenant = tenants.get(entry.tenant)
        if tenant and entry.stream and entry.stream not in tenant.streams:
            yield Problem(
                GATEWAY,
                (*at, "stream"),
                f"{entry.tenant} has no stream {entry.stream}; it has {', '.join(tenant.streams)}",
            )
        if any(network.prefixlen == 0 for network in entry.networks):
            yield Problem(
                GATEWAY,
                (*at, "networks"),
                f"everyone could send as {entry.tenant}; list its own addresses",
            )


def _desk(config: GatewayConfig) -> Iterator[Problem]:
    oidc = config.desk.oidc
    if oidc is None:
        return
    if not config.web.link:
        yield Problem(
            GATEWAY, ("desk", "oidc"), "the provider must lead back somewhere; set `web.base_url`"
        )
    if oidc.role_claim and not oidc.roles:
        yield Problem(
            GATEWAY, ("desk", "oidc", "role_claim"), "lets nobody in; say in `roles` who is what"
        )
    if oidc.roles and not oidc.role_claim:
        yield Problem(GATEWAY, ("desk", "oidc", "roles"), "says nothing without `role_claim`")


def _endpoints(config: GatewayConfig) -> Iterator[Problem]:
    taken = {config.web.listen: "the web listener"}
    for index, listener in enumerate(config.listeners):
        if listener.listen.port and listener.listen in taken:
            yield Problem(
                GATEWAY,
                ("listeners", index, "listen"),
                f"{listener.listen} is taken by {taken[listener.listen]}; choose another port",
            )
        taken[listener.listen] = f"listener {listener.name}"


def _hops(config: GatewayConfig) -> Iterator[Problem]:
    for index, hop in enumerate(config.next_hops):
        if is_loopback(hop.host) or hop.tls is HopTls.VERIFY:
            continue
        at = ("next_hops", index)
        if hop.auth:
            yield Problem(
                GATEWAY, (*at, "auth"), "the password could be read on the way; set `tls: verify`"
            )
        if hop.tls is HopTls.NONE:
            yield warning(GATEWAY, (*at, "tls"), "mail crosses the network unencrypted; use verify")


def _policies(config: GatewayConfig) -> Iterator[Problem]:
    listed = dict(config.policy_modes)
    missing = [name for name in REGISTRY if name not in listed]
    if missing:
        yield warning(
            GATEWAY,
            ("policies",),
            f"without {', '.join(missing)} mail passes that should not; list them as enforce",
        )
    for index, (name, mode) in enumerate(config.policy_modes):
        if mode is Mode.OBSERVE:
            yield warning(
                GATEWAY,
                ("policies", index, name),
                "only reports what it would refuse; set it to enforce when the reports look right",
            )


def _tenants_folder(config: GatewayConfig, has_tenants: bool) -> Iterator[Problem]:
    """A folder that is not there or cannot be listed says nothing about who the customers are."""
    at = ("tenants_dir",)
    try:
        os.listdir(config.tenants_dir)
    except OSError as error:
        text = f"{config.tenants_dir} cannot be read ({error.strerror})"
        yield Problem(GATEWAY, at, f"{text}; make the folder, or mend the path or its rights")
    else:
        if not has_tenants:
            yield warning(GATEWAY, at, "has no tenant; run `consentry tenant add`")


def _house(config: GatewayConfig) -> Iterator[Problem]:
    is_public = any(not listener.listen.is_loopback for listener in config.listeners)
    if is_public and _is_reserved(config.hostname):
        yield warning(GATEWAY, ("hostname",), "is no name a server can have; write its DNS name")
    if config.keyring.is_relative_to(config.state_dir):
        yield warning(
            GATEWAY, ("keyring",), "lies in the state folder and its backup; keep it elsewhere"
        )
    if config.opt_out_log.is_relative_to(config.state_dir):
        yield warning(
            GATEWAY, ("opt_out_log",), "lies in the state folder and is lost with it; move it away"
        )
    if config.journal.addresses:
        yield warning(
            GATEWAY, ("journal", "addresses"), "personal data in the journal; turn off when done"
        )
    yield from _floors(GATEWAY, ("limits",), config.limits)


def _is_reserved(name: str) -> bool:
    return any(name == reserved or name.endswith(f".{reserved}") for reserved in RESERVED)


def _tenant(name: str, tenant: TenantConfig, has_clients: bool) -> Iterator[Problem]:
    if tenant.name != name:
        yield Problem(name, ("name",), f"the file is called {name}.yaml; write {name}")
    if not tenant.logins and not has_clients:
        yield warning(name, ("logins",), f"nobody can send; run `consentry tenant passwd {name}`")
    has_list = any(stream.kind is StreamKind.LIST for stream in tenant.streams.values())
    for domain, settings in tenant.domains.items():
        yield from _names(name, domain, settings)
        at = ("domains", domain, "dkim")
        if settings.keys:
            continue
        if has_list:
            yield Problem(
                name, at, "list streams need signed mail; make a key with `consentry dkim new`"
            )
        else:
            yield warning(name, at, "mail goes out unsigned, and many servers refuse it")


def _names(name: str, domain: str, settings: DomainSettings) -> Iterator[Problem]:
    """Names that a configuration may hold but a DKIM signature may not."""
    at = ("domains", domain)
    names: list[tuple[Keys, str, str]] = [(at, domain.removeprefix("*."), "domain")]
    for index, key in enumerate(settings.keys):
        names.append(((*at, "dkim", index, "selector"), key.selector, "selector"))
    for keys, text, what in names:
        try:
            check_name(text, what)
        except ConfigurationError as error:
            yield Problem(name, keys, str(error))


def _streams(name: str, tenant: TenantConfig, config: GatewayConfig) -> Iterator[Problem]:
    chosen: dict[str, str] = {}
    for stream, settings in tenant.streams.items():
        at = ("streams", stream)
        if settings.kind is StreamKind.INQUIRY and settings.open:
            yield warning(
                name,
                (*at, "open"),
                "inquiries go to people who did not agree; Polish law (PKE art. 398, since 10 "
                "November 2024) asks for prior consent, also of companies",
            )
        if settings.unsubscribe is Unsubscribe.STAMP:
            yield from _link(name, (*at, "unsubscribe"), config)
        elif settings.kind is StreamKind.LIST and not tenant.unsubscribe_hosts:
            text = (
                "no message can pass unsubscribe-required; list the hosts of the tenant's links "
                "in `unsubscribe_hosts`, or write stamp"
            )
            yield warning(name, (*at, "unsubscribe"), text)
        if settings.opt_in is not None:
            yield from _opt_in(name, (*at, "opt_in"), settings.opt_in.sender, tenant, config)
        for index, address in enumerate(settings.mail_from):
            here = (*at, "mail_from", index)
            if not tenant.owns(address.rpartition("@")[2]):
                yield Problem(name, here, f"{address} is in none of the tenant's domains; add it")
            if address in chosen:
                yield Problem(name, here, f"{address} already chooses stream {chosen[address]}")
            chosen[address] = stream
    for index, login in enumerate(tenant.logins):
        if login.stream and login.stream not in tenant.streams:
            yield Problem(
                name,
                ("logins", index, "stream"),
                f"there is no stream {login.stream}; there is {', '.join(tenant.streams)}",
            )


def _opt_in(
    name: str, at: tuple[str, ...], sender: str, tenant: TenantConfig, config: GatewayConfig
) -> Iterator[Problem]:
    """A confirmation mail is signed as the tenant's own, and leads to our page."""
    yield from _link(name, at, config)
    keys = (*at, "sender")
    domain = sender.rpartition("@")[2]
    owned = covering(tenant.domains, domain)
    if owned is None:
        yield Problem(name, keys, f"{sender} is in none of the tenant's domains; add it")
    elif not owned.keys:
        yield Problem(name, keys, f"{domain} has no DKIM key; make one with `consentry dkim new`")


def _proxies(config: GatewayConfig, tenants: Mapping[str, TenantConfig]) -> Iterator[Problem]:
    """We speak no TLS on the web, so an https address is a proxy's, and it must be told of."""
    url = config.web.base_url
    asks = any(stream.opt_in for tenant in tenants.values() for stream in tenant.streams.values())
    if asks and url is not None and url.scheme == "https" and not config.web.proxy_from:
        yield warning(
            GATEWAY,
            ("web", "proxy_from"),
            "proofs of consent would name the TLS proxy instead of the visitor; list its address",
        )


def _link(name: str, keys: tuple[str, ...], config: GatewayConfig) -> Iterator[Problem]:
    url = config.web.base_url
    if url is None:
        yield Problem(name, keys, "needs an address for the links; set `web.base_url`")
    elif url.scheme != "https" and not is_loopback(url.host or ""):
        yield Problem(
            name, keys, f"RFC 8058 section 3.1 asks for https links, and `web.base_url` is {url}"
        )


def _sizes(name: str, tenant: TenantConfig, config: GatewayConfig) -> Iterator[Problem]:
    """EHLO comes before the login, so it announces one size for all tenants."""
    announced = config.limits.message_bytes or Limits().message_bytes
    places: list[tuple[Keys, LimitSettings]] = [(("limits",), tenant.limits)]
    places += [(("streams", s, "limits"), said.limits) for s, said in tenant.streams.items()]
    for keys, limits in places:
        yield from _floors(name, keys, limits)
        if limits.message_bytes and limits.message_bytes > announced:
            text = f"EHLO announces {announced} octets; raise the gateway's `limits.message_bytes`"
            yield warning(name, (*keys, "message_bytes"), text)


def _floors(where: str, keys: Keys, limits: LimitSettings) -> Iterator[Problem]:
    for limit, (least, section) in FLOORS.items():
        said = getattr(limits, limit)
        if said is not None and said < least:
            text = (
                f"RFC 5321 section {section} asks for at least {least}; some software fails below"
            )
            yield warning(where, (*keys, limit), text)


def _claims(tenants: Mapping[str, TenantConfig]) -> Iterator[Problem]:
    """Logins and sender domains that two tenants claim."""
    logins: dict[str, str] = {}
    domains: dict[str, str] = {}
    for name, tenant in tenants.items():
        for index, login in enumerate(tenant.logins):
            owner = logins.setdefault(login.name, name)
            if owner != name or any(e.name == login.name for e in tenant.logins[:index]):
                text = f"tenant {owner} has the login {login.name} already; choose another"
                yield Problem(name, ("logins", index, "name"), text)
        domains |= {domain: name for domain in tenant.domains if domain not in domains}
    for name, tenant in tenants.items():
        for domain in tenant.domains:
            claims = [claim for claim in _covering(domain) if domains.get(claim, name) != name]
            if claims:
                owner = domains[claims[0]]
                text = f"{claims[0]} belongs to tenant {owner}; one domain belongs to one tenant"
                yield Problem(name, ("domains", domain), text)


def _covering(domain: str) -> Iterator[str]:
    """`domain` itself, the name it signs with, and every `*.parent` entry that covers it."""
    yield domain
    parent = domain.removeprefix("*.")
    if parent != domain:
        yield parent
    while "." in parent:
        parent = parent.partition(".")[2]
        yield f"*.{parent}"


def _demo(config: GatewayConfig, tenants: Mapping[str, TenantConfig]) -> Iterator[Problem]:
    """Published secrets must not be reachable from another machine."""
    marked = [GATEWAY] if config.demo else []
    marked += [name for name, tenant in tenants.items() if tenant.demo]
    listening = [*(listener.listen for listener in config.listeners), config.web.listen]
    listening += [config.feedback.listen] if config.feedback else []
    public = next((endpoint for endpoint in listening if not endpoint.is_loopback), None)
    if public is not None:
        for where in marked:
            text = (
                f"demo secrets are published and {public} is reachable from outside; make real "
                "ones with `consentry init`, or listen on 127.0.0.1 only"
            )
            yield Problem(where, ("demo",), text)

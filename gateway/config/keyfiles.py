"""Judges the files that settings point to: certificates, keys, passwords, their access rights.

`problems` yields an error for what would fail at start-up or on the first message (a missing
file, a key that does not fit its certificate, a weak DKIM key) and a warning for what is unsafe
(readable by everyone, expired, self-signed on a public address). Never prints what is inside.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509

from gateway.config.document import Keys
from gateway.config.model import GatewayConfig
from gateway.config.problem import GATEWAY, Problem, warning
from gateway.config.tenant import TenantConfig
from gateway.errors import ConfigurationError
from gateway.message.dkim_keys import load_key
from suppression.keys import Keyring

EXPIRES_SOON = timedelta(days=14)


def problems(config: GatewayConfig, tenants: Mapping[str, TenantConfig]) -> Iterator[Problem]:
    """Everything wrong with the files that the configuration names."""
    try:
        Keyring.load(config.keyring)
    except ConfigurationError as error:
        remedy = "restore it from its backup; `consentry init` makes one for a new gateway only"
        yield Problem(GATEWAY, ("keyring",), f"{error}; {remedy}")
    if config.tls:
        yield from _certificate(config)
    for index, hop in enumerate(config.next_hops):
        if hop.auth:
            keys = ("next_hops", index, "auth", "password_file")
            yield from _password(keys, hop.auth.password_file)
        if hop.ca_file:
            yield from _authorities(("next_hops", index, "ca_file"), hop.ca_file)
    oidc = config.desk.oidc
    if oidc is not None and oidc.client_secret_file is not None:
        yield from _password(("desk", "oidc", "client_secret_file"), oidc.client_secret_file)
    for name, tenant in tenants.items():
        yield from _readable(name, (), config.tenants_dir / f"{name}.yaml")
        for domain, settings in tenant.domains.items():
            for index, key in enumerate(settings.keys):
                at = ("domains", domain, "dkim", index, "key_file")
                yield from _dkim(name, at, key.key_file)


def _secret(where: str, keys: Keys, path: Path, remedy: str) -> Iterator[Problem]:
    if not path.is_file():
        yield Problem(where, keys, f"{path} is missing; {remedy}")
    else:
        yield from _readable(where, keys, path)


def _readable(where: str, keys: Keys, path: Path) -> Iterator[Problem]:
    if path.is_file() and path.stat().st_mode & 0o007:
        yield warning(where, keys, f"everyone on this machine can read it; run `chmod 600 {path}`")


def octets(path: Path) -> bytes:
    """What a file holds. Raises ConfigurationError."""
    try:
        return path.read_bytes()
    except OSError as problem:
        raise ConfigurationError(f"{path}: {problem.strerror}") from problem


def first_line(content: bytes) -> str:
    """The password in a password file's content; empty when there is none."""
    lines = content.decode("utf-8", "replace").splitlines()
    return lines[0].strip() if lines else ""


def _password(keys: Keys, path: Path) -> Iterator[Problem]:
    yield from _secret(GATEWAY, keys, path, "write the password into it")
    if path.is_file():
        try:
            if not first_line(path.read_bytes()):
                text = f"{path} has no password in its first line; write it there"
                yield Problem(GATEWAY, keys, text)
        except OSError as error:
            yield Problem(GATEWAY, keys, f"{path}: {error.strerror}; mend its rights")


def _authorities(keys: Keys, path: Path) -> Iterator[Problem]:
    if not path.is_file():
        yield Problem(GATEWAY, keys, f"{path} is missing; put the PEM file there")
        return
    try:
        ssl.create_default_context(cafile=path)
    except OSError as error:
        text = f"{path} cannot be used ({error}); put the authorities' certificates there, in PEM"
        yield Problem(GATEWAY, keys, text)


def _dkim(where: str, keys: Keys, path: Path) -> Iterator[Problem]:
    yield from _secret(where, keys, path, "make one with `consentry dkim new`")
    if path.is_file():
        try:
            load_key(path.read_bytes())
        except (ConfigurationError, OSError) as error:
            yield Problem(where, keys, f"{path}: {error}")


def _certificate(config: GatewayConfig) -> Iterator[Problem]:
    assert config.tls is not None  # noqa: S101 - the caller has looked
    for key, path in (("certificate", config.tls.certificate), ("key", config.tls.key)):
        if not path.is_file():
            yield Problem(GATEWAY, ("tls", key), f"{path} is missing; put the PEM file there")
            return
    yield from _readable(GATEWAY, ("tls", "key"), config.tls.key)
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(
            config.tls.certificate, config.tls.key
        )
        certificate = x509.load_pem_x509_certificate(config.tls.certificate.read_bytes())
    except (OSError, ValueError) as error:
        text = f"certificate and key cannot be used together: {error}"
        yield Problem(GATEWAY, ("tls", "certificate"), text)
        return
    yield from _validity(config, certificate)


def _validity(config: GatewayConfig, certificate: x509.Certificate) -> Iterator[Problem]:
    at = ("tls", "certificate")
    ends = certificate.not_valid_after_utc
    if ends < datetime.now(UTC):
        yield warning(GATEWAY, at, f"has expired on {ends:%Y-%m-%d}; renew it")
    elif ends < datetime.now(UTC) + EXPIRES_SOON:
        yield warning(GATEWAY, at, f"expires on {ends:%Y-%m-%d}; renew it")
    is_public = any(not listener.listen.is_loopback for listener in config.listeners)
    if is_public and certificate.issuer == certificate.subject:
        yield warning(GATEWAY, at, "is self-signed, which mailing software refuses; get a real one")

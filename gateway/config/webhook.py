"""What a tenant's file may say under `webhook`: where the tenant is told what happened.

`problems` judges it with its files. `read_secrets` gives the secrets in a secret file, in the
notation of Standard Webhooks (`whsec_` and base64); it raises ValueError saying what to write.
"""

from __future__ import annotations

import ssl
from base64 import b64decode
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

from pydantic import AnyHttpUrl, Field

from gateway.config.problem import Problem, warning
from gateway.config.values import Location, Network, Settings
from gateway.words import WebhookKind

PREFIX = "whsec_"
MIN_OCTETS, MAX_OCTETS = 24, 64
"""What Standard Webhooks asks of a secret."""


class WebhookSettings(Settings):
    """Where the tenant is told of unsubscribes, suppressions and confirmed consents; see
    [webhooks.md](webhooks.md)."""

    url: AnyHttpUrl = Field(description="https address that gets a POST for each of them.")
    secret_file: Location = Field(
        description="File (0600) with the secret the calls are signed with, as `consentry webhook "
        "secret` makes it. With several lines every call is signed with each, for a change of "
        "secrets."
    )
    events: tuple[WebhookKind, ...] = Field(
        default=tuple(WebhookKind), min_length=1, description="What is told. Default: all."
    )
    allow_private_targets: tuple[Network, ...] = Field(
        default=(),
        description="Networks that are not public but may be called all the same, also without "
        "TLS: for receivers on the operator's own premises, and for tests.",
    )
    ca_file: Location | None = Field(
        default=None, description="PEM file: authorities to trust instead of the public ones."
    )


def problems(name: str, webhook: WebhookSettings) -> Iterator[Problem]:
    """Everything wrong or unsafe about the webhook of tenant `name`."""
    at = ("webhook", "url")
    if webhook.url.scheme != "https" and not webhook.allow_private_targets:
        yield Problem(name, at, "addresses would cross the network in the clear; write https")
    if webhook.url.username or webhook.url.password:
        yield Problem(name, at, "holds a password; the signature tells that a call is ours")
    if webhook.url.fragment:
        yield Problem(name, at, "a part behind # is never sent; remove it")
    for index, network in enumerate(webhook.allow_private_targets):
        if network.prefixlen == 0:
            here = ("webhook", "allow_private_targets", index)
            yield Problem(name, here, "allows every address there is; list the receiver's own")
    yield from _literal(name, webhook)
    yield from _secret(name, webhook.secret_file)
    if webhook.ca_file is not None:
        try:
            ssl.create_default_context(cafile=webhook.ca_file)
        except OSError as error:
            text = f"{webhook.ca_file} cannot be used ({error}); put the authorities there, in PEM"
            yield Problem(name, ("webhook", "ca_file"), text)


def read_secrets(path: Path) -> tuple[bytes, ...]:
    """The secrets in a file, one a line. Raises ValueError, or OSError when it cannot be read."""
    lines = path.read_text(encoding="ascii", errors="replace").split()
    if not lines:
        raise ValueError("has no secret; make one with `consentry webhook secret`")
    return tuple(_read_secret(line) for line in lines)


def _read_secret(text: str) -> bytes:
    remedy = f"write {PREFIX} and {MIN_OCTETS} to {MAX_OCTETS} octets in base64, or make one with "
    remedy += "`consentry webhook secret`"
    if not text.startswith(PREFIX):
        raise ValueError(f"has a line that is no secret; {remedy}")
    try:
        secret = b64decode(text.removeprefix(PREFIX), validate=True)
    except ValueError:
        raise ValueError(f"has a secret that is no base64; {remedy}") from None
    if not MIN_OCTETS <= len(secret) <= MAX_OCTETS:
        raise ValueError(f"has a secret of {len(secret)} octets; {remedy}")
    return secret


def _literal(name: str, webhook: WebhookSettings) -> Iterator[Problem]:
    """An address in the URL that calls will refuse; a name is resolved at each call."""
    try:
        address = ip_address((webhook.url.host or "").strip("[]"))
    except ValueError:
        return
    if not address.is_global and not any(address in n for n in webhook.allow_private_targets):
        text = f"{address} is not public and would be refused; list it in `allow_private_targets`"
        yield Problem(name, ("webhook", "url"), text)


def _secret(name: str, path: Path) -> Iterator[Problem]:
    at = ("webhook", "secret_file")
    try:
        read_secrets(path)
        if path.stat().st_mode & 0o077:
            text = f"others on this machine can read it; run `chmod 600 {path}`"
            yield warning(name, at, text)
    except FileNotFoundError:
        yield Problem(name, at, f"{path} is missing; make it with `consentry webhook secret`")
    except OSError as error:
        yield Problem(name, at, f"{path}: {error.strerror}; mend its rights")
    except ValueError as error:
        yield Problem(name, at, f"{path} {error}")

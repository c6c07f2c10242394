"""One call: a signed POST to an address that was judged before, and its answer's status.

The connection goes to the judged address with the name's Host and server name, follows no
redirect, uses no proxy, waits 15 s in all, and reads no more than 16 KiB of the answer. Raises
CallFailed; its text is ours and holds nothing that the receiver said.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import httpx

from gateway.config.tenant import TenantConfig
from gateway.config.webhook import WebhookSettings, read_secrets
from gateway.errors import ConfigurationError
from gateway.webhooks.signing import signature
from gateway.webhooks.targets import IpNetwork, TargetRefused, Targets
from gateway.words import WebhookKind

CALL_SECONDS = 15.0
MAX_ANSWER = 16_384
USER_AGENT = "Consentry-Webhooks/1"


class CallFailed(Exception):
    """The receiver could not be called or did not answer."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A tenant's webhook, ready to be called."""

    tenant: str
    url: httpx.URL
    secrets: tuple[bytes, ...]
    kinds: frozenset[WebhookKind]
    allowed: Sequence[IpNetwork]
    context: ssl.SSLContext


def endpoints(tenants: dict[str, TenantConfig]) -> dict[str, Endpoint]:
    """The webhook of every tenant that has one. Raises ConfigurationError."""
    return {
        name: _endpoint(name, tenant.webhook)
        for name, tenant in tenants.items()
        if tenant.webhook is not None
    }


def _endpoint(name: str, webhook: WebhookSettings) -> Endpoint:
    try:
        secrets = read_secrets(webhook.secret_file)
        ca_file = webhook.ca_file
        context = _public() if ca_file is None else ssl.create_default_context(cafile=ca_file)
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{name}: webhook: {error}") from error
    url = httpx.URL(str(webhook.url))
    return Endpoint(
        name, url, secrets, frozenset(webhook.events), webhook.allow_private_targets, context
    )


_public = cache(httpx.create_ssl_context)
"""One for all, because it is costly: it reads every public authority."""


def client(endpoint: Endpoint) -> httpx.AsyncClient:
    """A client for some calls in a row, to be closed after them."""
    return httpx.AsyncClient(
        verify=endpoint.context, trust_env=False, follow_redirects=False, timeout=CALL_SECONDS
    )


async def call(
    connection: httpx.AsyncClient,
    targets: Targets,
    endpoint: Endpoint,
    id: str,
    timestamp: int,
    body: bytes,
) -> int:
    """POST `body` (JSON) and give the status of the answer. `id` is the same at every attempt."""
    url = endpoint.url
    host = url.raw_host.decode("ascii")
    headers = {
        "Host": url.netloc.decode("ascii"),
        "Content-Type": "application/json",
        "User-Agent": USER_AGENT,
        "Accept-Encoding": "identity",
        "webhook-id": id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signature(endpoint.secrets, id, timestamp, body),
    }
    try:
        async with asyncio.timeout(CALL_SECONDS):
            port = url.port or (443 if url.scheme == "https" else 80)
            found = await targets.find(host, port, endpoint.allowed, url.scheme != "https")
            for number, address in enumerate(found, 1):
                request = connection.build_request(
                    "POST",
                    url.copy_with(host=address),
                    content=body,
                    headers=headers,
                    extensions={"sni_hostname": host},
                )
                try:
                    return await _send(connection, request)
                except httpx.ConnectError:
                    if number == len(found):
                        raise
    except TargetRefused as error:
        raise CallFailed(str(error)) from error
    except TimeoutError as error:
        raise CallFailed(f"no answer within {CALL_SECONDS:g} s") from error
    except (httpx.HTTPError, ssl.SSLError, OSError) as error:
        raise CallFailed(f"the call failed: {type(error).__name__}") from error
    raise CallFailed("the name has no address")


async def _send(connection: httpx.AsyncClient, request: httpx.Request) -> int:
    """The answer's status. Of its body so much is taken that the connection can be used again."""
    response = await connection.send(request, stream=True)
    try:
        size = 0
        async for chunk in response.aiter_raw():
            size += len(chunk)
            if size > MAX_ANSWER:
                break
    finally:
        await response.aclose()
    return response.status_code

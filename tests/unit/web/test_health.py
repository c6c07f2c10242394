from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from gateway.web.app import web_app

if TYPE_CHECKING:
    from conftest import Gateway


async def test_readiness_names_what_is_wrong(client: httpx.AsyncClient, gateway: Gateway) -> None:
    """200 while mail can be taken, 503 with every problem while not; alive all the time."""
    assert (await client.get("/readyz")).json() == {"ready": True}
    gateway.wrong = ["every next hop is down"]
    response = await client.get("/readyz")
    assert response.status_code == 503
    assert response.json() == {"ready": False, "problems": ["every next hop is down"]}
    assert (await client.get("/healthz")).status_code == 200


@pytest.mark.parametrize(
    ("address", "headers", "is_inside"),
    [
        ("127.0.0.1", {}, True),
        ("::1", {}, True),
        ("10.2.3.4", {}, True),
        ("::ffff:192.168.1.1", {}, True),
        ("8.8.8.8", {}, False),
        ("::ffff:8.8.8.8", {}, False),
        ("2001:4860::1", {}, False),
        ("127.0.0.1", {"X-Forwarded-For": "8.8.8.8"}, False),
        ("10.2.3.4", {"Forwarded": "for=8.8.8.8"}, False),
    ],
)
async def test_strangers_learn_no_details(
    gateway: Gateway, address: str, headers: dict[str, str], is_inside: bool
) -> None:
    """Metrics and the reasons stay on this side of the proxy; the bare status does not."""
    gateway.wrong = ["every next hop is down"]
    transport = httpx.ASGITransport(web_app(lambda: gateway.parts), client=(address, 5))
    async with httpx.AsyncClient(transport=transport, base_url="http://mail.test") as client:
        metrics = await client.get("/metrics", headers=headers)
        ready = await client.get("/readyz", headers=headers)
        alive = await client.get("/healthz", headers=headers)
    assert metrics.status_code == (200 if is_inside else 404)
    assert ready.status_code == 503
    assert ("problems" in ready.json()) == is_inside
    stores = {"stores": {"database": True, "state": False}} if is_inside else {}
    assert alive.json() == {"alive": True, **stores}

"""Health and metrics, for probes and Prometheus on this side of the proxy.

`/healthz` says that the web process lives, and which stores a worker reaches. `/readyz` asks
whether this node can take mail: 200 while a worker can, or 503; it names what is wrong in any case.
`/metrics` has the metrics of all processes of the node. Stores, what is wrong and the metrics are
told only to callers on loopback or private networks whose request did not come through a proxy;
others see the bare status of health and no metrics.
"""

from __future__ import annotations

from http import HTTPStatus
from ipaddress import ip_address

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4
from starlette.exceptions import HTTPException

from gateway.web.parts import Current

READY_SECONDS, ALIVE_SECONDS = 3.0, 0.5
"""How long the other processes may take to say how they are; a probe of life is impatient."""
_FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip", "via")


def router(current: Current) -> APIRouter:
    """The routes of health and metrics."""
    routes = APIRouter()

    @routes.api_route("/healthz", methods=["GET", "HEAD"])
    async def healthz(request: Request) -> Response:
        answer: dict[str, object] = {"alive": True}
        if is_inside(request):
            answer["stores"] = dict((await current().health(ALIVE_SECONDS)).stores)
        return JSONResponse(answer)

    @routes.api_route("/readyz", methods=["GET", "HEAD"])
    async def readyz(request: Request) -> Response:
        health = await current().health(READY_SECONDS)
        status = HTTPStatus.OK if health.is_ready else HTTPStatus.SERVICE_UNAVAILABLE
        answer: dict[str, object] = {"ready": health.is_ready}
        if health.problems and is_inside(request):
            answer["problems"] = health.problems
        return JSONResponse(answer, status)

    @routes.api_route("/metrics", methods=["GET", "HEAD"])
    async def metrics(request: Request) -> Response:
        if not is_inside(request):
            raise HTTPException(HTTPStatus.NOT_FOUND)
        text = await current().metrics()
        return PlainTextResponse(text, media_type=CONTENT_TYPE_PLAIN_0_0_4)

    return routes


def is_inside(request: Request) -> bool:
    """Whether the caller is on loopback or a private network and came without a proxy."""
    if request.client is None or any(name in request.headers for name in _FORWARDED):
        return False
    try:
        address = ip_address(request.client.host)
    except ValueError:
        return False
    address = getattr(address, "ipv4_mapped", None) or address
    return address.is_private

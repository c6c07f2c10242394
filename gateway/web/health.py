"""Health and metrics, for probes and Prometheus on this side of the proxy.

`/healthz` says that the web process lives. `/readyz` asks whether the gateway as a whole can take
mail: 200, or 503 naming what is wrong. `/metrics` has the metrics of both processes. What is wrong
and the metrics are told only to callers on loopback or private networks whose request did not come
through a proxy; others see the bare status of health and no metrics.
"""

from __future__ import annotations

from http import HTTPStatus
from ipaddress import ip_address

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4
from starlette.exceptions import HTTPException

from gateway.web.parts import Current

CHECKS = {
    "listening": "the SMTP process does not listen",
    "database": "the database does not answer",
    "next_hop": "every next hop is down",
    "journal": "the journal cannot be written",
}
"""What the control verb `health` answers for, and what False means."""
_FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip", "via")


def router(current: Current) -> APIRouter:
    """The routes of health and metrics."""
    routes = APIRouter()

    @routes.api_route("/healthz", methods=["GET", "HEAD"])
    async def healthz() -> Response:
        return JSONResponse({"alive": True})

    @routes.api_route("/readyz", methods=["GET", "HEAD"])
    async def readyz(request: Request) -> Response:
        problems = await current().problems()
        status = HTTPStatus.SERVICE_UNAVAILABLE if problems else HTTPStatus.OK
        answer: dict[str, object] = {"ready": not problems}
        if problems and is_inside(request):
            answer["problems"] = problems
        return JSONResponse(answer, status)

    @routes.api_route("/metrics", methods=["GET", "HEAD"])
    async def metrics(request: Request) -> Response:
        if not is_inside(request):
            raise HTTPException(HTTPStatus.NOT_FOUND)
        text = await current().metrics()
        return PlainTextResponse(text, media_type=CONTENT_TYPE_PLAIN_0_0_4)

    return routes


def problems_of(health: object) -> list[str]:
    """What is wrong, by the SMTP process's answer to `health`; a check left out counts as wrong."""
    checks = health if isinstance(health, dict) else {}
    return [problem for check, problem in CHECKS.items() if checks.get(check) is not True]


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

"""The API as one ASGI application, to be mounted at `/v1` of the web application.

`api_app` takes a function that gives the `ApiParts` in force. Everything goes through `gate`;
routers are listed here, one for each resource.
"""

from __future__ import annotations

from functools import cache, partial

from fastapi import APIRouter, FastAPI, Response
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from starlette.types import ASGIApp

from gateway.web.api import (
    audit,
    consents,
    feedback,
    me,
    pre_checks,
    proof_sheets,
    subjects,
    suppressions,
)
from gateway.web.api.document import document
from gateway.web.api.gate import Gate
from gateway.web.api.handlers import add_handlers
from gateway.web.api.parts import Current

ROUTERS: tuple[APIRouter, ...] = (
    me.routes,
    suppressions.routes,
    pre_checks.routes,
    consents.routes,
    proof_sheets.routes,
    audit.routes,
    subjects.routes,
    feedback.routes,
)


def _name(route: APIRoute) -> str:
    """The operation's id: the route's function, so each has a name of its own."""
    return route.name


def routed() -> FastAPI:
    """The routes alone, with their document and what becomes of errors."""
    app = FastAPI(openapi_url=None, redirect_slashes=False, generate_unique_id_function=_name)
    for router in ROUTERS:
        app.include_router(router)
    # Made when first asked for, which is seldom: it takes longer than all the rest.
    made = app.openapi = cache(partial(document, app))  # type: ignore[method-assign]
    app.state.in_flight = set()
    add_handlers(app)

    @app.get("/openapi.json", include_in_schema=False)
    def openapi() -> Response:  # not `async`: it runs in a thread
        return JSONResponse(made())

    return app


def api_app(current: Current) -> ASGIApp:
    """The API over the parts that `current` gives at each request."""
    return Gate(routed(), current)

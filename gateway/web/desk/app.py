"""The desk's application: its screens behind the gate, mounted at `/desk` of the web application.

`desk_app` takes a function that gives the `DeskParts` in force and gives an ASGI application.
Raises nothing: a `Problem` is its status's page, a fault is told in the journal and is a 500.
"""

from __future__ import annotations

from http import HTTPStatus

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from gateway.errors import StoreUnavailable
from gateway.events import Event
from gateway.web.desk import dangerous, live, me, oidc, pages, sign_in
from gateway.web.desk.gate import CHECKED, Gate
from gateway.web.desk.live import Live
from gateway.web.desk.parts import Current
from gateway.web.desk.passwords import Failures, Passwords
from gateway.web.desk.screens import SCREENS


def desk_app(current: Current, counted: Live | None = None) -> ASGIApp:
    """The application over the parts that `current` gives at each request.

    Whoever ends the process closes `counted` first.
    """
    app = FastAPI(openapi_url=None, redirect_slashes=False)

    @app.exception_handler(pages.Problem)
    async def on_problem(request: Request, problem: pages.Problem) -> Response:
        return pages.problem(request, problem.status, problem.detail)

    @app.exception_handler(HTTPException)
    async def on_http_error(request: Request, error: HTTPException) -> Response:
        return pages.problem(request, HTTPStatus(error.status_code))

    @app.exception_handler(RequestValidationError)
    async def on_invalid(request: Request, error: RequestValidationError) -> Response:
        is_path = any(flaw["loc"][0] == "path" for flaw in error.errors())
        return pages.problem(request, HTTPStatus.NOT_FOUND if is_path else HTTPStatus.BAD_REQUEST)

    @app.exception_handler(StoreUnavailable)
    async def on_unavailable(request: Request, error: StoreUnavailable) -> Response:
        _tell(request, str(error))
        return pages.problem(request, HTTPStatus.SERVICE_UNAVAILABLE)

    @app.exception_handler(Exception)
    async def on_fault(request: Request, error: Exception) -> Response:
        _tell(request, type(error).__name__)
        return pages.problem(request, HTTPStatus.INTERNAL_SERVER_ERROR)

    @app.get("/static/{name}")
    async def static(name: str) -> Response:
        if name not in pages.STATIC:
            raise pages.Problem(HTTPStatus.NOT_FOUND)
        headers = {"Cache-Control": "public, max-age=31536000, immutable"}
        return Response(pages.static_file(name), media_type=pages.STATIC[name], headers=headers)

    passwords = Passwords(lambda: current().clock())
    codes = Failures(lambda: current().clock(), sign_in.WRONG_CODES)
    app.include_router(sign_in.router(codes))
    app.include_router(oidc.router(oidc.Flows()))
    app.include_router(me.routes, dependencies=[CHECKED])
    app.include_router(live.router(counted or Live(), current), dependencies=[CHECKED])
    app.include_router(dangerous.routes, dependencies=[CHECKED])
    for screen in SCREENS:
        app.include_router(screen.routes, dependencies=[CHECKED])
    return Gate(app, current, passwords)


def _tell(request: Request, what: str) -> None:
    parts = request.state.parts
    detail: dict[str, object] = {"path": request.url.path, "error": what}
    parts.emit(Event("desk.failed", parts.clock(), detail=detail))

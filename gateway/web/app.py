"""The web application: unsubscribe pages, explanations of replies, metrics and health.

`web_app` takes a function that gives the `WebParts` in force, so that a reload swaps them between
two requests, and gives an ASGI application. Pages use no script and no cookie; `SecureHeaders`
goes around everything, so that even a fault's answer carries them. Raises nothing; a fault is a
500 without details, told in the log of the server that runs the application.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from fastapi import FastAPI, Request, Response
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.web import confirm, explanations, health, unsubscribe
from gateway.web.pages import STYLE_SHEET, Pages
from gateway.web.parts import Current


def web_app(current: Current, mounted: Mapping[str, ASGIApp] | None = None) -> ASGIApp:
    """The application over the parts that `current` gives at each request.

    `mounted` are further applications by path, such as the API; their answers carry the same
    security headers.
    """
    pages = Pages()
    app = FastAPI(openapi_url=None, redirect_slashes=False)

    async def on_http_error(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        response = pages.problem(request, HTTPStatus(status))
        if isinstance(error, HTTPException) and error.headers:
            response.headers.update(error.headers)
        return response

    app.add_exception_handler(HTTPException, on_http_error)
    app.add_exception_handler(Exception, on_http_error)
    app.include_router(unsubscribe.router(current, pages))
    app.include_router(confirm.router(current, pages))
    app.include_router(explanations.router(pages))
    app.include_router(health.router(current))

    @app.api_route("/static/consentry.css", methods=["GET", "HEAD"])
    async def style_sheet() -> Response:
        headers = {"Cache-Control": "public, max-age=3600"}
        return Response(STYLE_SHEET, media_type="text/css", headers=headers)

    return SecureHeaders(Mounts(app, mounted or {}), current)


SECURE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex, nofollow",
    "Referrer-Policy": "no-referrer",  # the address of a page holds a token
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}
HSTS = "max-age=31536000"


class Mounts:
    """Hands requests below certain paths to applications of their own, whatever follows.

    Starlette's own mounts match no path with a line break in it.
    """

    def __init__(self, app: ASGIApp, mounted: Mapping[str, ASGIApp]) -> None:
        self._app = app
        self._mounted = mounted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI)."""
        app = self._app
        for path, mounted in self._mounted.items():
            if f"{scope['path']}/".startswith(f"{path}/"):
                app, scope = mounted, {**scope, "root_path": scope.get("root_path", "") + path}
                break
        await app(scope, receive, send)


class SecureHeaders:
    """Adds the headers that every answer carries, unless the answer has set its own."""

    def __init__(self, app: ASGIApp, current: Current) -> None:
        self._app = app
        self._current = current

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI)."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURE_HEADERS.items():
                    headers.setdefault(name, value)
                if self._current().is_https:
                    headers["Strict-Transport-Security"] = HSTS
            await send(message)

        await self._app(scope, receive, send_with_headers)

"""The status pages, mounted at `/status`: `/status/<token>` for one case or tenant, `/status/`
says where the link is.

GET shows and changes nothing. POST does what the form asks for and shows the page as it stands
then; acting needs the pass that a mailed code gives, which forms carry in a hidden field: there is
no cookie. A token that is not ours, and one for a tenant or case that these records do not have,
is 404, always with the same body. A store that cannot serve is 503 with Retry-After.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus

from fastapi import FastAPI, Request, Response
from fastapi.responses import RedirectResponse
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from gateway.errors import StoreUnavailable
from gateway.events import Event
from gateway.web.pages import Pages, language_of
from gateway.web.status import acts, passes
from gateway.web.status.acts import Outcome
from gateway.web.status.form import Fields, TooLarge, read_form
from gateway.web.status.parts import Current, StatusParts
from gateway.web.status.places import Places
from gateway.web.status.shown import shown_case, shown_tenant
from gateway.web.status.texts import STATUS
from gateway.web.status.view import Named, find, look

AT_ONCE = 4
"""Forms acted on at the same time: each may draw a picture or check a list."""


def status_app(current: Current) -> ASGIApp:
    """The application over the parts that `current` gives at each request."""
    pages = Pages()
    app = FastAPI(openapi_url=None, redirect_slashes=False)
    room = asyncio.Semaphore(AT_ONCE)
    files = Places()

    async def on_http_error(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        if not isinstance(error, HTTPException):
            _tell(current(), type(error).__name__)
        return pages.problem(request, HTTPStatus(status))

    async def on_unavailable(request: Request, error: Exception) -> Response:
        _tell(current(), str(error))
        headers = {"Retry-After": "60"}
        return pages.problem(request, HTTPStatus.SERVICE_UNAVAILABLE, headers)

    app.add_exception_handler(StoreUnavailable, on_unavailable)
    app.add_exception_handler(HTTPException, on_http_error)
    app.add_exception_handler(Exception, on_http_error)

    async def named(parts: StatusParts, text: str) -> Named:
        found = await parts.database.read(lambda c: find(c, parts, text))
        if found is None:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        return found

    async def page(request: Request, parts: StatusParts, text: str, done: Outcome) -> Response:
        about = await named(parts, text)  # anew: what was done has changed it
        is_acting = bool(done.link_pass)
        view = await asyncio.to_thread(look, parts, about, is_acting=is_acting)
        language = language_of(request)
        words = STATUS[language]
        shown = shown_case if view.case else shown_tenant
        return pages.page(
            request,
            "status/case" if view.case else "status/tenant",
            done.status,
            {"Retry-After": "60"} if done.status is HTTPStatus.SERVICE_UNAVAILABLE else None,
            s=words,
            v=shown(view, parts, language),
            said=words[f"say_{done.said}"].format(**done.values) if done.said else "",
            is_good=done.is_good,
            is_acting=is_acting,
            link_pass=done.link_pass,
            checked=done.checked,
        )

    @app.api_route("/", methods=["GET", "HEAD"])
    async def about(request: Request) -> Response:
        return pages.page(request, "status/about", s=STATUS[language_of(request)])

    @app.api_route("", methods=["GET", "HEAD"])
    async def without_slash() -> Response:
        # Links on the page are relative, so it must be seen below the slash.
        return RedirectResponse("status/", HTTPStatus.PERMANENT_REDIRECT)

    @app.api_route("/{text}", methods=["GET", "HEAD"])
    async def show(request: Request, text: str) -> Response:
        return await page(request, current(), text, Outcome())

    @app.post("/{text}")
    async def act(request: Request, text: str) -> Response:
        parts = current()
        about = await named(parts, text)

        def has_pass(fields: Fields) -> bool:
            link_pass = fields.get("pass", [""])[0]
            return passes.is_good(parts.keyring, about.link, link_pass, parts.clock())

        with files.place(about.tenant) as place:
            try:
                form = await read_form(request, lambda fields: has_pass(fields) and place.take())
            except TooLarge as error:
                link_pass = error.fields.get("pass", [""])[0] if has_pass(error.fields) else ""
                said, status = "pass_over", HTTPStatus.FORBIDDEN
                if place.is_refused:
                    said, status = "upload_busy", HTTPStatus.SERVICE_UNAVAILABLE
                elif link_pass:
                    said, status = "upload_size", HTTPStatus.REQUEST_ENTITY_TOO_LARGE
                return await page(request, parts, text, Outcome(said, status, link_pass=link_pass))
            async with room:
                done = await acts.act(parts, about, form)
        return await page(request, parts, text, done)

    return app


def _tell(parts: StatusParts, what: str) -> None:
    """Note in the journal that a page failed for a reason of ours, never in whose words."""
    parts.emit(Event("status.failed", parts.clock(), detail={"error": what}))

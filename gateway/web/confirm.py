"""Confirming a subscription (hosted double opt-in), refusing it, and withdrawing it later.

GET shows who asks, for which list, and the whole consent text, and changes nothing, whoever follows
the link. Only POST with `answer=confirm` confirms, and records who did: address, port and software
of the visitor. `answer=withdraw` ends a request or a consent. What is not open any more is 410 with
a page of its own; a token that is not ours is 404, always with the same body and without asking the
store; a store that cannot serve is 503 with Retry-After.
"""

from __future__ import annotations

import time
from http import HTTPStatus

from fastapi import APIRouter, Request, Response
from starlette.exceptions import HTTPException

from gateway.errors import StoreUnavailable
from gateway.records.proofs import Visit
from gateway.web.forms import read_form
from gateway.web.pages import Pages
from gateway.web.parts import Current, Question, State
from gateway.web.unsubscribe import come_back
from gateway.web.visitor import Network, visitor
from suppression.tokens import Purpose, Token

_YES = ("answer", "confirm")
_NO = ("answer", "withdraw")


def router(current: Current, pages: Pages) -> APIRouter:
    """The routes below `/c/`."""
    routes = APIRouter()

    def token_of(text: str) -> Token:
        token = current().tokens.read(Purpose.CONFIRM, text)
        if token is None:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        return token

    def page(request: Request, found: Question | None, *, is_obeyed: bool = False) -> Response:
        if found is None:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        is_open = found.state in (State.ASKED, State.CONFIRMED)
        status = HTTPStatus.OK if is_open or is_obeyed else HTTPStatus.GONE
        name = "confirm" if is_open else "confirm_over"
        return pages.page(request, name, status, found=found)

    @routes.api_route("/c/{text}", methods=["GET", "HEAD"])
    async def ask(request: Request, text: str) -> Response:
        token = token_of(text)
        try:
            return page(request, await current().recipients.question(token))
        except StoreUnavailable:
            raise come_back() from None

    @routes.post("/c/{text}")
    async def answer(request: Request, text: str) -> Response:
        token = token_of(text)
        form = await read_form(request)
        is_no = _NO in form
        if not is_no and _YES not in form:
            raise HTTPException(HTTPStatus.BAD_REQUEST)
        parts = current()
        visit = visit_of(request, parts.proxies)
        try:
            found = await parts.recipients.answer(token, not is_no, visit)
        except StoreUnavailable:
            raise come_back() from None
        is_obeyed = found is not None and is_no and found.state is State.WITHDRAWN
        return page(request, found, is_obeyed=is_obeyed)

    return routes


def visit_of(request: Request, proxies: tuple[Network, ...]) -> Visit:
    """Who sent a request, with the line that a log of requests would have for it."""
    who = visitor(request, proxies)
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    version = request.scope.get("http_version", "1.1")
    asked = f"{request.method} {request.url.path} HTTP/{version}"
    line = f'{at} {who.ip or "-"} {who.port} "{asked}" "{who.software}"'
    return Visit(who.ip, who.port, who.software, line)

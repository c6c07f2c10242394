"""Unsubscribing with one request (RFC 8058), and the page for people who follow the same link.

GET shows a page with a button and changes nothing, whoever follows the link. POST with
`List-Unsubscribe=One-Click` in its body, from the button or from a mailbox provider, makes the
suppression durable and then answers 200. A token that is not ours is 404, always with the same
body and without asking the store; a store that cannot write is 503 with Retry-After. Bodies over
16 KiB and bodies that take longer than 10 s are refused.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from urllib.parse import parse_qsl

from fastapi import APIRouter, Request, Response
from python_multipart import parse_form
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import Field
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from gateway.errors import StoreUnavailable
from gateway.web.pages import Pages
from gateway.web.parts import Current
from suppression.tokens import Purpose, Token

MAX_BODY = 16_384
BODY_SECONDS = 10.0
RETRY_AFTER = "60"
_NAME = b"list-unsubscribe"
_VALUE = b"one-click"


def router(current: Current, pages: Pages) -> APIRouter:
    """The routes below `/u/`."""
    routes = APIRouter()

    def token_of(text: str) -> Token:
        token = current().tokens.read(Purpose.UNSUBSCRIBE, text)
        if token is None:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        return token

    @routes.api_route("/u/{text}", methods=["GET", "HEAD"])
    async def ask(request: Request, text: str) -> Response:
        token_of(text)
        return pages.page(request, "unsubscribe")

    @routes.post("/u/{text}")
    async def unsubscribe(request: Request, text: str) -> Response:
        token = token_of(text)
        body = await _read(request)
        if not is_one_click(request.headers.get("content-type", ""), body):
            raise HTTPException(HTTPStatus.BAD_REQUEST)
        try:
            await current().opt_out(token)
        except StoreUnavailable:
            headers = {"Retry-After": RETRY_AFTER}
            raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, headers=headers) from None
        return pages.page(request, "unsubscribed")

    return routes


def is_one_click(content_type: str, body: bytes) -> bool:
    """Whether a form holds `List-Unsubscribe=One-Click` (RFC 8058 section 3.2).

    Case does not count, and what is not called multipart is read as urlencoded: some senders of
    the request leave the type out, and the person wants to be unsubscribed all the same.
    """
    if not content_type.lower().lstrip().startswith("multipart/"):
        pairs = parse_qsl(body.decode("latin-1"))
        return any(_is_wish(name.encode(), value.encode()) for name, value in pairs)
    found: list[Field] = []
    headers = {"Content-Type": content_type.encode("latin-1", "replace")}
    try:
        parse_form(headers, _Once(body), found.append, None)
    except FormParserError:
        return False
    return any(_is_wish(field.field_name or b"", field.value or b"") for field in found)


def _is_wish(name: bytes, value: bytes) -> bool:
    return name.strip().lower() == _NAME and value.strip().lower() == _VALUE


class _Once:
    """A body in memory, as the form parser wants to read it."""

    def __init__(self, body: bytes) -> None:
        self._rest = body

    def read(self, size: int = -1) -> bytes:
        """The next octets, empty at the end."""
        size = len(self._rest) if size < 0 else size
        block, self._rest = self._rest[:size], self._rest[size:]
        return block


async def _read(request: Request) -> bytes:
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > MAX_BODY:
                    raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    except TimeoutError:
        raise HTTPException(HTTPStatus.REQUEST_TIMEOUT) from None
    except ClientDisconnect:
        raise HTTPException(HTTPStatus.BAD_REQUEST) from None
    return bytes(body)

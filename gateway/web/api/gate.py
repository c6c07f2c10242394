"""The gate before every route: the token, the rate, and the body, in that order.

ASGI around the application. A request without a token in force is 401 and nothing of it is read
or told apart; after too many of these from one client address, 429. Then the whole body is taken,
bounded in size and time, so that no route waits for a slow client. Raises nothing: problems become
answers here. What `OPEN` names needs no token.
"""

from __future__ import annotations

import asyncio
import time

from fastapi import Request
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.errors import StoreUnavailable
from gateway.networks import network_of
from gateway.records import api_tokens
from gateway.refs import Refs
from gateway.web.api.errors import (
    RATE,
    TOKEN,
    TOO_LARGE,
    TOO_SLOW,
    Problem,
    unavailable,
)
from gateway.web.api.parts import ApiParts, Caller, Current
from gateway.web.api.rates import Allowance, Rates
from gateway.web.visitor import visitor

OPEN = ("/openapi.json", "/problems/")
"""What tells nothing about anybody."""
MAX_BODY = 2**20
BODY_LIMITS = {"/pre-checks": 16 * 2**20, "/feedback": 10 * 2**20}
"""Octets of bodies that may be larger, by the start of the path."""
OPEN_BODY = 4096
"""Of calls without a token: they have no use for one, and all connections may be one stranger's."""
BODY_SECONDS = 20.0
CHALLENGE = 'Bearer realm="consentry"'


class Gate:
    """Lets a request through to `app` with `caller`, `parts` and `ref` in its state."""

    def __init__(self, app: ASGIApp, current: Current) -> None:
        self._app = app
        self._current = current
        self._calls = Rates()
        self._failures = Rates()
        self._refs = Refs()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI)."""
        parts, ref = self._current(), self._refs.new()
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        state = scope.setdefault("state", {})
        state.update(parts=parts, ref=ref)
        fields: dict[str, str] = {}

        async def send_with_fields(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(fields)
            await send(message)

        try:
            if not path.startswith(OPEN):
                caller, allowance = await self._admit(Request(scope), parts)
                fields = allowance.headers()
                if allowance.is_over:
                    raise Problem(RATE)
                state["caller"] = caller
            body = await _read(receive, _limit(path))
        except Problem as problem:
            await problem.response(ref)(scope, receive, send_with_fields)
            return
        except StoreUnavailable as error:
            parts.tell(error, ref)
            await unavailable().response(ref)(scope, receive, send_with_fields)
            return
        if body is None:
            return
        messages = [body]

        async def receive_again() -> Message:
            return messages.pop() if messages else await receive()

        await self._app(scope, receive_again, send_with_fields)

    async def _admit(self, request: Request, parts: ApiParts) -> tuple[Caller, Allowance]:
        now = time.monotonic()
        scheme, _, text = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            given, seen = text.strip(" "), parts.clock()
            token = await parts.database.read(lambda c: api_tokens.find(c, given, seen))
            # A tenant that the configuration no longer has is nobody's customer.
            if token is not None and (token.is_staff or token.tenant in parts.tenants):
                quota = parts.settings.requests_per_minute
                return Caller(token), self._calls.take(token.id, quota, now)
        origin = network_of(visitor(request, parts.loaded.config.web.proxy_from).ip)
        tries = self._failures.take(origin, parts.settings.refused_tokens_per_minute, now)
        if tries.is_over:
            raise Problem(RATE, headers={"Retry-After": str(tries.seconds)})
        # RFC 6750 section 3.1: no error code when no token was sent at all.
        error = ', error="invalid_token"' if scheme.lower() == "bearer" else ""
        raise Problem(TOKEN, headers={"WWW-Authenticate": CHALLENGE + error})


def _limit(path: str) -> int:
    if path.startswith(OPEN):
        return OPEN_BODY
    return next((size for start, size in BODY_LIMITS.items() if path.startswith(start)), MAX_BODY)


async def _read(receive: Receive, limit: int) -> Message | None:
    """The whole body as one message; None when the client has left."""
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while True:
                message = await receive()
                if message["type"] != "http.request":
                    return None
                body += message.get("body", b"")
                if len(body) > limit:
                    text = f"it has more than {limit} octets"
                    raise Problem(TOO_LARGE, text, headers={"Connection": "close"})
                if not message.get("more_body"):
                    return {"type": "http.request", "body": bytes(body), "more_body": False}
    except TimeoutError:
        raise Problem(TOO_SLOW, headers={"Connection": "close"}) from None

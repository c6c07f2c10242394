from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest

from gateway.errors import StoreUnavailable
from gateway.web.app import web_app
from gateway.web.parts import Subscription, WebParts
from suppression.choices import Choice, InForce
from suppression.tokens import Purpose, Token

GOOD = "a" * 52
TOKEN = Token(7, bytes(16))


class Gateway:
    """The rest of the gateway as the pages see it; `chosen` is what became durable."""

    def __init__(self) -> None:
        self.chosen: list[tuple[Token, Choice, str]] = []
        self.in_force = InForce()
        self.looks = 0
        self.is_broken = False
        self.wrong: list[str] = []
        self.asked: list[str] = []
        self.parts = WebParts(self, self, self.problems, self.metrics, is_https=True)

    def read(self, purpose: Purpose, text: str) -> Token | None:
        self.asked.append(text)
        return TOKEN if purpose is Purpose.UNSUBSCRIBE and text.lower() == GOOD else None

    async def look(self, token: Token) -> Subscription:
        self.looks += 1
        if self.is_broken:
            raise StoreUnavailable("disk full")
        return Subscription("Weekly <News>", "Acme & Co", self.in_force)

    async def choose(self, token: Token, choice: Choice, source: str) -> Subscription:
        if self.is_broken:
            raise StoreUnavailable("disk full")
        self.chosen.append((token, choice, source))
        self.in_force = InForce(
            self.in_force.is_out or not choice.is_wide,
            self.in_force.is_out_wide or choice.is_wide,
            self.in_force.has_complained or choice.is_spam,
        )
        return await self.look(token)

    async def problems(self) -> list[str]:
        return self.wrong

    async def metrics(self) -> str:
        return "consentry_sessions 3.0\n"

    def use(self, **changes: object) -> None:
        self.parts = replace(self.parts, **changes)  # type: ignore[arg-type]


@pytest.fixture
def gateway() -> Gateway:
    return Gateway()


@pytest.fixture
async def client(gateway: Gateway) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(
        web_app(lambda: gateway.parts), raise_app_exceptions=False, client=("127.0.0.1", 5)
    )
    async with httpx.AsyncClient(transport=transport, base_url="https://mail.test") as client:
        yield client

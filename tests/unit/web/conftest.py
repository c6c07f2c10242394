from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from ipaddress import ip_network

import httpx
import pytest

from gateway.errors import StoreUnavailable
from gateway.node import Health
from gateway.records.proofs import Visit
from gateway.web.app import web_app
from gateway.web.parts import Question, State, Subscription, WebParts
from suppression.choices import Choice, InForce
from suppression.tokens import Purpose, Token

GOOD = "a" * 52
PROXIES = (ip_network("127.0.0.0/8"),)
TOKEN = Token(7, bytes(16))


class Gateway:
    """The rest of the gateway as the pages see it; `chosen` is what became durable."""

    def __init__(self) -> None:
        self.chosen: list[tuple[Token, Choice, str]] = []
        self.in_force = InForce()
        self.looks = 0
        self.state: State | None = State.ASKED
        self.answered: list[tuple[bool, Visit]] = []
        self.is_broken = False
        self.wrong: list[str] = []
        self.asked: list[str] = []
        self.parts = WebParts(self, self, PROXIES, self.health, self.metrics, is_https=True)

    def read(self, purpose: Purpose, text: str) -> Token | None:
        self.asked.append(text)
        is_page = purpose in (Purpose.UNSUBSCRIBE, Purpose.CONFIRM)
        return TOKEN if is_page and text.lower() == GOOD else None

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

    async def question(self, token: Token) -> Question | None:
        self.looks += 1
        if self.is_broken:
            raise StoreUnavailable("disk full")
        if self.state is None:
            return None
        text = "I agree to <b>everything</b>\nand more."
        notice = "https://acme.example/privacy?a=b&c"
        return Question("Weekly <News>", "Acme & Co", text, "pl", notice, self.state)

    async def answer(self, token: Token, is_yes: bool, visit: Visit) -> Question | None:
        found = await self.question(token)
        if found is None:
            return None
        self.answered.append((is_yes, visit))
        if self.state is State.ASKED or (self.state is State.CONFIRMED and not is_yes):
            self.state = State.CONFIRMED if is_yes else State.WITHDRAWN
        return await self.question(token)

    async def health(self, _patience: float) -> Health:
        return Health(not self.wrong, tuple(self.wrong), {"database": True, "state": False})

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

"""One world of status pages for the module; tests take cases of their own."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import httpx
import pytest
from starlette.types import ASGIApp

from gateway.web.status import code_mail
from tests.contract.status.world import BASE, Hops, World, made_in


@dataclass
class Page:
    """A tenant's browser on one page; `link_pass` is what the page's forms carry."""

    client: httpx.AsyncClient
    world: World
    path: str
    link_pass: str = ""

    async def get(self, language: str = "en") -> httpx.Response:
        """The page as it is shown."""
        return await self.client.get(self.path, headers={"Accept-Language": language})

    async def send(
        self, do: str, file: tuple[str, bytes] | None = None, **fields: str | list[str]
    ) -> httpx.Response:
        """The answer to one of its forms, as a browser sends it."""
        said: list[tuple[str, tuple[str | None, bytes]]] = []
        if self.link_pass:
            said.append(("pass", (None, self.link_pass.encode())))
        for name, values in {"do": do, **fields}.items():
            each = [values] if isinstance(values, str) else values
            said += [(name, (None, value.encode())) for value in each]
        if file is not None:
            said.append(("file", file))
        answer = await self.client.post(self.path, files=said)
        found = re.search(r'name="pass" value="([^"]+)"', answer.text)
        self.link_pass = found[1] if found else ""
        return answer

    async def sign_in(self) -> None:
        """Have a code mailed and type it in."""
        assert (await self.send("code")).status_code == 200
        assert (await self.send("enter", code=self.world.hops.code)).status_code == 200
        assert self.link_pass


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One world for the module."""
    with made_in(tmp_path_factory.mktemp("status")) as world:
        yield world


@pytest.fixture
def world(made: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """The same, two hours after the test before: what an hour allows is free again."""
    made.now += 7200
    made.hops = Hops()
    made.events.clear()
    monkeypatch.setattr(code_mail, "hand_over", made.hops.take)
    return made


@pytest.fixture(scope="module")
def app(made: World) -> ASGIApp:
    """The whole web application."""
    return made.app()


@pytest.fixture
async def client(world: World, app: ASGIApp) -> AsyncIterator[httpx.AsyncClient]:
    """Asks it; `world` is what it shows."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
        yield client

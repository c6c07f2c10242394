"""The API over real records in a temporary folder, and tokens to call it with."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from shutil import copytree
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from gateway.config.api import ApiSettings
from gateway.config.example import write_example
from gateway.config.load import load
from gateway.events import Event
from gateway.feedback.intake import Intake
from gateway.feedback.terms import Terms
from gateway.notices.gather import House as NoticeHouse
from gateway.records.api_tokens import Permission, issue
from gateway.records.database import open_database
from gateway.records.event_index import EventIndex
from gateway.records.keyring import open_keyring
from gateway.sanctions.rules import rules_of
from gateway.web.api.app import routed
from gateway.web.api.gate import Gate
from gateway.web.api.parts import ApiParts
from gateway.web.app import web_app

NOW = 1_800_000_000.0
OTHER = """\
domains: {other.example: {dkim: none}}
streams: {mail: {kind: transactional}}
"""
OPT_IN = "    opt_in: {sender: a@customer.example, privacy: https://customer.example/privacy}\n"
ROUTED = routed()
"""Made once: it takes a tenth of a second."""


class House:
    """The API as callers meet it; `now` can be moved, `events` is what it told the journal."""

    def __init__(self, folder: Path) -> None:
        self.now = NOW
        self.events: list[Event] = []
        loaded = load(folder / "consentry.yaml")
        self.database = open_database(loaded.config.database)
        self.keyring = open_keyring(self.database, loaded.config.keyring)
        index = EventIndex(folder / "journal", folder / "journal-index.sqlite")
        index.advance()
        house = NoticeHouse.of(loaded, rules_of(loaded, self.keyring))
        emit, taken = self.events.append, Terms.of(loaded, house)
        intake = Intake(self.database, index, taken, emit, lambda: self.now)
        self.parts = ApiParts(self.database, self.keyring, loaded, lambda: self.now, emit, intake)
        pages: Any = SimpleNamespace(is_https=True)
        self.app = web_app(lambda: pages, {"/v1": Gate(ROUTED, lambda: self.parts)})

    def limit(self, **settings: int) -> None:
        """Put other limits of calls in force."""
        loaded = self.parts.loaded
        config = loaded.config.model_copy(update={"api": ApiSettings(**settings)})
        self.parts = replace(self.parts, loaded=replace(loaded, config=config))

    def token(self, tenant: str = "", *allow: Permission, name: str = "") -> str:
        """A new token's text; it may do everything when nothing is named."""
        with self.database.transaction() as connection:
            name = name or os.urandom(4).hex()
            granted = allow or tuple(Permission)
            return issue(connection, name, tenant, granted, None, "test", self.now)[0]

    def client(self, token: str = "") -> httpx.AsyncClient:
        """Somebody who calls with a token, or without one."""
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app, raise_app_exceptions=False),
            base_url="https://mail.test/v1",
            headers={"Authorization": f"Bearer {token}"} if token else {},
        )

    def octets(self) -> bytes:
        """Everything that is in the database's files."""
        folder = self.database.path.parent
        return b"".join(file.read_bytes() for file in folder.glob("consentry.db*"))


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A configured gateway with empty records, made once: tenants `example` and `other`."""
    folder = tmp_path_factory.mktemp("made")
    write_example(folder, "mail.example.com")
    (folder / "tenants/other.yaml").write_text(OTHER)
    example = folder / "tenants/example.yaml"
    example.write_text(example.read_text().replace("    kind: list\n", f"    kind: list\n{OPT_IN}"))
    open_database(load(folder / "consentry.yaml").config.database).close()
    return folder


@pytest.fixture(scope="session")
def open_house() -> Callable[[Path], House]:
    """Opens the gateway in a folder; the caller closes its database."""
    return House


@pytest.fixture
def house(made: Path, tmp_path: Path) -> Iterator[House]:
    copytree(made, tmp_path, dirs_exist_ok=True)
    house = House(tmp_path)
    yield house
    house.database.close()


@pytest.fixture
async def tenant(house: House) -> AsyncIterator[httpx.AsyncClient]:
    """A program of the tenant `example`, with every permission."""
    async with house.client(house.token("example", name="shop")) as client:
        yield client


@pytest.fixture
async def other(house: House) -> AsyncIterator[httpx.AsyncClient]:
    """A program of another tenant."""
    async with house.client(house.token("other", name="shop")) as client:
        yield client


@pytest.fixture
async def staff(house: House) -> AsyncIterator[httpx.AsyncClient]:
    """A staff member, with every permission."""
    async with house.client(house.token(name="basia")) as client:
        yield client

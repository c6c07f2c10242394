"""The desk over a real database, with staff of every role and a clock that tests move.

`World.as_(role)` is a client signed in in that role; `post` fills in the token that its forms
carry. Each test takes tenants of its own names where it counts what it sees.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp

from gateway.config.load import Loaded, load
from gateway.events import Event
from gateway.records import staff, staff_sessions
from gateway.records.case_change import Moved, open_by_hand
from gateway.records.case_rules import Rules
from gateway.records.database import Database, open_database
from gateway.records.event_index import EventIndex
from gateway.records.keyring import open_keyring
from gateway.records.policy_versions import remember
from gateway.sanctions.rules import rules_of
from gateway.sender_dns.check import SenderDns
from gateway.web.desk.app import desk_app
from gateway.web.desk.gate import csrf_of
from gateway.web.desk.live import Live
from gateway.web.desk.parts import DeskParts
from gateway.words import Role
from policies.sanctions.case import Fact
from policies.sanctions.words import FactKind
from suppression.keys import Keyring

BEGIN = 1_800_000_000.0
TENANTS = ("acme", "beta", "gamma", "delta", "told", "whole", "trial", "charted")
GATEWAY = """
hostname: gateway.test
web: {base_url: "http://localhost:8080"}
listeners:
  - {name: open, listen: "127.0.0.1:2525", tls: none,
     trusted: [{networks: ["127.0.0.1/32"], tenant: acme}]}
next_hops: [{name: main, host: 127.0.0.1}]
sanctions: {preset: own.yaml}
sender_dns: {resolvers: ["127.0.0.1:9"], patience: 0.05}
"""
PRESET = """
title: "Own <terms>"
clauses:
  "1": {en: "No unasked mail.", pl: "Bez poczty niezamówionej."}
  "2": {en: "Nobody is mailed who wants none.", pl: "Nie wysyła się do tych, co nie chcą."}
hourly_rate: {amount: 10000, currency: USD, clause: "1"}
ladders:
  S:
    title: {en: "unasked mail <i>", pl: "poczta niezamówiona <i>"}
    takes: [spam]
    probation: {for: 20d, volume: [25, 50], threshold_divisor: 2}
    steps:
      - {name: S1, clause: "1", sanction: block, then: may-terminate, deadline: 30d,
         requirements: [protection-confirmed, screenshot]}
      - {name: S2, clause: "1", sanction: block, then: may-terminate, deadline: 15d,
         requirements: [protection-confirmed, screenshot, invoice-paid],
         fee: {amount: 4500, currency: PLN, per: case}}
  P:
    title: {en: "mail to protected addresses", pl: "poczta do adresów chronionych"}
    takes: [protected-hit, complaint]
    steps:
      - {name: P1, clause: "2", sanction: block, then: person-lifts, deadline: 30d,
         requirements: [explanation]}
  E:
    title: {en: "emergency", pl: "sytuacja nagła"}
    takes: [emergency]
    steps:
      - {name: E1, clause: "1", sanction: decide, then: person-decides}
  L:
    title: {en: "request of an authority", pl: "żądanie organu"}
    takes: [legal-request]
    steps:
      - {name: L1, clause: "1", sanction: approve, then: person-decides}
"""
TENANT = """
state: open
display_name: "Firma NAME <&>"
contact: {email: office@NAME.test, language: pl, verified: 2026-05-04}
domains:
  NAME.test: {dkim: none}
  shop.NAME.test: {dkim: none}
streams:
  mail: {kind: transactional, verified: true, default: true}
  offers: {kind: inquiry}
limits: {rates: [{unit: messages, count: 500, per: 1h}]}
confirmations: [{what: "filters <b>mail</b>", recorded_at: 2026-01-02, by: root}]
"""


@dataclass
class World:
    """Everything behind the desk; `now` is its clock."""

    folder: Path
    loaded: Loaded
    database: Database
    keyring: Keyring
    index: EventIndex
    rules: Rules
    now: float = BEGIN
    dns: SenderDns | None = None
    events: list[Event] = field(default_factory=list)
    cookies: dict[str, str] = field(default_factory=dict)

    @cached_property
    def app(self) -> ASGIApp:
        """The desk."""
        return desk_app(lambda: self.parts, Live())

    @property
    def parts(self) -> DeskParts:
        """What the desk is given."""
        return DeskParts(
            self.database, self.keyring, self.loaded, lambda: self.now, self.events.append,
            self.index, lambda: self.rules,
            self.dns or SenderDns(self.loaded.config.sender_dns),
        )  # fmt: skip

    def as_(self, role: Role | str, language: str = "en") -> Client:
        """A client signed in as the member of staff of that name."""
        if role not in self.cookies:
            with self.database.transaction() as connection:
                who = staff.member(connection, role)
                self.cookies[role] = staff_sessions.begin(
                    connection, who.id, is_complete=True, now=self.now
                )
        return Client(self, self.cookies[role], language)

    def open(self, tenant: str, kind: FactKind = FactKind.SPAM, reason: str = "seen") -> Moved:
        """A case that the abuse staff opened."""
        fact = Fact(
            kind, tenant, "offers", "", f"{tenant}.test", b"", "", self.now,
            actor="abuse", domains=(f"{tenant}.test",),
        )  # fmt: skip
        with self.database.transaction() as connection:
            return open_by_hand(connection, fact, "abuse", reason, self.now, self.rules)


@dataclass
class Client:
    """One member of staff's browser."""

    world: World
    session: str
    language: str

    async def get(self, path: str, *, hx: bool = False, **params: str) -> httpx.Response:
        """The page at `path` below `/desk/`, or the part of one that script asks for."""
        headers = {"HX-Request": "true"} if hx else {}
        return await self._ask("GET", path, params=params, headers=headers)

    async def post(self, path: str, **fields: Any) -> httpx.Response:
        """The answer to a form sent from a page of ours."""
        data = {"csrf": csrf_of(self.session), **fields}
        return await self._ask("POST", path, data=data)

    async def _ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        transport = httpx.ASGITransport(self.world.app, root_path="/desk")
        headers = {"Accept-Language": self.language, "Sec-Fetch-Site": "same-origin"}
        headers |= more.pop("headers", {})
        async with httpx.AsyncClient(
            transport=transport, base_url="http://localhost", cookies={"desk": self.session}
        ) as client:
            return await client.request(method, f"/desk/{path}", headers=headers, **more)


def stamp(page: str) -> str:
    """What the forms of a case's page carry."""
    found = re.search(r'name="stamp" value="(\d+)"', page)
    assert found
    return found[1]


@contextmanager
def opened(folder: Path) -> Iterator[World]:
    """A desk whose files are in `folder`."""
    (folder / "consentry.yaml").write_text(GATEWAY)
    (folder / "own.yaml").write_text(PRESET)
    (folder / "tenants").mkdir()
    for name in TENANTS:
        (folder / f"tenants/{name}.yaml").write_text(TENANT.replace("NAME", name))
    Keyring.create(folder / "keys/keyring.json")
    loaded = load(folder / "consentry.yaml")
    database = open_database(loaded.config.database, loaded.config.opt_out_log)
    keyring = open_keyring(database, loaded.config.keyring)
    index = EventIndex(folder / "state/journal", folder / "state/index.sqlite")
    rules = rules_of(loaded, keyring)
    with database.transaction() as connection:
        remember(connection, rules, BEGIN - 86_400)
        for name, role in [*((role, role) for role in Role), ("lead2", Role.LEAD)]:
            staff.add(connection, name, role, "Europe/Warsaw", "x", None, "test", BEGIN)
    yield World(folder, loaded, database, keyring, index, rules)
    index.close()
    database.close()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One desk for the module."""
    with opened(tmp_path_factory.mktemp("desk")) as running:
        yield running


@pytest.fixture(scope="module")
def open_world() -> Callable[[Path], AbstractContextManager[World]]:
    """Makes a further one."""
    return opened

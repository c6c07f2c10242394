"""The status pages over a real database, with two tenants, a clock that tests move, and a next hop
that keeps the codes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from io import BytesIO
from pathlib import Path

from PIL import Image
from sqlalchemy import func, insert, select
from starlette.types import ASGIApp

from gateway.config.load import Loaded, load
from gateway.courier import Fate, Said
from gateway.events import Event
from gateway.notices.gather import House
from gateway.records.case_change import change, open_by_hand
from gateway.records.case_view import StoredCase, find_case
from gateway.records.database import Database, open_database
from gateway.records.event_index import EventIndex
from gateway.records.keyring import open_keyring
from gateway.records.policy_versions import remember
from gateway.records.streams import stream_number
from gateway.records.subjects import add_subject
from gateway.records.tables import audit, facts
from gateway.relay.settings import NextHopSettings
from gateway.sanctions.rules import rules_of
from gateway.web.app import web_app
from gateway.web.parts import WebParts
from gateway.web.status.app import status_app
from gateway.web.status.parts import StatusParts
from policies.sanctions.case import Fact, Noticed
from policies.sanctions.words import FactKind, NoticeKind
from suppression.case_links import NO_CASE, case_link
from suppression.keys import Keyring
from suppression.tokens import Tokens

BEGIN = 1_800_000_000.0
BASE = "https://mail.test"
GATEWAY = """
hostname: gateway.test
web: {base_url: "https://mail.test"}
listeners:
  - {name: open, listen: "127.0.0.1:2525", tls: none,
     trusted: [{networks: ["127.0.0.1/32"], tenant: acme}]}
next_hops: [{name: main, host: 127.0.0.1}]
sanctions: {preset: own.yaml, zone: Europe/Warsaw}
"""
PRESET = """
title: "Own <terms>"
clauses:
  "1": {en: "Nobody is mailed who <b>wants</b> none.", pl: "Nie pisze się do tych, co nie chcą."}
passes_complainer_on: true
ladders:
  S:
    title: {en: "unasked mail <i>", pl: "poczta niezamówiona <i>"}
    takes: [spam]
    steps:
      - {name: S1, clause: "1", sanction: block, then: may-terminate, deadline: 30d,
         requirements: [protection-confirmed, screenshot, explanation, invoice-paid, deleted],
         fee: {amount: 4500, currency: PLN, per: case}}
  E:
    title: {en: "emergency", pl: "sytuacja nagła"}
    takes: [emergency]
    steps:
      - {name: E1, clause: "1", sanction: block, then: person-decides, deadline: 30d,
         requirements: [screenshot]}
  L:
    title: {en: "request of an authority", pl: "żądanie organu"}
    takes: [legal-request]
    steps:
      - {name: L1, clause: "1", sanction: approve, then: person-decides}
"""
TENANT = """
state: open
display_name: "Firma NAME <&>"
contact: {email: office@NAME.test, language: pl}
domains:
  NAME.test: {dkim: none}
streams:
  mail: {kind: transactional, verified: true, default: true}
limits: {bytes_per_day: 1000000, rates: [{unit: messages, count: 500, per: 1h}]}
"""
TENANTS = ("acme", "beta")


class Hops:
    """In the place of the courier: keeps what it is given, and does with it what `fate` says."""

    def __init__(self) -> None:
        self.fate = Fate.TAKEN
        self.mails: list[tuple[str, bytes]] = []

    async def take(
        self, _hops: Sequence[NextHopSettings], _sender: str, recipient: str, octets: bytes
    ) -> Said:
        """As `gateway.courier.hand_over`."""
        self.mails.append((recipient, octets))
        return Said(self.fate, "main", "250 ok")

    @property
    def code(self) -> str:
        """What the last mail carries."""
        found = re.search(rb"^ {4}(\d{4} \d{4})", self.mails[-1][1], re.MULTILINE)
        assert found
        return found[1].decode()


@dataclass
class World:
    """Everything behind the pages; `now` is their clock."""

    loaded: Loaded
    database: Database
    keyring: Keyring
    house: House
    index: EventIndex
    hops: Hops
    now: float = BEGIN
    events: list[Event] = field(default_factory=list)

    def emit(self, event: Event) -> None:
        """Take one event."""
        self.events.append(event)

    @property
    def parts(self) -> StatusParts:
        """What the pages are given."""
        return StatusParts(
            self.database, self.keyring, self.loaded, self.house, lambda: self.now,
            self.emit, self.index,
        )  # fmt: skip

    def open(self, tenant: str = "acme", kind: FactKind = FactKind.SPAM) -> StoredCase:
        """A case in force, of which the tenant was told."""
        fact = Fact(
            kind, tenant, "mail", "", f"{tenant}.test", b"", "", self.now,
            actor="abuse", domains=(f"{tenant}.test",),
        )  # fmt: skip
        with self.database.transaction() as connection:
            rules = self.house.rules
            case = open_by_hand(connection, fact, "abuse", "seen", self.now, rules).case
            if kind is not FactKind.LEGAL_REQUEST:
                notice = Noticed(NoticeKind.OPENED)
                change(connection, case.id, notice, "notices", self.now, rules)
        return self.case(case.id)

    def case(self, number: int) -> StoredCase:
        """A case as it stands now."""
        with self.database.reading() as connection:
            found = find_case(connection, number)
        assert found is not None
        return found

    def link(self, tenant: str = "acme", tracking: bytes = NO_CASE) -> str:
        """The path of a status page."""
        with self.database.transaction() as connection:
            number = stream_number(connection, tenant)
        return case_link("", Tokens(self.keyring), number, tracking)

    def link_of(self, stored: StoredCase) -> str:
        """The path of one case's page."""
        return self.link(stored.case.tenant, stored.tracking)

    def complain(self, tenant: str, address: str) -> str:
        """Somebody complained about this tenant; the key in hex."""
        key = sha256(f"{tenant} {address}".encode()).digest()[:16]
        with self.database.transaction() as connection:
            subject = add_subject(connection, self.keyring.seal(address))
            row = {"kind": FactKind.COMPLAINT.value, "tenant": tenant, "stream": "mail"}
            row |= {"mailing": "", "domain": "", "ref": "", "actor": "gateway"}
            more = {"key": key, "at": int(self.now), "subject": subject}
            connection.execute(insert(facts), {**row, **more})
        return key.hex()

    def app(self) -> ASGIApp:
        """The whole web application with the status pages in it."""

        def none() -> WebParts:
            return WebParts(None, None, (), None, None, is_https=True)  # type: ignore[arg-type]

        return web_app(none, {"/status": status_app(lambda: self.parts)})


@contextmanager
def made_in(folder: Path) -> Iterator[World]:
    """A world in this folder."""
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
    yield World(loaded, database, keyring, House.of(loaded, rules), index, Hops())
    index.close()
    database.close()


def picture(colour: str = "white") -> bytes:
    """A screenshot."""
    file = BytesIO()
    Image.new("RGB", (320, 200), colour).save(file, "PNG")
    return file.getvalue()


def changes(world: World) -> int:
    """How many records the audit trail has."""
    with world.database.reading() as connection:
        return int(connection.scalar(select(func.count()).select_from(audit)) or 0)

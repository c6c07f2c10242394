"""Facts, rules and a case book for tests of cases, with a clock that is a number."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any
from zoneinfo import ZoneInfo

from gateway.presets import read_preset
from gateway.records import reports
from gateway.records.case_change import Moved, change
from gateway.records.case_rules import Contact, Rules, TenantRules
from gateway.records.case_view import Entry, timeline
from gateway.records.cases import FactTaken, take_fact
from gateway.records.database import Database
from gateway.records.reports import Report, ReportTaken
from policies.sanctions.calendar import Calendar
from policies.sanctions.case import Counts, Decided, Fact, Happening, Noticed
from policies.sanctions.ladder import Preset
from policies.sanctions.preset import digest
from policies.sanctions.words import Decision, FactKind, Grade, NoticeKind
from suppression.keys import Keyring

from .conftest import NOW

FBL = "fbl.example"
FACT = Fact(
    kind=FactKind.PROTECTED_HIT,
    tenant="acme",
    stream="weekly",
    mailing="m1",
    domain="acme.example",
    key=bytes(16),
    ref="r1",
    at=NOW,
    domains=("acme.example",),
)
COMPLAINT = Report(
    grade=Grade.A,
    source=FBL,
    received_at=NOW,
    tenant="acme",
    stream="weekly",
    mailing="m1",
    domain="acme.example",
    ref="r1",
    key=b"k" * 16,
    address="jan@example.org",
    said={"text": "I never asked for this"},
)


def rules_of(keyring: Keyring, preset: Preset | str = "niebieski") -> Rules:
    """The rules of a house with the tenants `acme` and `other` under one preset."""
    wording = read_preset(preset) if isinstance(preset, str) else preset
    mark = digest(wording)
    contact = Contact("abuse@acme.example", "pl")
    acme = TenantRules(wording, mark, ("acme.example", "shop.example"), (contact,), "Acme")
    zone = ZoneInfo("Europe/Warsaw")
    return Rules(
        keyring=keyring,
        calendar=Calendar(zone),
        zone=zone,
        tenants={"acme": acme, "other": replace(acme, domains=("other.example",))},
        house=TenantRules(wording, mark),
        link="https://gateway.test",
        feedback_sources=frozenset({FBL}),
    )


@dataclass
class Book:
    """What tests do to cases, each call a transaction of its own."""

    database: Database
    rules: Rules
    now: float = NOW
    counts: Counts = field(default_factory=Counts)

    def take(self, fact: Fact = FACT, **options: Any) -> FactTaken:
        """A fact, taken now."""
        with self.database.transaction() as connection:
            return take_fact(connection, fact, self.counts, self.rules, self.now, **options)

    def let(self, case: int, happening: Happening, actor: str = "ann") -> Moved:
        """Let something happen."""
        with self.database.transaction() as connection:
            return change(connection, case, happening, actor, self.now, self.rules)

    def decide(self, case: int, decision: Decision, actor: str = "ann", **more: Any) -> Moved:
        """A person decides, for a reason."""
        return self.let(case, Decided(decision, actor, "because", **more), actor)

    def notify(self, case: int) -> Moved:
        """The next hop took the first notice."""
        return self.let(case, Noticed(NoticeKind.OPENED), "notices")

    def report(self, report: Report = COMPLAINT) -> ReportTaken:
        """A complaint comes in."""
        with self.database.transaction() as connection:
            return reports.take_report(connection, report, self.rules, self.now)

    def entries(self, case: int) -> list[Entry]:
        """The timeline, oldest first."""
        with self.database.reading() as connection:
            return timeline(connection, case)[::-1]

    def rows(self, table: Any) -> list[Any]:
        """Every row of a table."""
        with self.database.reading() as connection:
            return list(connection.execute(table.select().order_by(*table.primary_key)).all())

"""Cases were purged by when they were opened, those included whose clock still ran."""

from __future__ import annotations

from pathlib import Path

from gateway.config.retention import RetentionSettings
from gateway.records.database import open_database
from gateway.records.keyring import open_keyring
from gateway.records.retention import purge
from gateway.records.tables import case_entries, cases, facts
from policies.sanctions.case import Fact
from policies.sanctions.words import Decision, FactKind, Phase
from policies.terms import DAY
from tests.contract.records.cases_world import Book, rules_of


def test_a_case_goes_when_its_time_since_its_end_is_over(tmp_path: Path) -> None:
    """With its facts: until then a person works on them, and the tenant has a deadline."""
    database = open_database(tmp_path / "consentry.db")
    kept = RetentionSettings(facts=DAY, cases=DAY, blocks=DAY)
    try:
        book = Book(database, rules_of(open_keyring(database, tmp_path / "keyring.json"), "iqpl"))
        overuse = Fact(FactKind.OVERUSE, "acme", "", "m1", "", b"", "r", book.now, actor="ann")
        taken = book.take(overuse)
        assert taken.case is not None
        book.notify(taken.case.id)
        purge(database, kept, book.now + 5 * DAY, "purge")
        assert [row.phase for row in book.rows(cases)] == [Phase.OPEN]
        assert len(book.rows(facts)) == 1
        book.now += 6 * DAY
        book.decide(taken.case.id, Decision.LIFT)
        purge(database, kept, book.now + DAY / 2, "purge")
        assert len(book.rows(cases)) == 1
        purge(database, kept, book.now + 2 * DAY, "purge")
        purge(database, kept, book.now + 2 * DAY, "purge")
        assert [book.rows(table) for table in (cases, facts, case_entries)] == [[], [], []]
    finally:
        database.close()

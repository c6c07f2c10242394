"""Why staff rejected something was masked in the timeline, but not in the case's own state."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import select

from gateway.records.database import open_database
from gateway.records.keyring import open_keyring
from gateway.records.tables import metadata
from policies.sanctions.case import Decided, Handed
from policies.sanctions.words import Decision
from tests.contract.records.cases_world import Book, rules_of

WORDS = "the list still names jan.kowalski@example.org"


def test_an_address_in_a_reason_is_nowhere_in_the_records(tmp_path: Path) -> None:
    """Whatever a person decides for, an address in the reason is masked in every table."""
    database = open_database(tmp_path / "consentry.db")
    try:
        book = Book(database, rules_of(open_keyring(database, tmp_path / "keyring.json")))
        taken = book.take()
        assert taken.case is not None
        book.notify(taken.case.id)
        for name in ("protection-confirmed", "screenshot"):
            book.let(taken.case.id, Handed(name, "acme:status"))
        book.let(taken.case.id, Decided(Decision.REJECT, "ann", WORDS, "screenshot"))
        book.let(taken.case.id, Decided(Decision.LIFT, "ann", WORDS))
        with database.reading() as connection:
            held = "".join(
                str(tuple(row))
                for table in metadata.sorted_tables
                for row in connection.execute(select(table))
            )
        assert "j***@example.org" in held
        assert "jan.kowalski" not in held
    finally:
        database.close()

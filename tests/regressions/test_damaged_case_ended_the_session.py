"""A case that could not be read ended the session of whoever mailed on: 451 instead of a 550."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import update

from gateway.enforcement import Enforcement
from gateway.events import Event
from gateway.records.blocks import BlockList
from gateway.records.database import open_database
from gateway.records.keyring import open_keyring
from gateway.records.tables import cases
from gateway.sanctions.book import CaseBook
from gateway.state.rates import MemoryRateWindows
from gateway.state.table import WindowTable
from policies.transaction import Transaction
from tests.contract.records.cases_world import Book, rules_of
from tests.unit.enforcement.test_enforcement import HIT, SENDER, STREAM, TENANT, USER


async def test_a_fact_that_no_case_can_take_is_lost_and_the_session_goes_on(
    tmp_path: Path,
) -> None:
    """The recipient stays refused by its own reply; the loss is an event that names the fault."""
    database = open_database(tmp_path / "consentry.db")
    blocks = BlockList(database.path)
    events: list[Event] = []
    try:
        book = Book(database, rules_of(open_keyring(database, tmp_path / "keyring.json")))
        book.take()
        with database.transaction() as connection:
            connection.execute(update(cases).values(state='{"phase":'))

        def clock() -> float:
            return book.now

        def emit(event: Event) -> None:
            events.append(event)

        enforcement = Enforcement(
            MemoryRateWindows(WindowTable(clock)),
            blocks,
            CaseBook(database, lambda: book.rules, clock),
            emit,
            clock,
        )
        t = Transaction("ref", "s", "192.0.2.1", TENANT, STREAM, SENDER, book.now, mailing="m1")
        await enforcement.after_rcpt(t, [(USER, HIT)])
        assert [event.kind for event in events] == ["fact.lost"]
        assert "JSONDecodeError" in str(events[0].detail["error"])
    finally:
        blocks.close()
        database.close()

"""A simulated tenant that was unblocked was blocked again by the facts that the lift forgives."""

from __future__ import annotations

from collections import Counter
from datetime import UTC
from pathlib import Path

from gateway.enforcement import Enforcement
from gateway.events import Event
from gateway.presets import read_preset
from gateway.records.blocks import BlockList
from gateway.records.database import open_database
from gateway.records.keyring import open_keyring
from gateway.records.tables import cases
from gateway.sanctions.book import CaseBook
from gateway.sanctions.past import replay
from gateway.state.rates import MemoryRateWindows
from gateway.state.table import WindowTable
from policies.sanctions.calendar import Calendar
from policies.sanctions.simulate import Simulation, What
from policies.sanctions.words import Decision
from policies.transaction import Transaction
from tests.contract.records.cases_world import Book, rules_of
from tests.unit.enforcement.test_enforcement import HIT, SENDER, STREAM, TENANT, USER

HOUR = 3600


async def test_a_real_run_replayed_gives_the_same_blocks(tmp_path: Path) -> None:
    """Ten hits block; an hour later it is lifted, and nine more are below the threshold again."""
    database = open_database(tmp_path / "consentry.db")
    blocks = BlockList(database.path)
    events: list[Event] = []
    try:
        book = Book(
            database, rules_of(open_keyring(database, tmp_path / "keyring.json"), "standard")
        )

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

        async def hits(mailing: str, count: int) -> None:
            for number in range(count):
                book.now += 1
                ref = f"{mailing}-{number}"
                t = Transaction(
                    ref, "s", "192.0.2.1", TENANT, STREAM, SENDER, book.now, mailing=mailing
                )
                await enforcement.after_rcpt(t, [(USER, HIT)])

        await hits("m1", 10)
        book.notify(1)
        book.now += HOUR
        book.decide(1, Decision.LIFT)
        await hits("m2", 9)
        real = Counter(event.kind for event in events)["case.blocked"]
        assert [row.phase for row in book.rows(cases)] == ["closed", "watching"]
    finally:
        blocks.close()
        database.close()
    simulation = Simulation(read_preset("standard"), Calendar(UTC), mended_after=HOUR)
    replay(simulation, events)
    assert Counter(line.what for line in simulation.lines)[What.BLOCKED] == real == 1

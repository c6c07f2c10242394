"""A case's end was told as an unblocking of domains that another case still blocked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import insert

from gateway.records.blocks import list_blocks
from gateway.records.case_blocks import lift_by_hand
from gateway.records.database import open_database
from gateway.records.keyring import open_keyring
from gateway.records.tables import blocks
from policies.sanctions.words import Decision
from tests.contract.records.cases_world import FACT, Book, rules_of


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    """The records of a house under the Niebieski contract."""
    database = open_database(tmp_path / "consentry.db")
    yield Book(database, rules_of(open_keyring(database, tmp_path / "keyring.json")))
    database.close()


@pytest.mark.parametrize("first", [1, 2])
def test_whoever_is_told_of_the_first_lift_is_told_what_blocks_still(
    book: Book, first: int
) -> None:
    """Whichever of the two cases is lifted first; only the last lift tells of none."""
    book.take()
    book.notify(1)
    book.take(replace(FACT, mailing="m2"))
    lifted = [book.decide(number, Decision.LIFT) for number in (first, 3 - first)]
    told = [e.detail for one in lifted for e in one.events if e.kind == "case.unblocked"]
    still = f"C-{3 - first:06d}"
    assert [one.get("blocked_still") for one in told] == [{"acme.example": still}, None]


def test_lifting_an_old_block_leaves_that_of_a_newer_case(book: Book) -> None:
    """A block from before there were ladders held the domain for a case of today, too."""
    with book.database.transaction() as connection:
        old = {"case_id": 900, "tenant": "acme", "domain": "acme.example", "reason": "r"}
        connection.execute(insert(blocks), {**old, "actor": "gateway", "since": 1})
    book.take()
    with book.database.transaction() as connection:
        lift_by_hand(connection, "acme", "acme.example", "ann", "because", book.now, book.rules)
    with book.database.reading() as connection:
        assert [one.case for one in list_blocks(connection, "acme")] == ["C-000001"]

"""Lists of cases: in pages, by what is due, by what staff type."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.records.case_view import (
    Queue,
    by_tracking,
    counts,
    facts_of,
    find_case,
    ladder_positions,
    list_cases,
    queue,
    search,
    timeline,
)
from gateway.records.database import Database
from policies.sanctions.case import Handed, Ticked
from policies.sanctions.words import Decision, Phase
from suppression.keys import Keyring

from .cases_world import COMPLAINT, FACT, Book, rules_of
from .conftest import NOW

DAY = 86_400


@pytest.fixture
def book(database: Database, keyring: Keyring) -> Book:
    book = Book(database, rules_of(keyring))
    for number in range(5):
        book.take(replace(FACT, tenant="other", mailing=f"m{number}", ref=f"r{number}"))
        book.now += 3600
    book.take()
    return book


def test_pages_show_every_case_once(book: Book) -> None:
    """Newest first, two at a time, of one tenant or phase, until there is no further page."""
    with book.database.reading() as connection:
        seen: list[int] = []
        after = None
        while True:
            page = list_cases(connection, tenant="other", after=after, limit=2)
            seen += [one.number for one in page.cases]
            after = page.after
            if after is None:
                break
        assert seen == [5, 4, 3, 2, 1]
        # The third mailing without a report is a person's to decide.
        undecided = list_cases(connection, phases=[Phase.UNDECIDED]).cases
        assert [one.number for one in undecided] == [5, 4, 3]
        assert list_cases(connection, ladder="B").cases == ()
        with pytest.raises(ValueError, match="page"):
            list_cases(connection, after="1.2")


def test_queues_put_first_what_is_due_first(book: Book) -> None:
    """Each page goes on where the last one ended; counts say the same."""
    for case in (1, 2):
        book.notify(case)
    for requirement in ("screenshot", "protection-confirmed"):
        book.let(1, Handed(requirement, "status"))
    book.now = NOW + 14 * DAY + 86_400 * 1.2
    with book.database.reading() as connection:
        first = queue(connection, Queue.UNDECIDED, book.now, limit=2)
        second = queue(connection, Queue.UNDECIDED, book.now, after=first.after, limit=2)
        assert [one.number for one in (*first.cases, *second.cases)] == [3, 4, 5]
        assert second.after is None
        assert [one.number for one in queue(connection, Queue.SUBMITTED, book.now).cases] == [1]
    book.now += DAY
    book.let(2, Ticked(), "gateway")
    with book.database.reading() as connection:
        assert [one.number for one in queue(connection, Queue.OVERDUE, book.now).cases] == [1, 2]
        told = counts(connection, book.now)
    expected = {"overdue": 2, "submitted": 1, "undecided": 3, "due": 0, "waiting": 0}
    assert {name: told[name] for name in expected} == expected


def test_staff_find_a_case_by_what_they_have(book: Book) -> None:
    """Its id, a ref, a mailing, a tenant, a domain that was blocked; else nothing."""
    with book.database.reading() as connection:

        def found(text: str) -> list[int]:
            return [one.number for one in search(connection, text).cases]

        assert found(" c-000003 ") == [3]
        assert found("r4") == [5]
        assert found("m2") == [3]
        assert found("acme") == [6]
        assert found("acme.example") == [6, 1]  # the second case found it blocked
        assert found("C-000099") == found("nothing") == []


def test_a_case_is_read_with_its_facts_and_timeline(book: Book) -> None:
    """By number or by what its link carries; facts in pages."""
    book.report(replace(COMPLAINT, key=b"x" * 16))
    with book.database.reading() as connection:
        stored = find_case(connection, 6)
        assert stored is not None
        assert by_tracking(connection, stored.tracking) == stored
        assert by_tracking(connection, b"") is None
        hit, complaint = facts_of(connection, 6)
        assert (hit.fact.kind, complaint.fact.grade) == ("protected-hit", "A")
        assert facts_of(connection, 6, after=hit.number) == [complaint]
        newest = timeline(connection, 6, limit=1)
        assert len(timeline(connection, 6, before=newest[0].number)) > 0
        assert ladder_positions(connection, "other") == {"P": 2}
    book.decide(6, Decision.DISMISS)
    with book.database.reading() as connection:
        assert ladder_positions(connection, "acme") == {}

"""What staff see of mail that came back: whom a storm touches, a person's bounces, the reports."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.records.bounce_view import Touched, bounces_of, touched_by
from gateway.records.bounces import decide_storm, reopen_storm, storms
from gateway.records.database import Database
from gateway.records.desk_counts import counters
from gateway.records.report_store import ReportState, queue_reports
from policies.returned.classes import BounceClass
from policies.returned.storms import BounceState, StormDecision
from policies.returned.words import Form
from policies.sanctions.words import Grade
from suppression.keys import Keyring

from .cases_world import rules_of
from .returned_world import Returns, numbered


@pytest.fixture
def book(database: Database, keyring: Keyring) -> Returns:
    return Returns(database, rules_of(keyring, "standard"))


def test_a_storm_touches_recipients_of_tenants_until_it_is_decided(book: Returns) -> None:
    """One recipient of two tenants is one; a belief that waits can be taken back; a person's
    bounces are the newest first."""
    for number in range(25):
        book.bounce(numbered(number // 2), tenant=("acme", "beta")[number % 2])
    book.settle()
    person = [book.key(numbered(0))]
    with book.database.transaction() as connection:
        assert touched_by(connection, 1) == Touched(25, 13, ("acme", "beta"))
        assert [one.held for one in storms(connection, number=1)] == [25]
        assert counters(connection, book.now)["storms"] == 1
        decide_storm(connection, 1, StormDecision.BELIEVE, "ann", "gone", book.now, 60)
        assert touched_by(connection, 1) == Touched(0, 0, ())
        waiting = bounces_of(connection, person)
        assert [(one.state, one.due_at) for one in waiting] == [
            (BounceState.PENDING, int(book.now + 60))
        ] * 2
        reopen_storm(connection, 1, "ann", book.now)
        held = bounces_of(connection, person)
    assert [(one.tenant, one.storm, one.state) for one in held] == [
        ("beta", 1, BounceState.HELD),
        ("acme", 1, BounceState.HELD),
    ]
    assert {(one.bounce_class, one.code, one.text) for one in held} == {
        (BounceClass.INVALID_MAILBOX, 550, "no such user")
    }


def test_reports_are_found_oldest_first(book: Returns) -> None:
    """By state, form and grade, behind a number."""
    for grade, form in ((Grade.D, Form.ARF), (Grade.D, Form.XARF), (Grade.C, Form.ARF)):
        book.come(book.complaint(grade, form=form))
    with book.database.reading() as connection:

        def found(**asked: Any) -> list[int]:
            return [one.number for one in queue_reports(connection, **asked)]

        assert found() == [1, 2, 3]
        assert found(after=1, limit=1) == [2]
        assert found(states=[ReportState.WAITING]) == [3]
        assert found(form="arf", grade=Grade.D) == [1]
        assert found(form="") == []

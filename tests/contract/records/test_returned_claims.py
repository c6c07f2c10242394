"""What nobody gets by holding one token of ours, as every recipient does: others, or weight."""

from __future__ import annotations

import pytest

from gateway.records import webhooks
from gateway.records.bounces import storms
from gateway.records.database import Database
from gateway.records.figures import rates_of
from gateway.records.tables import facts, webhook_deliveries
from gateway.words import WebhookKind
from policies.sanctions.words import Grade
from suppression.keys import Keyring

from .cases_world import rules_of
from .returned_world import Returns, numbered, terms


@pytest.fixture
def book(database: Database, keyring: Keyring) -> Returns:
    return Returns(database, rules_of(keyring))


@pytest.mark.sqlite_file
@pytest.mark.parametrize("grade", [Grade.A, Grade.B])
def test_a_mailings_token_counts_for_no_rate_and_tells_the_tenant_of_nobody(
    book: Returns, grade: Grade
) -> None:
    """It waits for a person, whomever it states and however often; also from a listed source, to
    which anybody may report mail of their own with that token in it."""
    with book.database.transaction() as connection:
        webhooks.mark(connection, {"acme": list(WebhookKind)}, book.now)
    for stated in (numbered(1), numbered(2)):
        match = book.match(stated, is_named=False)
        taken = book.come(book.complaint(grade, match=match, address=stated.text))
        assert taken.report is not None
        assert taken.report.grade is Grade.C
    nobody = book.match(key=b"", address="", is_named=False)
    for _ in range(3):
        book.come(book.complaint(grade, match=nobody, address=""))
    with book.database.reading() as connection:
        assert rates_of(connection) == []
    assert book.rows(webhook_deliveries) == book.rows(facts) == []


@pytest.mark.sqlite_file
def test_one_recipients_bounces_are_one_in_the_rates_and_make_no_storm(book: Returns) -> None:
    """Whoever has the token of a copy may write as many as they like."""
    book.terms = terms(count=3)
    for _ in range(5):
        book.bounce(numbered(0), grade=Grade.B)
        book.now += 1
    book.settle()
    with book.database.reading() as connection:
        assert storms(connection) == []
        (rate,) = rates_of(connection)
    assert rate.hard_bounces == 1
    assert book.reasons(numbered(0)) == ["hard_bounce"]

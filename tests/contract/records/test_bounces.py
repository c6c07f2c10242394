"""Bounces: tallied, believed when their time has come, held in a storm, and counted once."""

from __future__ import annotations

from collections import Counter

import pytest

from gateway.records import webhooks
from gateway.records.bounces import UNTIL_FOLLOWED, StormDecided, decide_storm, reopen_storm, storms
from gateway.records.database import Database
from gateway.records.figures import Figure, Rate, add, rates_of
from gateway.records.tables import (
    bounces,
    facts,
    provider_sends,
    suppressions,
    webhook_deliveries,
    windows,
)
from gateway.records.tables import cases as case_table
from gateway.words import WebhookKind
from policies.returned.classes import BounceClass
from policies.returned.storms import StormDecision
from policies.returned.words import Action, Form
from policies.sanctions.words import Grade
from policies.terms import DAY
from suppression.keys import Keyring

from .cases_world import rules_of
from .conftest import NOW
from .returned_world import JAN, WITHIN, Returns, numbered, terms


@pytest.fixture
def book(database: Database, keyring: Keyring) -> Returns:
    return Returns(database, rules_of(keyring, "standard"))


def states(book: Returns) -> Counter[str]:
    """How many bounces stand where."""
    return Counter(row.state for row in book.rows(bounces))


def test_an_unknown_mailbox_is_believed_when_no_storm_has_come(book: Returns) -> None:
    """Ten minutes later, and not before: suppressed, a fact, a figure, and the tenant told."""
    with book.database.transaction() as connection:
        webhooks.mark(connection, {"acme": [WebhookKind.SUPPRESSED]}, NOW)
    told = book.bounce()
    assert [event.kind for event in told] == ["bounce.received"]
    assert book.settle(WITHIN - 1) == []
    assert book.reasons() == []
    events = book.settle(1)
    assert [event.kind for event in events] == ["bounce.believed", "fact.recorded"]
    assert book.reasons() == ["hard_bounce"]
    assert [row.kind for row in book.rows(webhook_deliveries)] == [WebhookKind.SUPPRESSED]
    (fact,) = book.rows(facts)
    assert (fact.kind, fact.grade, fact.mailing) == ("hard-bounce", None, "m1")
    with book.database.reading() as connection:
        assert rates_of(connection, by=("mailing",)) == [Rate("acme", mailing="m1", hard_bounces=1)]


def test_a_bounce_counts_once(book: Returns) -> None:
    """By its mark; and one recipient is one fact of a mailing, however often it bounces."""
    for mark in ("one", "one", "two"):
        book.bounce(mark=mark)
    book.bounce(mark="three", mailing="m2")
    book.settle()
    assert states(book) == {"believed": 3}
    assert [row.mailing for row in book.rows(facts)] == ["m1", "m2"]
    assert len(book.entries_of()) == 1


@pytest.mark.sqlite_file
@pytest.mark.parametrize(
    ("bounce_class", "days", "reason"),
    [
        (BounceClass.DEAD_DOMAIN, 2, "hard_bounce"),
        (BounceClass.FULL, 3, "soft_bounce"),
        (BounceClass.ROUTING, 5, "soft_bounce"),
    ],
)
def test_other_classes_need_several_days(
    book: Returns, bounce_class: BounceClass, days: int, reason: str
) -> None:
    """One bad day is one, however much it bounces; what is older than the span is none."""
    book.bounce(bounce_class=bounce_class)
    book.now += 15 * DAY
    for _ in range(days - 1):
        book.bounce(bounce_class=bounce_class)
        book.bounce(bounce_class=bounce_class)
        assert book.reasons() == []
        book.now += DAY
    book.bounce(bounce_class=bounce_class)
    assert book.reasons() == [reason]
    assert len(book.rows(facts)) == (reason == "hard_bounce")


@pytest.mark.sqlite_file
@pytest.mark.parametrize(
    "bounce_class", [one for one in BounceClass if not one.is_recipients], ids=str
)
def test_what_is_not_the_recipients_fault_suppresses_nobody(
    book: Returns, bounce_class: BounceClass
) -> None:
    """Policy, spam, size, content, trouble of ours: never, by whichever way it is said."""
    for grade in (None, Grade.B):
        for _ in range(10):
            book.bounce(bounce_class=bounce_class, grade=grade)
            book.now += DAY
    book.settle()
    assert book.rows(suppressions) == book.rows(facts) == []


@pytest.mark.sqlite_file
@pytest.mark.parametrize("action", [Action.DELAYED, Action.RELAYED, Action.EXPANDED])
def test_what_has_not_failed_changes_nothing(book: Returns, action: Action) -> None:
    """A delay is no failure, and a relay no delivery."""
    assert book.bounce(action=action, grade=Grade.B) == ()
    assert book.settle() == []
    assert book.rows(bounces) == book.rows(suppressions) == []


def test_a_delivery_lifts_soft_bounces_and_begins_the_tally_anew(book: Returns) -> None:
    """What came before it is forgotten, a bounce that waits included; a hard bounce stays."""
    for _ in range(3):
        book.bounce(bounce_class=BounceClass.FULL)
        book.now += DAY
    assert book.reasons() == ["soft_bounce"]
    book.bounce()
    told = book.bounce(action=Action.DELIVERED, grade=Grade.B)
    assert [event.kind for event in told] == ["bounce.received", "bounce.lifted"]
    assert book.reasons() == []
    assert [event.kind for event in book.settle()] == ["bounce.released"]
    for _ in range(2):
        book.now += DAY
        book.bounce(bounce_class=BounceClass.FULL)
    assert book.reasons() == []
    book.bounce()
    book.settle()
    book.bounce(action=Action.DELIVERED, grade=Grade.B)
    assert book.reasons() == ["hard_bounce"]


@pytest.mark.sqlite_file
def test_hard_bounces_end_later_each_time(book: Returns) -> None:
    """90 days, then a year, then never."""
    for days in (91, 366):
        book.bounce()
        book.settle()
        assert book.reasons() == ["hard_bounce"]
        book.now += days * DAY
        assert book.reasons() == []
    book.bounce()
    book.settle()
    assert book.entries_of()[-1].ends_at is None


@pytest.mark.sqlite_file
@pytest.mark.parametrize(
    ("grade", "phase"), [(None, "open"), (Grade.B, "undecided")], ids=["reply", "report"]
)
def test_the_threshold_blocks_by_replies_and_asks_a_person_about_reports(
    book: Returns, grade: Grade | None, phase: str
) -> None:
    """8 % of 200: the sixteenth report opens the case at its grade, fifteen warn the tenant. What
    the next hop has refused was not delivered and adds to what was sent: of 185 the seventeenth."""
    few, delivered = (16, 185) if grade is None else (15, 200)
    row = {"key": "rate:delivered:acme", "seconds": 86_400, "start": int(NOW), "amount": delivered}
    with book.database.transaction() as connection:
        connection.execute(windows.insert(), row)
    for number in range(few):
        book.bounce(numbered(number, f"p{number}.example"), grade=grade)
    book.settle()
    (case,) = book.rows(case_table)
    assert (case.phase, '"warning"' in case.state) == ("watching", True)
    book.bounce(numbered(few), grade=grade)
    book.settle()
    (case,) = book.rows(case_table)
    assert case.phase == phase


def test_a_bounce_that_outran_its_copy_is_charged_to_its_mailing(book: Returns) -> None:
    """A server may return a mail before the journal has it: when that is believed the mailing's
    domain is known, and no other of the tenant's is blamed."""
    book.own("acme.example", "shop.example")
    with book.database.transaction() as connection:
        for mailing, domain in (("m1", "acme.example"), ("m2", "shop.example")):
            add(connection, NOW, "acme", "weekly", mailing, domain, Figure.OFFERED)
    book.bounce(domain="", grade=Grade.B)
    book.settle()
    assert [(row.domain, row.state) for row in book.rows(bounces)] == [("acme.example", "believed")]
    (case,) = book.rows(case_table)
    assert '"domains":["acme.example"]' in case.state
    with book.database.reading() as connection:
        blamed = [rate.domain for rate in rates_of(connection, by=("domain",)) if rate.hard_bounces]
    assert blamed == ["acme.example"]


def test_a_bounce_of_a_copy_that_is_not_journalled_yet_waits_for_its_domain(book: Returns) -> None:
    """For seconds, though its class waits for no storm; where there is one it is no part of it."""
    storm(book)
    early = numbered(99)
    book.bounce(early, bounce_class=BounceClass.FULL, domain="", grade=Grade.B)
    with book.database.transaction() as connection:
        add(connection, NOW, "acme", "weekly", "m1", "acme.example", Figure.OFFERED)
    book.settle(UNTIL_FOLLOWED)
    rows = {row.key: row for row in book.rows(bounces)}
    row = rows.pop(book.key(early))
    assert (row.domain, row.state) == ("acme.example", "believed")
    assert {one.state for one in rows.values()} == {"held"}


# ---- storms -------------------------------------------------------------------------------------


def storm(book: Returns, amount: int = 25, first: int = 0) -> None:
    """So many unknown mailboxes of one provider within five minutes."""
    for number in range(first, first + amount):
        book.bounce(numbered(number))
        book.now += 300 / amount


def decide(book: Returns, number: int, decision: StormDecision) -> None:
    with book.database.transaction() as connection:
        decide_storm(connection, number, decision, "ann", "it was down", book.now)


def test_a_storm_is_held_whole(book: Returns) -> None:
    """The first bounce and the last: nobody is suppressed; another provider's are believed."""
    book.sent("example.org", 80)
    book.bounce()
    storm(book)
    kinds = Counter(event.kind for event in book.settle())
    assert kinds == {
        "storm.begun": 1,
        "bounce.held": 25,
        "bounce.believed": 1,
        "fact.recorded": 1,
    }
    assert [entry.key for entry in book.entries_of()] == [book.key()]
    assert len(book.rows(suppressions)) == 1
    with book.database.reading() as connection:
        (found,) = storms(connection)
    assert (found.provider, found.unknown, found.sent) == ("example.org", 25, 80)
    assert (found.held, found.tenants, found.decision) == (25, 1, None)


@pytest.mark.sqlite_file
@pytest.mark.parametrize(("amount", "sent"), [(24, 24), (25, 84)])
def test_a_few_bounces_or_a_small_share_are_no_storm(book: Returns, amount: int, sent: int) -> None:
    """24 are too few, 25 of 84 less than 30 %."""
    book.sent("example.org", sent)
    storm(book, amount)
    book.settle()
    assert states(book) == {"believed": amount}


def test_a_storm_is_released_or_believed_by_a_person_once(book: Returns) -> None:
    """Released bounces are as if they had never been; believed ones do what they always do."""
    storm(book)
    book.settle()
    decide(book, 1, StormDecision.RELEASE)
    assert book.settle() == []
    assert states(book) == {"released": 25}
    assert book.rows(suppressions) == book.rows(facts) == []
    book.now += DAY
    storm(book)
    book.settle()
    decide(book, 2, StormDecision.BELIEVE)
    events = Counter(event.kind for event in book.settle(0))
    assert events["bounce.believed"] == 25
    assert len(book.rows(suppressions)) == 25
    with pytest.raises(StormDecided, match="by ann"):
        decide(book, 2, StormDecision.RELEASE)
    with pytest.raises(LookupError):
        decide(book, 3, StormDecision.RELEASE)
    with book.database.reading() as connection:
        assert storms(connection) == []
        decisions = [one.decision for one in storms(connection, is_open=False)]
    assert decisions == [StormDecision.BELIEVE, StormDecision.RELEASE]


@pytest.mark.sqlite_file
@pytest.mark.parametrize("decision", StormDecision)
def test_a_decision_is_taken_back_while_it_has_had_no_effect(
    book: Returns, decision: StormDecision
) -> None:
    """A belief that waits a minute suppresses nobody until then; taken back, all of it is held
    again; too late, or in the provider's next storm, it stays."""
    storm(book)
    book.settle()
    for wait in (60, 60, 0):
        with book.database.transaction() as connection:
            decide_storm(connection, 1, decision, "ann", "it was down", book.now, wait)
        if not wait:
            break
        assert book.settle(59) == []
        with book.database.transaction() as connection:
            (event,) = reopen_storm(connection, 1, "ann", book.now)
            (found,) = storms(connection)
        assert (event.kind, found.held, found.reason) == ("storm.reopened", 25, None)
        assert states(book) == {"held": 25}
    book.settle(0)
    if decision is StormDecision.RELEASE:
        book.now -= 700
        book.bounce(numbered(100))
        book.settle()
    with book.database.transaction() as connection, pytest.raises(StormDecided):
        reopen_storm(connection, 1, "ann", book.now)
    assert states(book)["held"] == (decision is StormDecision.RELEASE)


def test_stragglers_of_a_storm_are_held_with_it(book: Returns) -> None:
    """What comes within its span after it joins it; what comes a day later is judged by itself."""
    storm(book)
    book.settle(WITHIN - 60)
    book.bounce(numbered(100))
    book.settle()
    assert states(book) == {"held": 26}
    book.now += DAY
    book.bounce(numbered(101))
    book.settle()
    assert states(book) == {"held": 26, "believed": 1}


@pytest.mark.sqlite_file
def test_stragglers_of_a_decided_storm_are_a_storm_of_their_own(book: Returns) -> None:
    """It is held whole when its first bounce is due; a provider's trouble does not end because a
    person has looked at it."""
    storm(book)
    book.settle(300)
    assert states(book) == {"held": 25}
    decide(book, 1, StormDecision.RELEASE)
    book.now -= 200
    book.bounce(numbered(100))
    book.settle()
    with book.database.reading() as connection:
        (found,) = storms(connection)
    assert (found.number, found.held) == (2, 1)


@pytest.mark.sqlite_file
def test_thresholds_of_a_storm_are_the_configurations(book: Returns) -> None:
    """Another count, share and span."""
    book.terms = terms(count=2, percent=100, within=60)
    book.sent("example.org", 2)
    storm(book, 2)
    book.settle(60)
    assert states(book) == {"believed": 2}
    book.now += DAY
    book.bounce(numbered(7))
    book.bounce(numbered(8))
    book.settle(60)
    assert states(book)["held"] == 2


def test_what_was_sent_is_forgotten_soon(book: Returns) -> None:
    """It serves storms only."""
    book.sent("example.org", 5)
    book.sent("example.org", 6)
    assert [row.amount for row in book.rows(provider_sends)] == [11]
    book.now += DAY
    book.bounce()
    book.settle()
    assert book.rows(provider_sends) == []


@pytest.mark.sqlite_file
def test_what_was_sent_is_known_until_all_that_waited_is_judged(book: Returns) -> None:
    """Nobody led for hours: the last of many bounces are judged like the first."""
    book.sent("example.org", 1_000)
    for number in range(30):
        book.bounce(numbered(number))
    book.settle(3 * 3600)
    assert states(book) == {"believed": 30}


# ---- by mail ------------------------------------------------------------------------------------


def test_a_bounce_mail_with_our_token_is_a_bounce(book: Returns) -> None:
    """Taken once, whatever mailbox of the same token it came to; there is no report to decide."""
    bounce = book.bounced(grade=Grade.B, mark="")
    mail = book.complaint(Grade.B, form=Form.DSN, mailbox="bounce", type=None, bounce=bounce)
    taken, again = book.come(mail), book.come(mail)
    assert (taken.report, taken.is_new, again.is_new) == (None, True, False)
    book.settle()
    assert book.reasons() == ["hard_bounce"]
    assert [(row.grade, row.kind) for row in book.rows(facts)] == [("B", "hard-bounce")]


@pytest.mark.sqlite_file
@pytest.mark.parametrize("grade", [Grade.C, Grade.D])
def test_a_bounce_mail_without_our_token_is_believed_by_nobody(book: Returns, grade: Grade) -> None:
    """It is on record as unmatched, however well it says whom it is about."""
    bounce = book.bounced(grade=grade, mark="")
    taken = book.come(book.complaint(grade, form=Form.DSN, type=None, bounce=bounce))
    assert taken.report is not None
    assert (taken.report.state, taken.report.type) == ("unmatched", "bounce")
    assert book.settle() == []
    assert book.rows(bounces) == book.rows(suppressions) == []


@pytest.mark.sqlite_file
def test_no_address_stands_in_a_bounce(book: Returns) -> None:
    """Servers repeat addresses; they are masked."""
    book.bounce(text=f"<{JAN.text}>: no such user")
    (row,) = book.rows(bounces)
    assert "kowalski" not in row.text.lower()

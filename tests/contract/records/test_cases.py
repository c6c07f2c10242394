"""Facts and the cases they fold into: one transaction for each change, whatever follows from it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError

from gateway.errors import StoreUnavailable
from gateway.presets import read_preset
from gateway.records import audit, case_effects, notices, webhooks
from gateway.records.case_change import open_by_hand
from gateway.records.cases import take_fact
from gateway.records.database import Database
from gateway.records.deletions import acknowledge
from gateway.records.policy_versions import remember
from gateway.records.receipts import begin, clear, finish
from gateway.records.suppressions import Draft, add
from gateway.records.tables import audit as audit_table
from gateway.records.tables import (
    blocks,
    case_entries,
    cases,
    facts,
    fees,
    webhook_deliveries,
)
from gateway.records.tables import notices as notice_table
from gateway.sanctions.ticker import Ticker
from gateway.words import Address, WebhookKind
from policies.sanctions.case import Counts, FeeState, Handed
from policies.sanctions.engine import Refused
from policies.sanctions.words import Decision, Excuse, FactKind, Phase
from policies.terms import StreamTerms
from suppression.keys import Keyring
from suppression.precedence import Lifter
from suppression.standing import Reason
from tests.contract.records.places import again

from .cases_world import COMPLAINT, FACT, Book, rules_of
from .conftest import NOW

DAY = 86_400
JAN = Address("jan@example.org", "jan", "example.org")
EVE = Address("eve@example.org", "eve", "example.org")


@pytest.fixture
def book(database: Database, keyring: Keyring) -> Book:
    return Book(database, rules_of(keyring))


# ---- folding ------------------------------------------------------------------------------------


def test_facts_fold_into_one_case_until_its_notice(book: Book) -> None:
    """Forty facts on one mailing are one case, and so is what comes to light after its notice but
    was sent before; another ladder, mailing, or mail sent after the notice opens one."""
    taken = [book.take(replace(FACT, ref=f"r{i}")) for i in range(40)]
    assert {one.case.id for one in taken if one.case} == {1}
    defiance = replace(FACT, kind=FactKind.BATCH_DEFIANCE, key=b"")
    further = [defiance, replace(FACT, mailing="m2"), replace(FACT, tenant="other")]
    assert [one.case.id for one in map(book.take, further) if one.case] == [2, 3, 4]
    book.notify(1)
    late = book.take(replace(FACT, ref="late")).case
    assert late is not None
    assert (late.id, late.step, late.facts) == (1, "P1", 41)
    after = book.take(replace(FACT, at=NOW + 3600)).case
    assert after is not None
    assert (after.id, after.step) == (5, "P3")
    assert [row.step for row in book.rows(cases)] == ["P1", "B1", "P2", "P1", "P3"]
    assert len([row for row in book.rows(facts) if row.case_id == 1]) == 41


async def test_facts_that_come_at_once_from_two_processes_fold(book: Book) -> None:
    """Writers wait for each other, so that two can never both find no case."""
    second = again(book.database)

    def take(number: int) -> Callable[[Any], object]:
        fact = replace(FACT, ref=f"r{number}")
        return lambda c: take_fact(c, fact, Counts(), book.rules, NOW)

    async with asyncio.TaskGroup() as group:
        for number in range(30):
            for database in (book.database, second):
                group.create_task(database.write(take(number)))
    second.close()
    (case,) = book.rows(cases)
    assert len(book.rows(facts)) == 60
    assert '"facts":60' in case.state


def test_the_database_itself_lets_no_second_case_fold(book: Book) -> None:
    """The unique index is the belt to the writer's braces."""
    book.take()
    (row,) = book.rows(cases)
    twin = dict(row._mapping) | {"id": 2, "tracking": b"t" * 16}
    with pytest.raises(StoreUnavailable) as caught, book.database.transaction() as connection:
        connection.execute(cases.insert(), twin)
    assert isinstance(caught.value.__cause__, IntegrityError)


def test_a_reopened_case_does_not_take_the_place_of_the_one_that_folds_now(book: Book) -> None:
    """Two that fold the same mailing cannot be; the person is told which one there is."""
    book.take()
    book.decide(1, Decision.DISMISS)
    book.take()
    with pytest.raises(Refused, match="C-000002"):
        book.decide(1, Decision.REOPEN)
    assert book.rows(cases)[0].phase == Phase.CLOSED


def test_a_case_that_a_person_opens_folds_into_no_other(book: Book) -> None:
    """Two instructions are two cases, each with its reason; what no ladder takes is refused."""
    with book.database.transaction() as connection:
        for _ in range(2):
            fact = replace(FACT, kind=FactKind.INSTRUCTION, mailing="m1", domains=())
            open_by_hand(connection, fact, "ann", "mend it", NOW, book.rules)
        unknown = replace(FACT, kind=FactKind.HARD_BOUNCE)
        with pytest.raises(Refused, match="no ladder"):
            open_by_hand(connection, unknown, "ann", "because", NOW, book.rules)
    assert [row.mailing for row in book.rows(cases)] == ["", ""]
    assert book.entries(1)[0].detail["reason"] == "mend it"


# ---- one transaction ----------------------------------------------------------------------------


def mark_webhook(book: Book) -> None:
    """`acme` wants to be told everything."""
    with book.database.transaction() as connection:
        webhooks.mark(connection, {"acme": list(WebhookKind)}, NOW)


EVERYTHING = (cases, case_entries, facts, blocks, fees, notice_table, webhook_deliveries)


def test_all_that_follows_is_there_with_the_fact(book: Book) -> None:
    """Case, timeline, audit, block, notice and webhooks: each by the time the fact is."""
    mark_webhook(book)
    taken = book.take()
    assert [len(book.rows(table)) for table in EVERYTHING] == [1, 3, 1, 1, 0, 1, 2]
    assert [entry.kind for entry in book.entries(1)] == [
        "case.opened",
        "case.blocked",
        "notice.queued",
    ]
    assert [event.kind for event in taken.events] == [
        "fact.recorded",
        "case.opened",
        "case.blocked",
    ]
    recorded = taken.events[0].detail
    assert recorded["case"] == "C-000001"
    assert recorded["domains"] == ["acme.example"]
    queued = {row.kind for row in book.rows(webhook_deliveries)}
    assert queued == {"case.opened", "case.blocked"}
    actions = [row.action for row in book.rows(audit_table)]
    assert {"case.opened", "block.added", "case.blocked", "notice.queued"} <= set(actions)
    with book.database.reading() as connection:
        assert audit.verify(connection) is None


@pytest.mark.parametrize(
    ("where", "name"),
    [
        (notices, "queue"),
        (webhooks, "queue"),
        (case_effects, "add_block"),
        (case_effects, "write_entry"),
    ],
)
def test_what_fails_half_way_has_never_been(
    book: Book, monkeypatch: pytest.MonkeyPatch, where: object, name: str
) -> None:
    """Whichever consequence cannot be written, neither the fact nor any other is."""
    mark_webhook(book)
    before = [book.rows(table) for table in (*EVERYTHING, audit_table)]

    def fail(*_: object, **__: object) -> None:
        raise StoreUnavailable("the disk is full")

    monkeypatch.setattr(where, name, fail)
    with pytest.raises(StoreUnavailable):
        book.take()
    assert [book.rows(table) for table in (*EVERYTHING, audit_table)] == before


def test_a_refused_decision_changes_nothing(book: Book) -> None:
    """No row, no entry, no audit record of what was not allowed."""
    book.take()
    before = [book.rows(table) for table in (*EVERYTHING, audit_table)]
    with pytest.raises(Refused):
        book.decide(1, Decision.ACCEPT)
    assert [book.rows(table) for table in (*EVERYTHING, audit_table)] == before


def test_fees_follow_their_case_and_say_who_decided(book: Book) -> None:
    """Proposed with each report, issued and paid by people, with reasons."""
    book.take()
    book.notify(1)
    for number in range(3):
        book.report(replace(COMPLAINT, mailing="m2", key=bytes([number]) * 16))
    (fee,) = book.rows(fees)
    assert (fee.case_id, fee.amount, fee.count, fee.state) == (2, 13_500, 3, FeeState.PROPOSED)
    book.decide(2, Decision.ISSUE_FEE, "bob", fee=1)
    book.decide(2, Decision.PAY_FEE, "eve", fee=1)
    (fee,) = book.rows(fees)
    assert (fee.state, fee.decided_by, fee.reason, fee.paid_by) == ("paid", "bob", "because", "eve")


# ---- fairness -----------------------------------------------------------------------------------


def test_an_entry_younger_than_a_day_gives_no_strike(book: Book) -> None:
    """Unless an older one protects the address too; excused facts are stored without a case."""
    with book.database.transaction() as connection:
        draft = Draft(Reason.PROTECTED, "*", Lifter.OPERATOR, "list")
        young, _ = add(connection, book.rules.keyring, JAN, draft, NOW)
        old, _ = add(connection, book.rules.keyring, EVE, draft, NOW - DAY)
    excused = book.take(entries=[young])
    assert (excused.fact.excuse, excused.case) == (Excuse.YOUNG, None)
    assert excused.events[0].detail["excuse"] == "young"
    assert book.take(entries=[young, old]).case is not None
    assert [row.case_id for row in book.rows(facts)] == [None, 1]


def test_what_a_valid_pre_check_cleared_gives_no_strike(book: Book, stream: StreamTerms) -> None:
    """Only for the stream it was asked for, once the check is complete and until it ends."""
    with book.database.transaction() as connection:
        receipt = begin(connection, stream.id, 1, "api", NOW)
        clear(connection, receipt, [FACT.key], [FACT.key])
    unfinished = book.take(replace(FACT, mailing="m0"))
    with book.database.transaction() as connection:
        finish(connection, receipt, 1, 1, {}, b"d" * 32, "api", NOW)
    assert unfinished.fact.excuse is None
    assert book.take().fact.excuse is Excuse.CLEARED
    assert book.take(replace(FACT, stream="daily")).fact.excuse is None
    book.now = receipt.ends_at
    assert book.take(replace(FACT, mailing="m2", at=book.now)).fact.excuse is None


def test_mail_to_who_was_said_to_be_deleted_is_aggravated(book: Book) -> None:
    """A complaint ignored after the tenant's own word knows no excuse, and is marked."""
    ignored = replace(FACT, kind=FactKind.COMPLAINT_IGNORED)
    with book.database.transaction() as connection:
        draft = Draft(Reason.COMPLAINT, "acme", Lifter.OPERATOR, "phone")
        young, _ = add(connection, book.rules.keyring, JAN, draft, NOW)
    assert book.take(ignored, entries=[young]).fact.excuse is Excuse.YOUNG
    with book.database.transaction() as connection:
        acknowledge(connection, "acme", [FACT.key], "acme:status", NOW)
    taken = book.take(ignored, entries=[young])
    assert (taken.fact.excuse, taken.is_aggravated) == (None, True)
    assert taken.events[0].detail["aggravated"] is True
    assert taken.case is not None


def test_a_kind_that_no_ladder_takes_is_recorded_only(database: Database, keyring: Keyring) -> None:
    """The standard contract makes nothing of parallel batches."""
    book = Book(database, rules_of(keyring, "standard"))
    taken = book.take(replace(FACT, kind=FactKind.BATCH_DEFIANCE, key=b""))
    assert taken.case is None
    assert len(book.rows(facts)) == 1
    assert book.rows(cases) == []


# ---- versions of the policy ---------------------------------------------------------------------


def test_a_case_runs_under_the_policy_in_force_when_its_mail_was_sent(
    book: Book, keyring: Keyring
) -> None:
    """A contract that changes goes for later mail; a report about earlier mail is judged by the
    earlier one, and so is a case that is open."""
    with book.database.transaction() as connection:
        remember(connection, book.rules, NOW - 10 * DAY)
    book.take()
    old = book.rows(cases)[0].policy
    (ladder, *others) = read_preset("niebieski").ladders
    stricter = replace(
        read_preset("niebieski"),
        name="stricter",
        ladders=(replace(ladder, steps=ladder.steps[1:]), *others),
    )
    book.rules = rules_of(keyring, stricter)
    with book.database.transaction() as connection:
        remember(connection, book.rules, NOW)
        remember(connection, book.rules, NOW + 1)
    late = replace(COMPLAINT, mailing="m2", sent_at=NOW - DAY)
    assert book.report(late).case is not None
    book.take(replace(FACT, mailing="m3"))
    rows = book.rows(cases)
    assert [row.policy == old for row in rows] == [True, True, False]
    assert [row.step for row in rows] == ["P1", "P2", "P3"]
    book.notify(1)
    book.let(1, Handed("screenshot", "acme:status"))
    changed = book.let(1, Handed("protection-confirmed", "acme:status")).case
    assert changed.phase is Phase.SUBMITTED
    changes = [row for row in book.rows(audit_table) if row.action == "policy.changed"]
    assert len(changes) == 6


# ---- time ---------------------------------------------------------------------------------------


async def test_the_ticker_moves_what_is_due_and_nothing_else(book: Book) -> None:
    """Half of thirty days after the notice a reminder is queued and told; before that nothing; a
    case that cannot be moved holds up no other."""
    events: list[Any] = []
    ticker = Ticker(book.database, lambda: book.rules, events.append, lambda: book.now)
    book.take()
    book.take(replace(FACT, tenant="other"))
    book.notify(1)
    book.notify(2)
    assert await ticker.run() == 0
    book.now = NOW + 15 * DAY
    with book.database.transaction() as connection:
        connection.execute(cases.update().where(cases.c.id == 1).values(policy="unknown"))
    with book.database.transaction() as connection:
        (row,) = connection.execute(cases.select().where(cases.c.id == 1)).all()
        broken = row.state.replace(row.state.split('"policy":"')[1].split('"')[0], "unknown")
        connection.execute(cases.update().where(cases.c.id == 1).values(state=broken))
    assert await ticker.run() == 1
    assert [event.kind for event in events] == ["case.stuck", "case.deadline"]
    assert events[0].detail["case"] == "C-000001"
    assert [row.kind for row in book.rows(notice_table)][-1] == "reminder-half"
    assert await ticker.run() == 0
    assert len(events) == 2


async def test_a_store_that_is_away_keeps_what_is_due(
    book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The round fails as a whole; the next one moves the case."""
    ticker = Ticker(book.database, lambda: book.rules, lambda _: None, lambda: book.now)
    book.take()
    book.notify(1)
    book.now = NOW + 31 * DAY

    async def away(_work: object) -> None:
        raise StoreUnavailable("no disk")

    with monkeypatch.context() as patched:
        patched.setattr(book.database, "write", away)
        with pytest.raises(StoreUnavailable):
            await ticker.run()
    assert await ticker.run() == 1
    assert book.rows(cases)[0].phase == Phase.OVERDUE

"""Complaints by grade of evidence, what people decide about them, and fees as they are exported."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace

import pytest

from gateway.message.address import parse_mailbox
from gateway.records import reports, webhooks
from gateway.records.database import Database
from gateway.records.erasure import erase
from gateway.records.fees import StoredFee, export_csv, list_fees, plain_fee
from gateway.records.holdings import about
from gateway.records.reports import Report, ReportDecided, ReportDecision, ReportState, ReportTaken
from gateway.records.subjects import plain_texts
from gateway.records.tables import cases, facts, mailings, webhook_deliveries, windows
from gateway.records.tables import notices as notice_table
from gateway.records.tables import reports as report_table
from gateway.words import WebhookKind
from policies.sanctions.case import FeeState
from policies.sanctions.words import Decision, Grade, NoticeKind, Phase
from suppression.keys import Keyring

from .cases_world import COMPLAINT, Book, rules_of
from .conftest import NOW

JAN = parse_mailbox("jan@example.org")


@pytest.fixture
def book(database: Database, keyring: Keyring) -> Book:
    return Book(database, rules_of(keyring))


def decide(book: Book, number: int, decision: ReportDecision, **match: str) -> ReportTaken:
    with book.database.transaction() as connection:
        return reports.decide_report(
            connection, number, decision, "ann", "checked", book.now, book.rules, **match
        )


def graded(grade: Grade) -> Report:
    return replace(COMPLAINT, grade=grade, key=grade.encode() * 16)


def test_only_grade_a_moves_a_case_by_itself(book: Book) -> None:
    """A is a fact and blocks; B and C wait, D is nobody's: none of them changes anything."""
    waiting = [book.report(graded(grade)) for grade in (Grade.B, Grade.C, Grade.D)]
    assert [one.report.state for one in waiting] == [
        ReportState.WAITING,
        ReportState.WAITING,
        ReportState.UNMATCHED,
    ]
    assert book.rows(cases) == []
    assert book.rows(facts) == []
    taken = book.report()
    assert taken.case is not None
    assert taken.case.blocked
    assert taken.report.state is ReportState.COUNTED
    told = [event.kind for event in taken.events]
    assert told == [
        "report.received",
        "fact.recorded",
        "case.opened",
        "case.blocked",
        "report.decided",
    ]


def test_grade_a_needs_a_listed_source_and_a_tenant(book: Book) -> None:
    """What an unknown source signed is B, what is of nobody is D, whatever they claim."""
    assert book.report(replace(COMPLAINT, source="stranger.example")).report.grade is Grade.B
    assert book.report(replace(COMPLAINT, tenant="")).report.grade is Grade.D
    assert book.rows(cases) == []


def test_forty_reports_on_one_mailing_are_one_case(book: Book) -> None:
    """At the first step there is no fee; the tenant is told of each complaint."""
    for number in range(40):
        book.report(replace(COMPLAINT, key=bytes([number]) * 16))
    (case,) = book.rows(cases)
    assert case.step == "P1"
    assert json.loads(case.state)["reports"] == 40
    kinds = [row.kind for row in book.rows(notice_table)]
    assert kinds.count(NoticeKind.REPORT) == 40
    assert kinds.count(NoticeKind.OPENED) == 1
    with book.database.reading() as connection:
        assert list_fees(connection) == []


def test_a_person_counts_dismisses_and_matches(book: Book) -> None:
    """Counted it is a fact with its grade and the person's name; nothing is decided twice."""
    counted = book.report(graded(Grade.B)).report
    dismissed = book.report(graded(Grade.C)).report
    unmatched = book.report(replace(graded(Grade.D), tenant="", mailing="")).report
    taken = decide(book, counted.number, ReportDecision.COUNT)
    assert taken.case is not None
    assert taken.case.phase is Phase.OPEN
    (fact,) = book.rows(facts)
    assert (fact.grade, fact.actor, taken.report.fact) == ("B", "ann", fact.id)
    state = decide(book, dismissed.number, ReportDecision.DISMISS).report.state
    assert state is ReportState.DISMISSED
    for number in (counted.number, dismissed.number):
        with pytest.raises(ReportDecided):
            decide(book, number, ReportDecision.COUNT)
    with pytest.raises(ReportDecided, match="match it"):
        decide(book, unmatched.number, ReportDecision.COUNT)
    with pytest.raises(ReportDecided, match="no tenant"):
        decide(book, unmatched.number, ReportDecision.MATCH, tenant="nobody")
    matched = decide(book, unmatched.number, ReportDecision.MATCH, tenant="other", stream="news")
    assert (matched.report.state, matched.report.grade) == (ReportState.WAITING, Grade.C)
    case = decide(book, unmatched.number, ReportDecision.COUNT).case
    assert case is not None
    assert (case.tenant, case.domains) == ("other", ("other.example",))
    with pytest.raises(LookupError):
        decide(book, 99, ReportDecision.COUNT)


def test_reports_that_name_no_mailing_are_of_the_streams_latest(book: Book) -> None:
    """So forty of them are one violation; without any mailing, those of one day are."""
    unnamed = replace(COMPLAINT, mailing="")
    with book.database.transaction() as connection:
        row = {"stream": "acme/weekly", "id": "m7", "started_at": NOW, "last_at": NOW}
        connection.execute(mailings.insert(), row)
    for stream in ("weekly", "daily", "daily"):
        book.report(replace(unnamed, stream=stream))
    assert [row.mailing for row in book.rows(cases)] == ["m7", "reports-270115"]


@pytest.mark.parametrize("mailing", ["270110-9f3c01ab", "m7"])
def test_a_late_report_on_a_mailing_climbs_no_step(book: Book, mailing: str) -> None:
    """What it sent went out before the notice that ended it; the next mailing is the next step."""
    with book.database.transaction() as connection:
        row = {"stream": "acme/weekly", "id": "m7", "started_at": NOW - 60, "last_at": NOW}
        connection.execute(mailings.insert(), row)
    late = replace(COMPLAINT, mailing=mailing)
    assert book.report(late).case is not None
    book.notify(1)
    book.now += 5 * 86_400
    again = book.report(replace(late, key=b"l" * 16, received_at=book.now)).case
    assert again is not None
    assert (again.id, again.reports) == (1, 2)
    following = book.report(replace(late, mailing="270120-00000000")).case
    assert following is not None
    assert following.step == "P2"


def test_the_standard_contract_counts_complaints_among_the_delivered(
    database: Database, keyring: Keyring
) -> None:
    """3 among 1,000 delivered block, as the last checkpoint has them; 999 are too few to judge."""
    book = Book(database, rules_of(keyring, "standard"))

    def deliver(copies: int) -> None:
        key = "rate:delivered:acme"
        row = {"key": key, "seconds": 86_400, "start": int(NOW) - 300, "amount": copies}
        with book.database.transaction() as connection:
            connection.execute(windows.delete())
            connection.execute(windows.insert(), row)

    deliver(999)
    for number in range(3):
        case = book.report(replace(COMPLAINT, key=bytes([number]) * 16)).case
        assert case is not None
        assert case.phase is Phase.WATCHING
    deliver(1000)
    case = book.report(replace(COMPLAINT, key=b"z" * 16)).case
    assert case is not None
    assert case.blocked


@pytest.mark.parametrize(("preset", "passed_on"), [("niebieski", True), ("standard", False)])
def test_the_address_goes_to_the_webhook_where_the_contract_passes_it_on(
    database: Database, keyring: Keyring, preset: str, passed_on: bool
) -> None:
    """Told of grade A and B at once, with the address only by such a contract; C and D are not."""
    book = Book(database, rules_of(keyring, preset))
    with database.transaction() as connection:
        webhooks.mark(connection, {"acme": [WebhookKind.REPORT_RECEIVED]}, NOW)
    for grade in (Grade.B, Grade.C, Grade.D):
        book.report(graded(grade))
    (told,) = book.rows(webhook_deliveries)
    assert json.loads(told.payload)["grade"] == "B"
    assert "jan@example.org" not in str(told)
    with database.reading() as connection:
        opened = plain_texts(connection, keyring, [told.subject or 0])
    assert list(opened.values()) == ["jan@example.org"] * passed_on


def test_what_a_stranger_wrote_is_sealed_shown_to_its_owner_and_erased(book: Book) -> None:
    """A person sees their complaint; after an erasure nobody can read it, and it can be counted
    still."""
    key = book.rules.keyring.exact_key(JAN)
    report = book.report(replace(COMPLAINT, grade=Grade.B, key=key)).report
    assert "never asked" not in str(book.rows(report_table))
    with book.database.reading() as connection:
        words = reports.words_of(connection, book.rules.keyring, report)
        assert words == {"address": "jan@example.org", "said": COMPLAINT.said}
        (held,) = about(connection, book.rules.keyring, JAN)["reports"]
        assert about(connection, book.rules.keyring, JAN, "acme")["reports"][0]["said"] == ""
    assert held["said"] == "text: I never asked for this"
    assert (held["tenant"], held["stored_as"]) == ("acme", "jan@example.org")
    with book.database.transaction() as connection:
        erase(connection, book.rules.keyring, JAN, "", "ann", NOW)
    with book.database.reading() as connection:
        assert reports.words_of(connection, book.rules.keyring, report) is None
    assert decide(book, report.number, ReportDecision.COUNT).case is not None


# ---- fees ---------------------------------------------------------------------------------------


FEE = StoredFee(
    case=7,
    number=1,
    tenant="acme",
    amount=13_500,
    currency="PLN",
    count=3,
    each=4_500,
    clause="§3.1-3.9 P2",
    state=FeeState.ISSUED,
    proposed_at=int(NOW),
    decided_at=int(NOW),
    decided_by="=HYPERLINK(1)",
    reason='said "so",\r\nagain',
    paid_at=None,
    paid_by=None,
)


def test_an_export_is_read_back_and_holds_no_formula() -> None:
    """RFC 4180: commas, quotes and line breaks survive; what a spreadsheet would run is text."""
    dangerous = ["=1+1", "+1", "-1", "@SUM(1)", "\t=1", "\r=1"]
    text = "".join(export_csv([FEE, *(replace(FEE, reason=cell) for cell in dangerous)]))
    assert text.endswith("\r\n")
    first, *others = csv.DictReader(io.StringIO(text, newline=""))
    assert (first["case"], first["amount"], first["state"]) == ("C-000007", "13500", "issued")
    assert first["reason"] == FEE.reason
    assert first["decided_by"] == "'=HYPERLINK(1)"
    assert first["paid_at"] == ""
    assert [row["reason"] for row in others] == [f"'{cell}" for cell in dangerous]
    assert plain_fee(FEE)["proposed_at"] == "2027-01-15T08:00:00+00:00"


def test_fees_are_listed_by_tenant_state_and_time(book: Book) -> None:
    """What an operator invoices: those issued since the last time."""
    for mailing in ("m1", "m2"):
        case = book.report(replace(COMPLAINT, mailing=mailing)).case
        assert case is not None
        book.notify(case.id)
    book.now += 100
    book.decide(2, Decision.ISSUE_FEE, fee=1)
    with book.database.reading() as connection:
        (fee,) = list_fees(connection, tenant="acme", state=FeeState.ISSUED, since=NOW + 50)
        assert (fee.case, fee.amount, fee.count) == (2, 4_500, 1)
        assert list_fees(connection, tenant="other") == []
        assert list_fees(connection, since=NOW + 101) == []

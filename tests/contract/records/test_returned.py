"""Mail that came back: what each grade and type may do, once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gateway.records import webhooks
from gateway.records.database import Database
from gateway.records.erasure import erase
from gateway.records.figures import Figure, add, rates_of
from gateway.records.holdings import about, holders
from gateway.records.reports import (
    ReportDecided,
    ReportDecision,
    ReportState,
    decide_report,
    words_of,
)
from gateway.records.suppressions import lift
from gateway.records.tables import (
    blocks,
    cases,
    facts,
    fees,
    reports,
    suppressions,
    webhook_deliveries,
)
from gateway.words import WebhookKind
from policies.returned.words import FeedbackType, Form
from policies.sanctions.words import Decision, Grade
from suppression.keys import Keyring
from suppression.precedence import Lifter

from .cases_world import FBL, rules_of
from .returned_world import JAN, NOW, Returns, numbered

COMPLAINTS = (FeedbackType.ABUSE, FeedbackType.FRAUD, FeedbackType.VIRUS, FeedbackType.OTHER)


@pytest.fixture
def book(database: Database, keyring: Keyring) -> Returns:
    return Returns(database, rules_of(keyring))


def count(book: Returns, number: int) -> None:
    with book.database.transaction() as connection:
        decide_report(
            connection, number, ReportDecision.COUNT, "ann", "checked", book.now, book.rules
        )


def test_each_grade_does_what_the_table_of_grades_says(book: Returns) -> None:
    """A suppresses and blocks, B suppresses and waits, C waits, D is nobody's."""
    people = {grade: numbered(number) for number, grade in enumerate(Grade)}
    taken = {}
    for grade, person in people.items():
        match = None if grade is Grade.D else book.match(person, mailing=f"m-{grade}")
        taken[grade] = book.come(book.complaint(grade, match=match, address=person.text))
    states = {grade: one.report.state for grade, one in taken.items() if one.report}
    assert states == {
        Grade.A: ReportState.COUNTED,
        Grade.B: ReportState.WAITING,
        Grade.C: ReportState.WAITING,
        Grade.D: ReportState.UNMATCHED,
    }
    assert [book.reasons(person) for person in people.values()] == [
        ["complaint"],
        ["complaint"],
        [],
        [],
    ]
    assert [row.mailing for row in book.rows(cases)] == ["m-A"]


@pytest.mark.sqlite_file
@pytest.mark.parametrize("kind", COMPLAINTS)
def test_a_complaint_stands_for_the_person_however_they_spell_their_address(
    book: Returns, kind: FeedbackType
) -> None:
    """With the address stated, its loose key is suppressed; without, the token's own key."""
    book.come(book.complaint(Grade.B, type=kind))
    (entry,) = book.entries_of()
    assert entry.key == book.rules.keyring.loose_key(JAN)
    other = numbered(1)
    book.come(book.complaint(Grade.B, type=kind, match=book.match(other, address="")))
    (entry,) = book.entries_of(other)
    assert entry.key == book.key(other)


@pytest.mark.sqlite_file
def test_an_address_that_is_not_the_tokens_recipient_is_nobodys(book: Returns) -> None:
    """Whoever forwards a mail of theirs cannot have somebody else suppressed or named."""
    match = book.match(address=numbered(1).text)
    book.come(book.complaint(Grade.B, match=match, address=numbered(1).text))
    assert book.reasons(numbered(1)) == []
    assert book.reasons() == ["complaint"]


@pytest.mark.sqlite_file
def test_what_no_token_names_suppresses_nobody(book: Returns) -> None:
    """Grade B with a key that was found by weaker signs waits, and that is all."""
    taken = book.come(book.complaint(Grade.B, match=book.match(is_named=False)))
    assert taken.report is not None
    assert taken.report.state is ReportState.WAITING
    assert book.rows(suppressions) == []


@pytest.mark.sqlite_file
def test_a_complaint_about_an_unknown_copy_blocks_its_mailings_domain_only(book: Returns) -> None:
    """What the journal does not know of the copy, the mailing's figures may tell."""
    book.own("acme.example", "shop.example")
    with book.database.transaction() as connection:
        add(connection, NOW, "acme", "weekly", "m1", "acme.example", Figure.OFFERED)
        add(connection, NOW, "acme", "weekly", "m2", "shop.example", Figure.OFFERED)
    book.come(book.complaint(Grade.A, match=book.match(domain="")))
    assert [row.domain for row in book.rows(blocks)] == ["acme.example"]
    unknown = book.match(numbered(1), domain="", mailing="m3")
    book.come(book.complaint(Grade.A, match=unknown, address=numbered(1).text))
    assert {row.domain for row in book.rows(blocks)} == {"acme.example", "shop.example"}


@pytest.mark.parametrize("grade", [Grade.A, Grade.B])
@pytest.mark.parametrize(
    ("kind", "scope"),
    [(FeedbackType.OPT_OUT, "acme/weekly"), (FeedbackType.OPT_OUT_LIST, "acme")],
)
def test_an_opt_out_unsubscribes_and_is_no_complaint(
    book: Returns, grade: Grade, kind: FeedbackType, scope: str
) -> None:
    """From the list or from all of them; no fact, no case, nobody has anything to decide."""
    taken = book.come(book.complaint(grade, type=kind))
    assert taken.report is not None
    assert taken.report.state is ReportState.DISMISSED
    assert [(one.reason, one.scope) for one in book.entries_of()] == [("unsubscribe", scope)]
    assert "unsubscribed" in [event.kind for event in taken.events]
    again = book.come(book.complaint(grade, type=kind))
    assert "unsubscribed" not in [event.kind for event in again.events]
    assert len(book.entries_of()) == 1
    assert book.rows(facts) == []
    with book.database.reading() as connection:
        assert rates_of(connection) == []


@pytest.mark.sqlite_file
@pytest.mark.parametrize("grade", list(Grade))
@pytest.mark.parametrize("kind", [FeedbackType.NOT_SPAM, FeedbackType.AUTH_FAILURE])
def test_what_is_no_complaint_is_recorded_only(
    book: Returns, grade: Grade, kind: FeedbackType
) -> None:
    """Whatever its grade: not-spam never suppresses, auth-failure never sanctions."""
    taken = book.come(book.complaint(grade, type=kind))
    assert taken.report is not None
    assert (taken.report.state, taken.report.type) == (ReportState.DISMISSED, kind)
    assert book.rows(suppressions) == book.rows(facts) == []


@pytest.mark.sqlite_file
@pytest.mark.parametrize(
    ("form", "state"),
    [
        (Form.AUTO_REPLY, ReportState.DISMISSED),
        (Form.CHALLENGE, ReportState.DISMISSED),
        (Form.DSN, ReportState.UNMATCHED),
        (Form.FORWARDED_DSN, ReportState.UNMATCHED),
        (Form.PLAIN_BOUNCE, ReportState.UNMATCHED),
        (Form.OTHER, ReportState.WAITING),
    ],
)
def test_forms_that_change_nothing(book: Returns, form: Form, state: ReportState) -> None:
    """Even with our token in them: a person reads what may be of use, and no more."""
    mail = book.complaint(Grade.B, form=form, type=None)
    taken = book.come(mail)
    assert taken.report is not None
    assert (taken.report.state, taken.report.form) == (state, form)
    assert book.rows(suppressions) == book.rows(facts) == []


def test_the_same_mail_has_one_effect(book: Returns) -> None:
    """A retry of the reporter's server finds it taken; another mailbox has its own."""
    mail = book.complaint(Grade.A)
    first, again = book.come(mail), book.come(mail)
    assert (first.is_new, again.is_new, again.events) == (True, False, ())
    assert first.report is not None
    assert again.report is not None
    assert again.report.number == first.report.number
    assert book.come(replace(mail, mailbox="abuse")).is_new
    assert len(book.rows(facts)) == 1


def test_a_recipients_second_complaint_about_a_mailing_costs_nothing(book: Returns) -> None:
    """Whatever mail it comes in: the fee counts each complaint once. Another recipient's counts."""
    book.come(book.complaint(Grade.A))
    book.notify(1)
    book.decide(1, Decision.LIFT)
    book.now += 60
    second = book.match(mailing="m2")
    for person in (JAN, JAN, numbered(1)):
        match = book.match(person, mailing="m2")
        book.come(book.complaint(Grade.A, match=match, address=person.text))
    (fee,) = book.rows(fees)
    assert (fee.count, len(book.rows(facts))) == (2, 3)
    taken = book.come(book.complaint(Grade.B, match=second))
    assert taken.report is not None
    assert (taken.report.state, taken.report.decided_by) == (ReportState.DISMISSED, "reports")
    assert "before" in (taken.report.reason or "")
    with book.database.reading() as connection:
        (rate,) = rates_of(connection)
    assert rate.complaints == 3


def test_a_better_grade_counts_after_a_worse_one_and_once(book: Returns) -> None:
    """C and B wait, A is a fact; then nobody can count the others besides."""
    numbers = []
    for grade in (Grade.C, Grade.B, Grade.A):
        taken = book.come(book.complaint(grade))
        assert taken.report is not None
        numbers.append(taken.report.number)
    assert [row.grade for row in book.rows(facts)] == ["A"]
    for number in numbers[:2]:
        with pytest.raises(ReportDecided, match="counts this complaint already"):
            count(book, number)


@pytest.mark.sqlite_file
def test_reports_with_one_message_id_are_told_apart_by_whom_our_token_names(book: Returns) -> None:
    """Some providers repeat our Message-ID in each; and whoever guesses one stops no report."""
    mail = book.complaint(Grade.A, mail="same")
    book.come(replace(mail, grade=Grade.D, match=None, source=""))
    for person in (JAN, numbered(1), numbered(1)):
        book.come(replace(mail, match=book.match(person), address=person.text))
    assert book.reasons() == book.reasons(numbered(1)) == ["complaint"]
    assert len(book.rows(facts)) == 2


@pytest.mark.sqlite_file
@pytest.mark.parametrize("grade", [Grade.C, Grade.D])
def test_reports_with_one_message_id_are_told_apart_by_whom_they_state(
    book: Returns, grade: Grade
) -> None:
    """Without our token, too: all but the first would be answered 250 and read by nobody."""
    mail = book.complaint(grade, mail="same")
    numbers = set()
    for person in (JAN, numbered(1), numbered(1)):
        match = None if grade is Grade.D else book.match(person, is_named=False)
        report = book.come(replace(mail, match=match, address=person.text)).report
        assert report is not None
        numbers.add(report.number)
    assert len(numbers) == 2


@pytest.mark.sqlite_file
def test_what_a_person_writes_after_a_complaint_is_read(book: Returns) -> None:
    """Whether it complains once more is not known before."""
    book.come(book.complaint(Grade.A))
    for _ in range(2):
        report = book.come(book.complaint(Grade.B, form=Form.OTHER, type=None)).report
        assert report is not None
        assert (report.grade, report.state) == (Grade.C, ReportState.WAITING)


@pytest.mark.sqlite_file
def test_a_forged_complaint_that_was_dismissed_covers_no_other(book: Returns) -> None:
    """Without our token anybody may have written it, so the next one is looked at again."""
    weak = [book.come(book.complaint(Grade.C)).report for _ in range(2)]
    assert [one and one.state for one in weak] == [ReportState.WAITING, ReportState.DISMISSED]
    with book.database.transaction() as connection:
        decide_report(connection, 1, ReportDecision.DISMISS, "ann", "forged", book.now, book.rules)
    again = book.come(book.complaint(Grade.C)).report
    assert again is not None
    assert again.state is ReportState.WAITING


@pytest.mark.sqlite_file
def test_a_repeated_complaint_does_not_undo_a_lift(book: Returns) -> None:
    """Staff lifted it at the recipient's wish; the same complaint once more is no new one."""
    book.come(book.complaint(Grade.B))
    with book.database.transaction() as connection:
        lift(connection, book.entries_of()[0].id, Lifter.OPERATOR, "ann", "she wants it", NOW)
    book.come(book.complaint(Grade.B))
    assert book.reasons() == []
    book.come(book.complaint(Grade.B, match=book.match(mailing="m2")))
    assert book.reasons() == ["complaint"]


@pytest.mark.sqlite_file
@pytest.mark.parametrize("preset", ["niebieski", "standard"])
def test_the_tenant_hears_of_complaint_and_suppression(
    database: Database, keyring: Keyring, preset: str
) -> None:
    """Each once, of A and B; the address where the contract passes it on, and only the token's."""
    book = Returns(database, rules_of(keyring, preset))
    kinds = [WebhookKind.REPORT_RECEIVED, WebhookKind.SUPPRESSED]
    with database.transaction() as connection:
        webhooks.mark(connection, {"acme": kinds}, NOW)
    for grade in (Grade.C, Grade.D):
        book.come(book.complaint(grade))
    assert book.rows(webhook_deliveries) == []
    for _ in range(2):
        book.come(book.complaint(Grade.B))
    told = {row.kind: row.subject for row in book.rows(webhook_deliveries)}
    assert list(told) == [WebhookKind.SUPPRESSED, WebhookKind.REPORT_RECEIVED]
    assert (told[WebhookKind.REPORT_RECEIVED] is not None) == (preset == "niebieski")
    assert len(book.rows(webhook_deliveries)) == 2


@pytest.mark.sqlite_file
def test_what_a_stranger_wrote_is_sealed(book: Returns, keyring: Keyring) -> None:
    """No column shows the address or a header field; staff can read them."""
    taken = book.come(book.complaint(Grade.C))
    (row,) = book.rows(reports)
    assert "kowalski" not in repr(row).lower()
    assert "example.org" not in repr(row)
    with book.database.reading() as connection:
        assert taken.report is not None
        words = words_of(connection, keyring, taken.report)
    assert words == {
        "address": JAN.text,
        "said": {"subject": "spam"},
        "raw": "From: fbl@fbl.example\r\n",
        "original": "To: jan@example.org\r\n",
    }


@pytest.mark.sqlite_file
def test_an_erased_person_is_not_named_again(book: Returns, keyring: Keyring) -> None:
    """Their complaint counts, by its key; nothing readable is stored."""
    book.come(book.complaint(Grade.B, match=book.match(mailing="m0")))
    with book.database.transaction() as connection:
        erase(connection, keyring, JAN, "acme", "ann", NOW)
    taken = book.come(book.complaint(Grade.A))
    assert taken.report is not None
    assert taken.report.state is ReportState.COUNTED
    with book.database.reading() as connection:
        assert words_of(connection, keyring, taken.report) is None


def test_a_person_finds_and_erases_what_came_back(book: Returns, keyring: Keyring) -> None:
    """Reports of every grade and bounces, by the address alone; no tenant sees another's."""
    for grade in Grade:
        book.come(book.complaint(grade))
    book.bounce()
    book.bounce(tenant="other")
    with book.database.reading() as connection:
        held = about(connection, keyring, JAN)
        own = about(connection, keyring, JAN, "acme")
    assert len(held["reports"]) == 4
    assert {row["said"] for row in held["reports"]} == {"subject: spam"}
    assert "To: jan@example.org" in str(held["reports"][0]["headers"])
    assert [row["answer"] for row in held["bounces"]] == ["550 5.1.1 no such user"] * 2
    assert [row["tenant"] for row in own["bounces"]] == ["acme"]
    assert {row["headers"] for row in own["reports"]} == {""}
    with book.database.transaction() as connection:
        assert holders(connection, [book.key()]) == ["acme", "other"]
        erase(connection, keyring, JAN, "acme", "ann", NOW)
    with book.database.reading() as connection:
        assert [row["tenant"] for row in about(connection, keyring, JAN)["bounces"]] == ["other"]
    with book.database.transaction() as connection:
        erase(connection, keyring, JAN, "", "ann", NOW)
    with book.database.reading() as connection:
        held = about(connection, keyring, JAN)
    assert held["bounces"] == []
    assert {row["said"] for row in held["reports"]} == {""}


@pytest.mark.sqlite_file
def test_grade_a_needs_a_listed_source(book: Returns) -> None:
    """What says to be A and is signed by nobody listed suppresses and waits."""
    given: dict[str, Any] = {"source": "stranger.example"}
    taken = book.come(book.complaint(Grade.A, **given))
    assert taken.report is not None
    assert (taken.report.grade, book.rows(cases)) == (Grade.B, [])
    assert FBL not in taken.report.source

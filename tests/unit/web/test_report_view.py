"""Why a report has its grade, in a sentence for people."""

from __future__ import annotations

import pytest

from gateway.records.report_store import ReportState, StoredReport
from gateway.web.desk.report_texts import TEXTS
from gateway.web.desk.report_view import Seen, graded_for
from policies.sanctions.words import FactKind, Grade

ENVELOPE, TRACE, MAILING = ("recipient", True), ("consentry-trace", True), ("feedback-id", True)
FORGED = ("consentry-trace", False)


def report(grade: Grade, kind: str = "abuse", form: str = "arf") -> StoredReport:
    """One of these, of which nothing else matters."""
    nothing = (None, None, None, None)
    state = ReportState.WAITING
    return StoredReport(
        *(1, 0, None, FactKind.COMPLAINT, grade, "smtp", "acme", "", "", "", "", b"", 1, state),
        *nothing, form, kind,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("grade", "tokens", "is_signed", "expected"),
    [
        (Grade.A, (TRACE,), True, "graded_A"),
        (Grade.A, (MAILING,), True, "graded_A"),
        (Grade.B, (TRACE, ENVELOPE), False, "graded_B"),
        (Grade.B, (ENVELOPE,), True, "graded_envelope"),
        (Grade.B, (ENVELOPE, MAILING), True, "graded_envelope"),
        (Grade.B, (MAILING,), True, "graded_mailing"),
        (Grade.C, (MAILING,), True, "graded_mailing"),
        (Grade.C, (MAILING,), False, "graded_mailing"),
        (Grade.C, (TRACE,), False, "graded_words"),
        (Grade.C, (), False, "graded_C"),
        (Grade.D, (), True, "graded_D"),
    ],
)
def test_the_reason_of_a_grade(
    grade: Grade, tokens: tuple[tuple[str, bool], ...], is_signed: bool, expected: str
) -> None:
    """It follows from the places of our tokens and the signature, and stands in both languages."""
    assert graded_for(report(grade), Seen(subject="s", tokens=tokens), is_signed) == expected
    assert all(expected in texts for texts in TEXTS.values())


def test_what_staff_took_forged_tokens_and_bounces() -> None:
    """The first has none; forged tokens are told of beside it, and count for nothing once staff
    have matched the report; a bounce on record is one that is not believed."""
    told = Seen(subject="s", tokens=(TRACE,))
    assert graded_for(report(Grade.B, form=""), told, False) == ""
    assert graded_for(report(Grade.B), Seen(), False) == "", "the words were erased"
    forged = Seen(subject="s", tokens=(FORGED, TRACE), contradicts=True)
    assert graded_for(report(Grade.D), forged, True) == ""
    assert graded_for(report(Grade.C), forged, True) == "graded_C"
    assert graded_for(report(Grade.D, "bounce", "dsn"), told, False) == "graded_bounce"

"""The states of a proof, the evidence that is believed, and what stops a question."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.words import Address
from policies.terms import DAY
from suppression.consent import (
    EARLIEST,
    MAX_TEXT,
    MAX_WORDS,
    TRANSITIONS,
    Evidence,
    EvidenceError,
    Level,
    Status,
    Step,
    WrongStep,
    after,
    check_act,
    check_evidence,
    check_text,
    stopping_request,
)
from suppression.standing import Match, Reason, Stops

NOW = 1_800_000_000.0
ANNA = Address("Anna@inbox.test", "Anna", "inbox.test")
SINGLE = Evidence(Level.SINGLE, "I agree.", NOW - DAY, "203.0.113.8")
DOUBLE = replace(
    SINGLE,
    level=Level.DOUBLE,
    source="https://acme.test/join",
    confirmed_at=NOW - DAY + 60,
    confirmed_ip="2001:db8::9",
    user_agent="Browser/1.0",
    message_id="<1@acme.test>",
)
OVER = {Status.REVOKED, Status.EXPIRED, Status.SUPERSEDED, Status.FAILED}


@given(st.lists(st.sampled_from(Step), max_size=30))
def test_a_proof_that_is_over_stays_over(steps: list[Step]) -> None:
    """Whatever steps are tried, no status is left that is an end, and consent begins once."""
    status: Status | None = None
    begun = 0
    for step in steps:
        try:
            following = after(status, step)
        except WrongStep:
            continue
        if status in OVER:
            assert following is status
        if following is Status.CONFIRMED and status is not Status.CONFIRMED:
            begun += 1
        assert status is not Status.CONFIRMED or following in (
            *(Status.CONFIRMED, Status.REVOKED, Status.SUPERSEDED),
        )
        status = following
    assert begun <= 1


@pytest.mark.parametrize("status", Status)
def test_every_status_can_end_or_has_ended(status: Status) -> None:
    """What stands can be revoked; what is over cannot be confirmed, revoked, mailed or expire."""
    allowed = {step for step in Step if step in TRANSITIONS[status]}
    if status in OVER:
        assert not allowed & {Step.CONFIRMED, Step.REVOKED, Step.SENDING, Step.EXPIRED}
    else:
        assert Step.REVOKED in allowed


def test_a_reminder_that_is_refused_takes_nothing_back() -> None:
    """The mail that was taken can still be confirmed."""
    assert after(Status.MAILED, Step.FAILED) is Status.MAILED
    assert after(Status.REQUESTED, Step.FAILED) is Status.FAILED


@pytest.mark.parametrize("evidence", [SINGLE, DOUBLE, replace(DOUBLE, confirmed_at=NOW)])
def test_plausible_evidence_is_believed(evidence: Evidence) -> None:
    """Consent was given at the last act; optional fields may be missing."""
    check_evidence(evidence, ANNA, NOW)
    check_evidence(replace(evidence, user_agent="", message_id=""), ANNA, NOW)
    assert evidence.given_at == (evidence.confirmed_at or evidence.subscribed_at)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("level", Level.ATTESTED),
        ("level", Level.HOSTED),
        ("text", " \n"),
        ("text", "x" * (MAX_TEXT + 1)),
        ("text", "a\x00b"),
        ("text", "a\u202eb"),
        ("subscribed_at", EARLIEST - 1.0),
        ("subscribed_at", float("nan")),
        ("subscribed_at", NOW + 1),
        ("subscribed_ip", ""),
        ("subscribed_ip", "203.0.113.256"),
        ("subscribed_ip", "0.0.0.0"),
        ("subscribed_ip", "::1"),
        ("subscribed_ip", "224.0.0.1"),
        ("source", ""),
        ("source", "a\nb"),
        ("source", "x" * (MAX_WORDS + 1)),
        ("confirmed_at", None),
        ("confirmed_at", NOW - DAY - 1),
        ("confirmed_at", NOW + 1),
        ("confirmed_ip", ""),
        ("confirmed_ip", "example.org"),
        ("user_agent", "a\r\nb"),
        ("message_id", "1@acme.test"),
        ("message_id", "<1 2@acme.test>"),
    ],
)
def test_what_cannot_be_true_is_refused_by_its_field(field: str, value: object) -> None:
    """The error names the field, so that a program can tell where to look."""
    with pytest.raises(EvidenceError) as error:
        check_evidence(replace(DOUBLE, **{field: value}), ANNA, NOW)
    assert error.value.field == field
    assert str(error.value).startswith(f"{field}: ")


def test_a_confirmation_belongs_to_its_subscription_for_thirty_days() -> None:
    """Later, nobody believes that both are one act."""
    early = replace(DOUBLE, subscribed_at=NOW - 40 * DAY)
    check_evidence(replace(early, confirmed_at=NOW - 10 * DAY), ANNA, NOW)
    with pytest.raises(EvidenceError, match="30 days"):
        check_evidence(replace(early, confirmed_at=NOW - 10 * DAY + 1), ANNA, NOW)


@pytest.mark.parametrize("field", ["confirmed_at", "confirmed_ip", "message_id"])
def test_single_opt_in_claims_no_confirmation(field: str) -> None:
    """Whoever has one should supply level 3."""
    with pytest.raises(EvidenceError, match="level 3"):
        check_evidence(replace(SINGLE, **{field: getattr(DOUBLE, field)}), ANNA, NOW)


def test_an_act_is_recent_and_has_an_address() -> None:
    """A form of last month is no reason for a mail today."""
    check_act(NOW - 7 * DAY, "203.0.113.8", NOW)
    for at, ip in ((NOW - 7 * DAY - 1, "203.0.113.8"), (NOW + 1, "203.0.113.8"), (NOW, "me")):
        with pytest.raises(EvidenceError):
            check_act(at, ip, NOW)


@given(st.sets(st.sampled_from(Reason)), st.booleans())
def test_only_an_unsubscribe_gives_way_to_an_act_of_ones_own(
    reasons: set[Reason], is_own_act: bool
) -> None:
    """Everything else stops the question, and the highest reason is told."""
    matches = [Match(1, reason, Stops.MARKETING, "acme") for reason in reasons]
    found = stopping_request(matches, is_own_act)
    stopping = reasons - ({Reason.UNSUBSCRIBE} if is_own_act else set())
    assert (found is None) == (not stopping)
    if found is not None:
        assert found.reason is min(stopping, key=list(Reason).index)


def test_a_text_that_names_the_person_is_not_taken() -> None:
    """The wording is kept in plain for all who agreed to it, so an erasure would not reach it."""
    with pytest.raises(EvidenceError, match="names the person"):
        check_text("I, anna@INBOX.test, agree to weekly news.", ANNA)
    check_text("I agree; I can withdraw by writing to privacy@inbox.test.", ANNA)

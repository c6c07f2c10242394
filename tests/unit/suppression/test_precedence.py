"""The suppression table, row by row."""

import pytest

from gateway.words import StreamKind
from policies.terms import DAY, Limits, StreamTerms
from suppression.precedence import (
    RULES,
    Lifter,
    Width,
    ends_at,
    may_lift,
    stopping,
    stops_stream,
    width,
)
from suppression.standing import Match, Reason, Stops

KINDS = ("list", "inquiry", "transactional", "verified")


def _stream(kind: str) -> StreamTerms:
    is_verified = kind == "verified"
    return StreamTerms(
        "acme",
        "main",
        1,
        StreamKind("transactional" if is_verified else kind),
        Limits(),
        is_verified=is_verified,
    )


@pytest.mark.parametrize(
    ("reason", "stopped"),
    [
        (Reason.PROTECTED, "list inquiry transactional"),
        (Reason.ERASURE, "list inquiry transactional"),
        (Reason.OBJECTION, "list inquiry"),
        (Reason.COMPLAINT, "list inquiry transactional"),
        (Reason.UNSUBSCRIBE, "list inquiry"),
        (Reason.HARD_BOUNCE, "list inquiry transactional verified"),
        (Reason.ROBINSON, "list inquiry"),
        (Reason.SOFT_BOUNCE, "list inquiry transactional verified"),
        (Reason.MANUAL, "list inquiry transactional verified"),
    ],
)
def test_a_reason_stops_these_kinds_of_mail(reason: Reason, stopped: str) -> None:
    """Each reason stops exactly the mail that its row names."""
    stops = RULES[reason].stops
    assert [kind for kind in KINDS if stops_stream(stops, _stream(kind))] == stopped.split()


@pytest.mark.parametrize(
    ("reason", "widths"),
    [
        (Reason.PROTECTED, {Width.PLATFORM}),
        (Reason.ERASURE, {Width.TENANT}),
        (Reason.OBJECTION, {Width.TENANT}),
        (Reason.COMPLAINT, {Width.TENANT}),
        (Reason.UNSUBSCRIBE, {Width.STREAM, Width.TENANT}),
        (Reason.HARD_BOUNCE, {Width.TENANT}),
        (Reason.ROBINSON, {Width.PLATFORM}),
        (Reason.SOFT_BOUNCE, {Width.TENANT}),
        (Reason.MANUAL, {Width.PLATFORM, Width.TENANT, Width.STREAM}),
    ],
)
def test_a_reason_has_these_scopes(reason: Reason, widths: set[Width]) -> None:
    """What one tenant's recipient said does not silence another tenant."""
    assert RULES[reason].widths == widths


@pytest.mark.parametrize(
    ("reason", "days"),
    [
        (Reason.PROTECTED, [None, None]),
        (Reason.ERASURE, [None, None]),
        (Reason.OBJECTION, [None, None]),
        (Reason.COMPLAINT, [None, None]),
        (Reason.UNSUBSCRIBE, [None, None]),
        (Reason.HARD_BOUNCE, [90, 365, None, None]),
        (Reason.ROBINSON, [30, 30]),
        (Reason.SOFT_BOUNCE, [14, 28, 56, 90, 90]),
    ],
)
def test_an_entry_ends(reason: Reason, days: list[int | None]) -> None:
    """The first, second, ... entry of a reason lasts that many days; None is for ever."""
    ends = [ends_at(reason, 1000.0, earlier) for earlier in range(len(days))]
    assert ends == [None if day is None else 1000.0 + day * DAY for day in days]


@pytest.mark.parametrize(
    ("reason", "lifters"),
    [
        (Reason.PROTECTED, {Lifter.OPERATOR}),
        (Reason.ERASURE, {Lifter.CONSENT, Lifter.HOSTED_CONSENT}),
        (Reason.OBJECTION, {Lifter.CONSENT, Lifter.HOSTED_CONSENT}),
        (Reason.COMPLAINT, {Lifter.HOSTED_CONSENT, Lifter.OPERATOR}),
        (Reason.UNSUBSCRIBE, {Lifter.CONSENT, Lifter.HOSTED_CONSENT}),
        (Reason.HARD_BOUNCE, {Lifter.TIME}),
        (Reason.ROBINSON, {Lifter.LIST_OWNER, Lifter.TIME}),
        (Reason.SOFT_BOUNCE, {Lifter.TIME, Lifter.DELIVERY}),
    ],
)
def test_an_entry_is_lifted_by(reason: Reason, lifters: set[Lifter]) -> None:
    """Nobody else may, whoever set it."""
    assert {one for one in Lifter if may_lift(reason, one, "operator")} == lifters


def test_a_manual_entry_is_lifted_by_whoever_set_it() -> None:
    """A tenant does not lift what the operator set, nor the operator what a tenant set."""
    assert may_lift(Reason.MANUAL, Lifter.TENANT, "tenant")
    assert not may_lift(Reason.MANUAL, Lifter.TENANT, "operator")
    assert not may_lift(Reason.MANUAL, Lifter.OPERATOR, "tenant")


def _match(reason: Reason, is_disclosable: bool = True, stops: Stops | None = None) -> Match:
    return Match(1, reason, stops or RULES[reason].stops, "acme", is_disclosable)


def test_the_highest_reason_gives_the_tag() -> None:
    """In any order of matches, precedence is that of the table."""
    order = list(Reason)
    for rank in range(len(order)):
        matches = [_match(reason) for reason in reversed(order[rank:])]
        found = stopping(matches, _stream("list"))
        assert found is not None
        assert found.reason is order[rank]


def test_an_undisclosable_match_counts_only_when_nothing_else_stops_the_mail() -> None:
    """A reason that may be told is told; a hidden one still stops the mail."""
    hidden, shown = _match(Reason.PROTECTED, is_disclosable=False), _match(Reason.MANUAL)
    assert stopping([hidden, shown], _stream("list")) is shown
    assert stopping([hidden], _stream("list")) is hidden


def test_a_higher_match_that_does_not_stop_this_mail_does_not_hide_a_lower_one() -> None:
    """An unsubscribed address that bounced is refused for the bounce on verified mail."""
    matches = [_match(Reason.UNSUBSCRIBE), _match(Reason.HARD_BOUNCE)]
    found = stopping(matches, _stream("verified"))
    assert found is not None
    assert found.reason is Reason.HARD_BOUNCE
    assert stopping(matches[:1], _stream("verified")) is None


def test_scope_texts_have_their_width() -> None:
    """`*`, a tenant, a stream."""
    assert [width(scope) for scope in ("*", "acme", "acme/weekly")] == list(Width)

"""Requests of data subjects: what is needed to record one, and the clock that runs."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from gateway.message.address import parse_mailbox
from gateway.records.database import Database
from gateway.records.subject_requests import (
    RequestKind,
    RequestRefused,
    close,
    extend,
    list_requests,
    months_later,
    record,
    require_open,
)
from policies.terms import DAY
from suppression.keys import Keyring
from tests.contract.records.places import octets

from .conftest import NOW

JAN = parse_mailbox("Jan@x.example")
CHECKED = "ann, by a call back to the number on file"


def _record(
    database: Database,
    keyring: Keyring,
    kind: RequestKind = RequestKind.ACCESS,
    received: float = NOW,
    identity: str = CHECKED,
) -> int:
    with database.transaction() as connection:
        return record(connection, keyring, kind, JAN, "acme", identity, received, "ann", NOW)


@pytest.mark.parametrize(
    ("received", "months", "due"),
    [
        ("2026-01-15", 1, "2026-02-15"),
        ("2026-01-31", 1, "2026-02-28"),
        ("2028-01-31", 1, "2028-02-29"),
        ("2026-11-30", 3, "2027-02-28"),
        ("2026-12-31", 1, "2027-01-31"),
    ],
)
def test_a_month_is_one_of_the_calendar(received: str, months: int, due: str) -> None:
    """It ends with the day of the same number, or with the last day of a shorter month."""
    at = datetime.fromisoformat(received).replace(hour=17, tzinfo=UTC).timestamp()
    end = datetime.fromisoformat(due).replace(hour=23, minute=59, second=59, tzinfo=UTC)
    assert months_later(at, months) == end.timestamp()


def test_the_clock_is_seen_the_most_overdue_first(database: Database, keyring: Keyring) -> None:
    """Days left count down and go below zero; what is done has no clock, and comes last."""
    late = _record(database, keyring, received=NOW - 40 * DAY)
    fresh = _record(database, keyring)
    done = _record(database, keyring, received=NOW - 60 * DAY)
    with database.transaction() as connection:
        close(connection, done, "sent by post", "ann", NOW)
        listed = list_requests(connection, keyring, with_done=True)
        still_open = list_requests(connection, keyring, "acme")
        assert list_requests(connection, keyring, "other") == []
    assert [request.id for request in listed] == [late, fresh, done]
    assert [request.id for request in still_open] == [late, fresh]
    overdue, running, none = (request.days_left(NOW) for request in listed)
    assert overdue in range(-14, 0)
    assert running in range(27, 32)
    assert none is None


def test_the_address_is_sealed_and_shown_masked(database: Database, keyring: Keyring) -> None:
    """Staff see which provider it is about; neither file nor texts hold the address."""
    _record(database, keyring, identity="ann called jan@x.example back")
    with database.reading() as connection:
        (request,) = list_requests(connection, keyring)
    assert (request.address, request.identity) == (
        "J***@x.example",
        "ann called j***@x.example back",
    )
    assert b"an@x.example" not in octets(database)


def test_an_extension_is_two_months_once_and_in_time(database: Database, keyring: Keyring) -> None:
    """Article 12(3): with a reason, before the first month is over."""
    number = _record(database, keyring)
    late = _record(database, keyring, received=NOW - 40 * DAY)
    with database.transaction() as connection:
        with pytest.raises(RequestRefused, match="reason"):
            extend(connection, number, " ", "ann", NOW)
        assert extend(connection, number, "three archives", "ann", NOW) == months_later(NOW, 3)
        with pytest.raises(RequestRefused, match="already"):
            extend(connection, number, "more", "ann", NOW)
        with pytest.raises(RequestRefused, match="overdue"):
            extend(connection, late, "forgot", "ann", NOW)
        with pytest.raises(LookupError):
            extend(connection, 99, "none", "ann", NOW)


def test_what_cannot_be_is_refused(database: Database, keyring: Keyring) -> None:
    """No identity, a day to come, no outcome, a second end, another kind or person."""
    with pytest.raises(RequestRefused, match="identity"):
        _record(database, keyring, identity=" ")
    with pytest.raises(RequestRefused, match="not been received"):
        _record(database, keyring, received=NOW + 1)
    number = _record(database, keyring)
    with database.transaction() as connection:
        require_open(connection, keyring, number, RequestKind.ACCESS, JAN)
        with pytest.raises(RequestRefused, match="not this person's"):
            require_open(connection, keyring, number, RequestKind.ERASURE, JAN)
        other = parse_mailbox("bo@x.example")
        with pytest.raises(RequestRefused, match="not this person's"):
            require_open(connection, keyring, number, RequestKind.ACCESS, other)
        with pytest.raises(RequestRefused, match="came of"):
            close(connection, number, "", "ann", NOW)
        close(connection, number, "sent", "ann", NOW)
        with pytest.raises(RequestRefused, match="done already"):
            close(connection, number, "sent", "ann", NOW)

"""Business days: Easter, Polish holidays, and when n of them have passed."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.sanctions.calendar import Calendar, easter, holidays_of
from policies.sanctions.holidays import HOLIDAYS
from tests.unit.sanctions.story import CALENDAR, DAY, WARSAW


@pytest.mark.parametrize(
    "day",
    [(1818, 3, 22), (1943, 4, 25), (1954, 4, 18), (2000, 4, 23), (2024, 3, 31), (2026, 4, 5),
     (2027, 3, 28), (2038, 4, 25), (2285, 3, 22)],
)  # fmt: skip
def test_easter_by_the_gregorian_computus(day):
    """Also the earliest and the latest date there is."""
    assert easter(day[0]) == date(*day)


def test_polish_holidays_of_2026():
    """Thirteen and Christmas Eve."""
    expected = ["01-01", "01-06", "04-05", "04-06", "05-01", "05-03", "05-24", "06-04", "08-15",
                "11-01", "11-11", "12-24", "12-25", "12-26"]  # fmt: skip
    found = sorted(day.isoformat()[5:] for day in holidays_of(2026, HOLIDAYS["PL"]))
    assert found == expected


def test_christmas_eve_is_free_since_2025():
    """2024 was the last one at work."""
    free = [
        year for year in (2024, 2025) if date(year, 12, 24) in holidays_of(year, HOLIDAYS["PL"])
    ]
    assert free == [2025]


@pytest.mark.parametrize(
    ("begin", "days", "end"),
    [
        ("2026-11-02 12:00", 1, "2026-11-03 12:00"),
        ("2026-11-06 15:00", 1, "2026-11-09 15:00"),
        ("2026-11-07 10:00", 1, "2026-11-10 00:00"),
        ("2026-11-10 12:00", 1, "2026-11-12 12:00"),
        ("2026-11-11 12:00", 1, "2026-11-13 00:00"),
        ("2026-12-23 16:00", 1, "2026-12-28 16:00"),
        ("2027-05-26 09:30", 1, "2027-05-28 09:30"),
        ("2026-10-23 12:00", 1, "2026-10-26 12:00"),
        ("2026-11-06 00:00", 1, "2026-11-07 00:00"),
        ("2026-11-02 12:00", 5, "2026-11-09 12:00"),
    ],
)
def test_whole_business_days(begin, days, end):
    """Over a weekend, holidays, Christmas, the end of summer time, and from midnight."""
    at = datetime.fromisoformat(begin).replace(tzinfo=WARSAW).timestamp()
    found = datetime.fromtimestamp(CALENDAR.add_business_days(at, days), WARSAW)
    assert found.strftime("%Y-%m-%d %H:%M") == end


def test_days_of_ones_own_are_free_too():
    """The operator's closed days count as holidays do."""
    calendar = Calendar(ZoneInfo("UTC"), closed=frozenset({date(2026, 11, 3)}))
    at = datetime(2026, 11, 2, 12, tzinfo=ZoneInfo("UTC")).timestamp()
    assert calendar.add_business_days(at, 1) == at + 2 * DAY


@given(
    at=st.datetimes(datetime(2024, 1, 1), datetime(2035, 1, 1)),
    later=st.timedeltas(timedelta(0), timedelta(days=9)),
    days=st.integers(0, 6),
)
def test_what_comes_later_is_never_due_earlier(at, later, days):
    """And nothing is due before it came."""
    first = at.replace(tzinfo=ZoneInfo("UTC")).timestamp()
    second = first + later.total_seconds()
    due = [CALENDAR.add_business_days(one, days) for one in (first, second)]
    assert first <= due[0] <= due[1]

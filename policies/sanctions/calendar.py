"""Business days in a time zone: Monday to Friday without public holidays.

Takes a zone, the rules of `policies.sanctions.holidays` and single days that the operator adds.
Instants are Unix seconds.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo

from policies.sanctions.holidays import Fixed, FromEaster, Holiday

SATURDAY = 5


@dataclass(frozen=True, slots=True)
class Calendar:
    """The business days of one place."""

    zone: tzinfo
    holidays: tuple[Holiday, ...] = ()
    closed: frozenset[date] = frozenset()
    """Days off beside the holidays."""

    def is_business_day(self, day: date) -> bool:
        """Whether staff work on it."""
        return (
            day.weekday() < SATURDAY
            and day not in self.closed
            and day not in holidays_of(day.year, self.holidays)
        )

    def add_business_days(self, at: float, days: int) -> float:
        """When that many whole business days have passed since `at`.

        From a business day it is the same local time on the n-th after it; what comes on a day off
        begins to count at the next midnight that opens a business day.
        """
        moment = datetime.fromtimestamp(at, self.zone)
        day, clock = moment.date(), moment.time()
        if not self.is_business_day(day):
            day, clock = self._next(day), time()
        for _ in range(days):
            day = self._next(day)
        if clock == time() and days:
            # Midnight that ends a business day is reached when it has passed, not after a day off.
            day = self._before(day) + timedelta(days=1)
        moved = datetime.combine(day, clock, self.zone).timestamp()
        return max(moved, at)

    def _next(self, day: date) -> date:
        day += timedelta(days=1)
        while not self.is_business_day(day):
            day += timedelta(days=1)
        return day

    def _before(self, day: date) -> date:
        day -= timedelta(days=1)
        while not self.is_business_day(day):
            day -= timedelta(days=1)
        return day


def holidays_of(year: int, rules: Iterable[Holiday]) -> frozenset[date]:
    """The dates of a year's holidays."""
    found = set()
    for rule in rules:
        if year < rule.since:
            continue
        match rule:
            case Fixed(month, day):
                found.add(date(year, month, day))
            case FromEaster(days):
                found.add(easter(year) + timedelta(days=days))
    return frozenset(found)


def easter(year: int) -> date:
    """Easter Sunday of a year by the Gregorian computus (Meeus/Jones/Butcher)."""
    golden = year % 19
    century, of_century = divmod(year, 100)
    leap_centuries, century_rest = divmod(century, 4)
    moon = (century - (century + 8) // 25 + 1) // 3
    epact = (19 * golden + century - leap_centuries - moon + 15) % 30
    leaps, rest = divmod(of_century, 4)
    to_sunday = (32 + 2 * century_rest + 2 * leaps - epact - rest) % 7
    late = (golden + 11 * epact + 22 * to_sunday) // 451
    month, day = divmod(epact + to_sunday - 7 * late + 114, 31)
    return date(year, month, day + 1)

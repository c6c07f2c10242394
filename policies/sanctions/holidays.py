"""Public holidays as data, by country: fixed dates and days counted from Easter Sunday.

`since` is the first year of a holiday; those that began before electronic mail need none. A country
is added by one more entry here.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fixed:
    """The same date each year."""

    month: int
    day: int
    since: int = 0


@dataclass(frozen=True, slots=True)
class FromEaster:
    """So many days after Easter Sunday."""

    days: int
    since: int = 0


Holiday = Fixed | FromEaster

HOLIDAYS: dict[str, tuple[Holiday, ...]] = {
    # Ustawa o dniach wolnych od pracy of 18 January 1951, as amended in 2010 (Epiphany) and 2024
    # (Christmas Eve).
    "PL": (
        Fixed(1, 1),
        Fixed(1, 6, since=2011),
        FromEaster(0),
        FromEaster(1),
        Fixed(5, 1),
        Fixed(5, 3, since=1990),
        FromEaster(49),
        FromEaster(60),
        Fixed(8, 15),
        Fixed(11, 1),
        Fixed(11, 11, since=1989),
        Fixed(12, 24, since=2025),
        Fixed(12, 25),
        Fixed(12, 26),
    ),
}

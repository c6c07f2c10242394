"""The one place that changes a case: what happened goes in, the new case and what follows come out.

Pure: `now` is Unix seconds, the calendar is handed in. `open_case` begins a case with its first
fact, `apply` lets something happen to it, `next_automatic` says what the clock will do, `possible`
what a person may. What is not allowed raises `Refused`, whose text says why.
"""

from __future__ import annotations

from policies.sanctions.calendar import Calendar
from policies.sanctions.case import Case, Changed, Counts, Fact, Happening, Next
from policies.sanctions.ladder import Ladder, Preset
from policies.sanctions.words import Decision


class Refused(Exception):
    """What was asked is not allowed for this case now; the text says why."""


def open_case(
    preset: Preset,
    ladder: Ladder,
    fact: Fact,
    counts: Counts,
    history: int,
    now: float,
    digest: str,
    *,
    until: float | None = None,
) -> Changed:
    """A case with its first fact. `history` is how many counted cases the tenant had in this
    ladder, `until` a deadline of its own that the notice states (Unix s)."""
    raise NotImplementedError


def apply(
    case: Case, happening: Happening, preset: Preset, calendar: Calendar, now: float
) -> Changed:
    """What becomes of a case."""
    raise NotImplementedError


def next_automatic(case: Case, preset: Preset) -> Next | None:
    """What happens next by itself, if anything: nothing while a person has stopped it."""
    raise NotImplementedError


def possible(case: Case, preset: Preset, actor: str) -> tuple[Decision, ...]:
    """What this person may decide now."""
    raise NotImplementedError


def volume_share(case: Case, preset: Preset, now: float) -> int:
    """Percent of the usual volume that this case leaves its tenant: 100 but on probation."""
    raise NotImplementedError


def threshold_divisor(case: Case, preset: Preset, now: float) -> int:
    """By what this case divides its tenant's thresholds: 1 but on probation."""
    raise NotImplementedError

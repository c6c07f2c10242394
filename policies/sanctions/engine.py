"""The one place that changes a case: what happened goes in, the new case and what follows come out.

Pure: `now` is Unix seconds, the calendar is handed in. `open_case` begins a case with its first
fact, `apply` lets something happen to it, `next_automatic` says what the clock will do, `possible`
what a person may. What is not allowed raises `Refused`, whose text says why. The rules themselves
are in `facts`, `clocks`, `fees`, `permits`, `deciding` and `ends`.
"""

from __future__ import annotations

from policies.sanctions import clocks, deciding, facts
from policies.sanctions.calendar import Calendar
from policies.sanctions.case import (
    Case,
    Changed,
    Counts,
    Decided,
    Fact,
    Handed,
    Happening,
    Next,
    Noticed,
    Taken,
    Ticked,
)
from policies.sanctions.draft import GATEWAY, Draft, Refused, step_of
from policies.sanctions.facts import joins
from policies.sanctions.ladder import Ladder, Preset
from policies.sanctions.permits import refusal
from policies.sanctions.words import Decision, NoticeKind, Phase

__all__ = [
    "GATEWAY",
    "Refused",
    "apply",
    "joins",
    "next_automatic",
    "open_case",
    "possible",
    "refusal",
    "step_of",
    "threshold_divisor",
    "volume_share",
]


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
    ladder, `until` a deadline of its own that the notice states (Unix s), for a person who opens
    one. A person's fact must name in `domains` what may be blocked."""
    if until is not None and until <= now:
        raise Refused("give an instant in the future")
    case = Case(
        id=0,
        tenant=fact.tenant,
        ladder=ladder.name,
        step=facts.rung(ladder, history).name,
        mailing=fact.mailing,
        policy=digest,
        phase=Phase.WATCHING,
        opened_at=now,
        until=until,
    )
    draft = Draft(case, preset, now)
    facts.begin_with(draft, fact, counts)
    return draft.done()


def apply(
    case: Case, happening: Happening, preset: Preset, calendar: Calendar, now: float
) -> Changed:
    """What becomes of a case."""
    draft = Draft(case, preset, now)
    match happening:
        case Taken(fact, counts):
            facts.take(draft, fact, counts)
        case Noticed(kind):
            _notice(draft, kind)
        case Handed():
            deciding.hand_in(draft, happening, calendar)
        case Decided():
            deciding.decide(draft, happening, calendar)
        case Ticked():
            clocks.tick(draft)
    return draft.done()


def _notice(draft: Draft, kind: NoticeKind) -> None:
    """The first notice ends folding; it, and that of a block, begin the clock that waits."""
    if kind in (NoticeKind.OPENED, NoticeKind.BLOCKED):
        if draft.case.notified_at is None:
            draft.set(notified_at=draft.now)
        clocks.start(draft)


def next_automatic(case: Case, preset: Preset) -> Next | None:
    """What happens next by itself, if anything: nothing while a person has stopped it."""
    return clocks.upcoming(case, preset)


def possible(case: Case, preset: Preset, actor: str) -> tuple[Decision, ...]:
    """What this person may decide now. A decision's own details can still be refused."""
    return tuple(one for one in Decision if refusal(case, preset, one, actor) is None)


def volume_share(case: Case, preset: Preset, now: float) -> int:
    """Percent of the usual volume that this case leaves its tenant: 100 but on probation."""
    return clocks.probation_at(case, preset, now)[0]


def threshold_divisor(case: Case, preset: Preset, now: float) -> int:
    """By what this case divides its tenant's thresholds: 1 but on probation."""
    return clocks.probation_at(case, preset, now)[1]

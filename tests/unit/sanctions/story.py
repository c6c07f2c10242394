"""One tenant's story under a contract, told with a clock that stands until it is moved.

`Story` does what the records do: it finds the case a fact folds into, counts the history, and keeps
every effect. Days and hours count from Monday, 2 November 2026, 12:00 in Warsaw.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache
from zoneinfo import ZoneInfo

from gateway.presets import read_preset
from policies.sanctions.calendar import Calendar
from policies.sanctions.case import (
    Case,
    Changed,
    Counts,
    Decided,
    Effect,
    Fact,
    Handed,
    Happening,
    Noticed,
    Notify,
    Taken,
    Ticked,
)
from policies.sanctions.engine import apply, joins, open_case
from policies.sanctions.holidays import HOLIDAYS
from policies.sanctions.ladder import Preset
from policies.sanctions.words import Decision, Excuse, FactKind, Grade, NoticeKind

WARSAW = ZoneInfo("Europe/Warsaw")
CALENDAR = Calendar(WARSAW, HOLIDAYS["PL"])
START = datetime(2026, 11, 2, 12, tzinfo=WARSAW).timestamp()
MINUTE, HOUR, DAY = 60, 3600, 86_400

preset_named = cache(read_preset)


@dataclass(slots=True)
class Story:
    """The tenant `acme`; `cases` in the order they were opened, `case` is the latest."""

    preset: Preset
    now: float = START
    cases: list[Case] = field(default_factory=list)
    effects: list[Effect] = field(default_factory=list)
    said: list[tuple[int, Happening | Fact, float]] = field(default_factory=list)

    @property
    def case(self) -> Case:
        """The latest."""
        return self.cases[-1]

    def after(self, days: float = 0, hours: float = 0, minutes: float = 0) -> None:
        """The clock is moved to so long after the start, and whatever is due happens."""
        self.now = START + days * DAY + hours * HOUR + minutes * MINUTE
        for number in range(len(self.cases)):
            self.happen(Ticked(), number)

    def fact(
        self,
        kind: FactKind,
        mailing: str = "m1",
        *,
        grade: Grade | None = None,
        actor: str = "gateway",
        excuse: Excuse | None = None,
        counts: Counts | None = None,
        domains: tuple[str, ...] = ("acme.example",),
        until: float | None = None,
        sent_at: float | None = None,
    ) -> Changed:
        """A fact comes; it folds, or opens a case."""
        fact = Fact(
            kind, "acme", "s", mailing, "acme.example", b"", "ref", self.now, grade, excuse, actor,
            domains,
        )  # fmt: skip
        counts = counts or Counts()
        ladder = self.preset.ladder_of(kind)
        assert ladder is not None
        for number, case in enumerate(self.cases):
            is_same = case.ladder == ladder.name and case.mailing == mailing and mailing
            if is_same and joins(case, self.now if sent_at is None else sent_at):
                return self.happen(Taken(fact, counts), number)
        history = sum(case.counted for case in self.cases if case.ladder == ladder.name)
        changed = open_case(
            self.preset, ladder, fact, counts, history, self.now, "digest", until=until
        )
        self.cases.append(replace(changed.case, id=len(self.cases) + 1))
        self.effects += changed.effects
        return changed

    def report(self, mailing: str = "m1", **more) -> Changed:
        """A complaint of grade A."""
        return self.fact(FactKind.COMPLAINT, mailing, grade=Grade.A, **more)

    def happen(self, happening: Happening, number: int = -1) -> Changed:
        """Something happens to a case, the latest or another."""
        changed = apply(self.cases[number], happening, self.preset, CALENDAR, self.now)
        self.cases[number] = changed.case
        self.effects += changed.effects
        return changed

    def noticed(self, kind: NoticeKind = NoticeKind.OPENED) -> Changed:
        """The next hop took the notice."""
        return self.happen(Noticed(kind))

    def hand_in(self, *requirements: str) -> None:
        """The tenant hands these in."""
        for name in requirements:
            self.happen(Handed(name, "Ola"))

    def decide(self, decision: Decision, actor: str = "Anna", **more) -> Changed:
        """A person decides."""
        return self.happen(Decided(decision, actor, "because", **more))

    def told(self) -> list[NoticeKind]:
        """Every notice so far."""
        return [effect.kind for effect in self.effects if isinstance(effect, Notify)]

    def did(self, effect: type) -> bool:
        """Whether something of that kind has followed so far."""
        return any(isinstance(one, effect) for one in self.effects)


def story(preset: str) -> Story:
    """A tenant without a past under a packaged contract."""
    return Story(preset_named(preset))

"""Replays the past under a contract: who would have been warned, blocked and charged, and when.

`Simulation` is told, in the order of time, how many recipients were asked for, how many copies were
delivered, and each fact; `finish` ends it. `lines` is what would have followed. Every notice is
taken at once. A tenant that is told does all that is asked `mended_after` seconds later and staff
accept it; None: nobody ever answers. What a blocked domain tried would have been refused before it
could become a fact, so that it is only counted, in `held_back`.
"""

from __future__ import annotations

import heapq
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from policies.sanctions.calendar import Calendar
from policies.sanctions.case import (
    Block,
    Case,
    Changed,
    Counts,
    Decided,
    Fact,
    Handed,
    Happening,
    Noticed,
    Notify,
    Taken,
    Ticked,
    Unblock,
)
from policies.sanctions.draft import GATEWAY, Refused, step_of
from policies.sanctions.engine import (
    apply,
    joins,
    next_automatic,
    open_case,
    threshold_divisor,
)
from policies.sanctions.ladder import Preset
from policies.sanctions.words import Decision, FactKind, Grade, NoticeKind, Phase

DAY = 86_400
BUCKET = 300
"""Seconds that one part of a 24 h window holds, as in the gateway's own windows."""
TRIED = {FactKind.PROTECTED_HIT, FactKind.COMPLAINT_IGNORED, FactKind.BATCH_DEFIANCE}
"""Facts that need a sender who may send."""
PEOPLE = "simulated staff"


class What(StrEnum):
    """What would have followed."""

    WARNED = "warned"
    BLOCKED = "blocked"
    TOLD = "told"
    FOR_A_PERSON = "for a person"
    CHARGED = "charge proposed"
    REMINDED = "reminded"
    OVERDUE = "time over"
    UNBLOCKED = "unblocked"
    PROBATION = "on probation"


@dataclass(frozen=True, slots=True)
class Line:
    """One consequence. `case` counts from 1 over all tenants; `about` is what it is about."""

    at: float
    tenant: str
    what: What
    case: int
    step: str
    clause: str
    about: str


@dataclass(slots=True)
class _Window:
    """A sum over the last 24 hours."""

    parts: deque[list[int]] = field(default_factory=deque)
    total: int = 0

    def add(self, at: float, count: int) -> None:
        part = int(at // BUCKET)
        if self.parts and self.parts[-1][0] >= part:
            self.parts[-1][1] += count
        else:
            self.parts.append([part, count])
        self.total += count

    def sum(self, at: float) -> int:
        oldest = int((at - DAY) // BUCKET)
        while self.parts and self.parts[0][0] <= oldest:
            self.total -= self.parts.popleft()[1]
        return self.total


class Simulation:
    """Facts and counts in, `lines` out. Instants are Unix seconds and never go back."""

    def __init__(
        self, preset: Preset, calendar: Calendar, mended_after: float | None = DAY
    ) -> None:
        self.lines: list[Line] = []
        self.held_back: Counter[str] = Counter()
        self.waiting: Counter[str] = Counter()
        """Reports by tenant that wait until a person counts them."""
        self._preset = preset
        self._calendar = calendar
        self._mended_after = mended_after
        self._cases: list[Case] = []
        self._of_mailing: dict[tuple[str, str, str], int] = {}
        self._live: dict[str, set[int]] = {}
        self._climbed: Counter[tuple[str, str]] = Counter()
        self._windows: dict[tuple[str, str], _Window] = {}
        self._due: list[tuple[float, int, bool]] = []
        """When a case has something due, which, and whether it is what the tenant hands in."""
        self._ticks: dict[int, float] = {}

    def asked(self, tenant: str, at: float, recipients: int) -> None:
        """The tenant asked for so many recipients."""
        self._window(tenant, "recipients").add(at, recipients)

    def delivered(self, tenant: str, at: float, copies: int) -> None:
        """The next hop took so many copies."""
        self._window(tenant, "delivered").add(at, copies)

    def report_waits(self, tenant: str) -> None:
        """A report came that moves nothing by itself."""
        self.waiting[tenant] += 1

    def fact(self, fact: Fact, sent_at: float, counted: Counts | None = None) -> None:
        """A fact about mail sent then. `counted` is what the gateway counted at the time, of
        recipients and copies, when that is on record."""
        self._pass_to(fact.at)
        ladder = self._preset.ladder_of(fact.kind)
        if ladder is None or fact.excuse is not None:
            return
        if fact.kind in TRIED and fact.domains and set(fact.domains) <= self._blocked(fact.tenant):
            self.held_back[fact.tenant] += 1
            return
        live = [self._cases[number] for number in self._live.get(fact.tenant, ())]
        kept = self._window(fact.tenant, f"fact {fact.kind}")
        kept.add(fact.at, 1)
        weak = self._window(fact.tenant, f"weak fact {fact.kind}")
        weak.add(fact.at, int(fact.actor == GATEWAY and fact.grade is Grade.B))
        counts = Counts(
            facts=kept.sum(fact.at),
            weak=weak.sum(fact.at),
            recipients=(counted and counted.recipients) or self._sum(fact, "recipients"),
            delivered=(counted and counted.delivered) or self._sum(fact, "delivered"),
            divisor=max(
                (threshold_divisor(case, self._preset, fact.at) for case in live), default=1
            ),
        )
        where = (ladder.name, fact.tenant, fact.mailing)
        number = self._of_mailing.get(where)
        try:
            if number is not None and joins(self._cases[number], sent_at):
                self._happen(number, Taken(fact, counts), fact.at)
                return
            climbed = self._climbed[fact.tenant, ladder.name]
            changed = open_case(self._preset, ladder, fact, counts, climbed, fact.at, "")
        except Refused:
            self.report_waits(fact.tenant)
            return
        number = len(self._cases)
        self._cases.append(changed.case)
        if fact.mailing:
            self._of_mailing[where] = number
        self._follow(number, None, changed, fact.at)

    def finish(self, at: float) -> None:
        """Time passes to the end of the past."""
        self._pass_to(at)

    def _window(self, tenant: str, name: str) -> _Window:
        return self._windows.setdefault((tenant, name), _Window())

    def _sum(self, fact: Fact, name: str) -> int:
        return self._window(fact.tenant, name).sum(fact.at)

    def _blocked(self, tenant: str) -> set[str]:
        live = (self._cases[number] for number in self._live.get(tenant, ()))
        return {name for case in live if case.blocked for name in case.domains}

    def _pass_to(self, now: float) -> None:
        while self._due and self._due[0][0] <= now:
            at, number, is_mended = heapq.heappop(self._due)
            if is_mended:
                self._mend(number, at)
            else:
                self._happen(number, Ticked(), at)

    def _mend(self, number: int, now: float) -> None:
        """The tenant does all that is asked, and staff accept it."""
        if self._cases[number].phase not in (Phase.OPEN, Phase.OVERDUE):
            return
        for name in self._cases[number].open_items:
            self._happen(number, Handed(name, self._cases[number].tenant), now)
        if self._cases[number].phase is Phase.SUBMITTED:
            accepted = Decided(Decision.ACCEPT, PEOPLE, "all was handed in")
            self._happen(number, accepted, now)

    def _happen(self, number: int, happening: Happening, now: float) -> None:
        before = self._cases[number]
        changed = apply(before, happening, self._preset, self._calendar, now)
        self._cases[number] = changed.case
        self._follow(number, before, changed, now)

    def _follow(self, number: int, before: Case | None, changed: Changed, now: float) -> None:
        case = changed.case
        step = step_of(case, self._preset)
        self._climbed[case.tenant, case.ladder] += case.counted - bool(before and before.counted)
        live = self._live.setdefault(case.tenant, set())
        (live.discard if case.phase.is_over else live.add)(number)
        for what, about in _consequences(before, changed):
            line = Line(now, case.tenant, what, number + 1, step.name, step.clause, about)
            self.lines.append(line)
        for effect in changed.effects:
            if isinstance(effect, Notify):
                self._happen(number, Noticed(effect.kind), now)
                is_first = effect.kind is NoticeKind.OPENED
                if is_first and self._mended_after is not None:
                    heapq.heappush(self._due, (now + self._mended_after, number, True))
            elif isinstance(effect, Unblock):
                # Who lifts a block forgives what led to it: each lift begins a new count.
                for kind in FactKind:
                    self._windows.pop((case.tenant, f"fact {kind}"), None)
        coming = next_automatic(self._cases[number], self._preset)
        if coming is not None and self._ticks.get(number) != coming.at:
            self._ticks[number] = coming.at
            heapq.heappush(self._due, (coming.at, number, False))


def _consequences(before: Case | None, changed: Changed) -> Iterator[tuple[What, str]]:
    case = changed.case
    told = [effect.kind for effect in changed.effects if isinstance(effect, Notify)]
    facts = f"{case.facts} facts, {case.reports} reports"
    if NoticeKind.WARNING in told:
        yield What.WARNED, facts
    was = before.phase if before else Phase.WATCHING
    if case.phase is Phase.UNDECIDED is not was:
        yield What.FOR_A_PERSON, facts
    for effect in changed.effects:
        match effect:
            case Block(domains):
                yield What.BLOCKED, ", ".join(domains)
            case Unblock():
                yield What.UNBLOCKED, ", ".join(case.domains)
            case Notify(NoticeKind.OPENED) if not case.blocked:
                yield What.TOLD, facts
            case Notify(NoticeKind.REMINDER_HALF | NoticeKind.REMINDER_LATE as kind):
                yield What.REMINDED, kind
            case _:
                pass
    charged = {fee.number: fee.amount for fee in before.fees} if before else {}
    for fee in case.fees:
        more = fee.amount - charged.get(fee.number, 0)
        if more > 0:
            yield What.CHARGED, f"{more // 100}.{more % 100:02} {fee.currency}"
    if case.phase is Phase.OVERDUE is not was:
        yield What.OVERDUE, "a person decides"
    if case.phase is Phase.PROBATION is not was:
        yield What.PROBATION, ""

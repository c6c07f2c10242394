"""What no sequence of facts, people and time may break, under each contract.

A machine plays a tenant, five staff and a clock at random. It counts what people decided and
compares the engine with it.
"""

from __future__ import annotations

from dataclasses import replace

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gateway.presets import preset_names
from policies.sanctions.case import (
    Block,
    Case,
    Changed,
    Counts,
    Decided,
    Fact,
    FeeState,
    Handed,
    Happening,
    Noticed,
    Notify,
    Taken,
    Tell,
    Terminate,
    Ticked,
    from_plain,
    to_plain,
)
from policies.sanctions.engine import Refused, apply, joins, next_automatic, open_case, possible
from policies.sanctions.preset import REQUIREMENTS
from policies.sanctions.words import Decision, FactKind, Grade, NoticeKind, Phase
from tests.unit.sanctions.story import CALENDAR, DAY, HOUR, START, preset_named

STAFF = ("Anna", "Bea", "Cyd", "Dora", "Ewa")
GRADES = st.sampled_from((Grade.A, *Grade))
ABOUT_FEES = st.sampled_from((Decision.ISSUE_FEE, Decision.WAIVE_FEE, Decision.PAY_FEE))
NUMBERS = st.integers(0, 4)
ACTORS = st.sampled_from((*STAFF, "gateway"))
SPANS = st.sampled_from((0, 60, HOUR, 8 * HOUR, DAY, 4 * DAY, 16 * DAY, 31 * DAY))
BLOCKING = [FactKind.PROTECTED_HIT, FactKind.COMPLAINT, FactKind.BATCH_DEFIANCE]
CALLS = {NoticeKind.OPENED, NoticeKind.BLOCKED, NoticeKind.SUSPENDED, NoticeKind.TERMINATED}


class Cases(RuleBasedStateMachine):
    """One tenant's cases, their effects, and who decided what."""

    @initialize(preset=st.sampled_from(preset_names()))
    def begin(self, preset: str) -> None:
        self.preset = preset_named(preset)
        kinds = [kind for ladder in self.preset.ladders[:6] for kind in ladder.takes]
        self.kinds = [*BLOCKING, *kinds]
        self.now = START
        self.cases: list[Case] = []
        self.proposed: list[set[str]] = []
        self.issued: list[set[int]] = []
        self.promised: dict[int, float] = {}
        self.history: list[list[tuple[Happening, float]]] = []
        self.opened: list[tuple[Fact, Counts, int, float]] = []

    # ---- what happens ----

    @rule(
        nth=st.integers(0, 99),
        mailing=st.sampled_from(("m1", "m2", "m3", "")),
        grade=GRADES,
        actor=st.sampled_from(("gateway", "gateway", "Anna")),
        many=st.booleans(),
    )
    def a_fact(self, nth: int, mailing: str, grade: Grade, actor: str, many: bool) -> None:
        kind = self.kinds[nth % len(self.kinds)]
        ladder = self.preset.ladder_of(kind)
        if ladder is None:
            return
        fact = Fact(
            kind,
            "acme",
            "s",
            mailing,
            "a.example",
            b"",
            "r",
            self.now,
            grade if kind is FactKind.COMPLAINT else None,
            None,
            actor,
            ("a.example",),
        )
        counts = Counts(30, 1000, 1000) if many else Counts(1, 1000, 100)
        for number, case in enumerate(self.cases):
            is_same = (case.ladder, case.mailing) == (ladder.name, mailing) and mailing
            if is_same and joins(case, self.now):
                self._happen(number, Taken(fact, counts))
                return
        climbed = sum(case.counted for case in self.cases if case.ladder == ladder.name)
        try:
            changed = open_case(self.preset, ladder, fact, counts, climbed, self.now, "d")
        except Refused:
            assert actor == "gateway"
            return
        self.cases.append(changed.case)
        self.proposed.append(set())
        self.issued.append(set())
        self.history.append([])
        self.opened.append((fact, counts, climbed, self.now))
        self._check(len(self.cases) - 1, None, changed, None)

    @rule(span=SPANS)
    def time_passes(self, span: float) -> None:
        self.now += span
        for number in range(len(self.cases)):
            self._happen(number, Ticked())

    @precondition(lambda self: self.cases)
    @rule(number=NUMBERS, kind=st.sampled_from(list(NoticeKind)))
    def a_notice_is_taken(self, number: int, kind: NoticeKind) -> None:
        self._happen(number, Noticed(kind))

    @precondition(lambda self: self.cases)
    @rule(number=NUMBERS)
    def the_first_notice_is_taken(self, number: int) -> None:
        self._happen(number, Noticed(NoticeKind.OPENED))

    @precondition(lambda self: self.cases)
    @rule(number=NUMBERS, name=st.sampled_from(("", *REQUIREMENTS)))
    def something_is_handed_in(self, number: int, name: str) -> None:
        """One thing, or everything."""
        asked = [one.name for one in self.cases[number % len(self.cases)].requirements]
        for one in [name] if name else asked:
            self._happen(number, Handed(one, "Ola"))

    @precondition(lambda self: self.cases)
    @rule(
        number=NUMBERS,
        decision=st.sampled_from(list(Decision)),
        actor=ACTORS,
        span=SPANS,
        fee=st.integers(1, 2),
        name=st.sampled_from(("", *REQUIREMENTS)),
    )
    def somebody_decides(
        self, number: int, decision: Decision, actor: str, span: float, fee: int, name: str
    ) -> None:
        self._decide(number, decision, actor, span, fee, name)

    @precondition(lambda self: self.cases)
    @rule(number=NUMBERS, actor=st.sampled_from(STAFF), nth=st.integers(0, 30))
    def somebody_decides_what_is_possible(self, number: int, actor: str, nth: int) -> None:
        offered = possible(self.cases[number % len(self.cases)], self.preset, actor)
        if offered:
            self._decide(number, offered[nth % len(offered)], actor, 40 * DAY, 1, "")

    @precondition(lambda self: self.cases)
    @rule(number=NUMBERS, first=ACTORS, second=ACTORS, is_alone=st.booleans(), span=SPANS)
    def a_termination_is_tried(
        self, number: int, first: str, second: str, is_alone: bool, span: float
    ) -> None:
        """By two people, or by one twice, after the longest clock or not."""
        self.the_first_notice_is_taken(number)
        self.time_passes(span)
        self._decide(number, Decision.PROPOSE_TERMINATION, first)
        self._decide(number, Decision.CONFIRM_TERMINATION, first if is_alone else second)

    @precondition(lambda self: self.cases)
    @rule(number=NUMBERS, actor=ACTORS, fee=st.integers(1, 2), decision=ABOUT_FEES)
    def a_fee_is_decided(self, number: int, actor: str, fee: int, decision: Decision) -> None:
        self._decide(number, decision, actor, fee=fee)

    @precondition(lambda self: self.cases)
    @rule(number=NUMBERS, first=ACTORS, second=ACTORS, is_right=st.booleans())
    def an_appeal_is_tried(self, number: int, first: str, second: str, is_right: bool) -> None:
        self._decide(number, Decision.APPEAL, first)
        self._decide(number, Decision.UPHOLD if is_right else Decision.DENY, second)

    @precondition(lambda self: self.cases)
    @rule(number=NUMBERS, actor=ACTORS, span=SPANS, is_good=st.booleans())
    def evidence_is_judged(self, number: int, actor: str, span: float, is_good: bool) -> None:
        """Of what may have been suspended meanwhile."""
        self.the_first_notice_is_taken(number)
        self.time_passes(span)
        self.something_is_handed_in(number, "")
        self._decide(number, Decision.ACCEPT if is_good else Decision.REJECT, actor)

    def _decide(
        self,
        number: int,
        decision: Decision,
        actor: str,
        span: float = 0,
        fee: int = 0,
        name: str = "",
    ) -> None:
        until = self.now + span
        self._happen(number, Decided(decision, actor, "because", name, until, fee, int(span)))

    # ---- what must hold ----

    def _happen(self, number: int, happening: Happening) -> None:
        number %= len(self.cases)
        before = self.cases[number]
        try:
            changed = apply(before, happening, self.preset, CALENDAR, self.now)
        except Refused:
            return
        self.history[number].append((happening, self.now))
        self.cases[number] = changed.case
        self._check(number, before, changed, happening)

    def _check(
        self, number: int, before: Case | None, changed: Changed, happening: Happening | None
    ) -> None:
        decided = happening if isinstance(happening, Decided) else None
        case = changed.case
        if decided:
            assert decided.actor in STAFF, "only people decide"
        self._terminations(number, before, changed, decided)
        self._charges(number, case, decided)
        if before is not None:
            self._deadlines(before, case, decided)
        if case.due_at is not None and case.phase is Phase.OPEN:
            assert case.due_at >= self.promised.get(number, 0), "earlier than once promised"
            self.promised[number] = case.due_at
        if any(isinstance(one, Block) for one in changed.effects):
            told = {one.kind for one in changed.effects if isinstance(one, Notify)}
            assert told & CALLS or (before and before.blocked), "a block comes with its notice"
        if self.preset.ladder(case.ladder).takes == (FactKind.LEGAL_REQUEST,):
            assert not any(isinstance(one, Tell | Notify) for one in changed.effects)

    def _terminations(
        self, number: int, before: Case | None, changed: Changed, decided: Decided | None
    ) -> None:
        if decided and decided.decision is Decision.PROPOSE_TERMINATION:
            self.proposed[number].add(decided.actor)
        is_new = changed.case.phase is Phase.TERMINATED and (
            before is None or before.phase is not Phase.TERMINATED
        )
        assert any(isinstance(one, Terminate) for one in changed.effects) == is_new
        if is_new:
            assert decided is not None
            assert decided.decision is Decision.CONFIRM_TERMINATION
            assert self.proposed[number] - {decided.actor}, "another person has proposed it"

    def _charges(self, number: int, case: Case, decided: Decided | None) -> None:
        if decided and decided.decision is Decision.ISSUE_FEE:
            self.issued[number].add(decided.fee)
        for fee in case.fees:
            assert fee.amount == fee.each * fee.count
            if fee.state in (FeeState.ISSUED, FeeState.PAID):
                assert fee.number in self.issued[number], "a person has issued it"

    def _deadlines(self, before: Case, case: Case, decided: Decided | None) -> None:
        for old, new in (
            (before.due_at, case.due_at),
            (before.review_due_at, case.review_due_at),
            (before.appeal_due_at, case.appeal_due_at),
            (before.until, case.until),
        ):
            assert old is None or new is None or new >= old, "a deadline moved earlier"
        if before.rested is not None and case.due_at is not None:
            assert case.due_at >= self.now + before.rested, "what was left is given back"
        if before.due_at and case.phase is Phase.OVERDUE and before.phase is Phase.OPEN:
            assert self.now >= before.due_at, "overdue before its time"
        if decided and decided.decision in (Decision.UPHOLD, Decision.DENY):
            assert decided.actor not in before.authors, "an appeal decided by its author"

    @invariant()
    def a_blocked_case_can_be_unblocked_by_somebody(self) -> None:
        freeing = {Decision.ACCEPT, Decision.LIFT, Decision.DISMISS, Decision.REOPEN}
        for case in getattr(self, "cases", ()):
            if case.blocked:
                offered = {one for actor in STAFF for one in possible(case, self.preset, actor)}
                assert offered & freeing

    @invariant()
    def a_case_keeps_its_shape(self) -> None:
        for case in getattr(self, "cases", ()):
            assert from_plain(to_plain(case)) == case
            assert case.phase.is_over == (case.closed_at is not None)
            assert (case.phase is Phase.SUBMITTED) == (case.review_due_at is not None)
            assert case.blocked <= (case.counted and bool(case.domains))
            coming = next_automatic(case, self.preset)
            if coming is not None:
                assert not case.stopped
                assert not case.phase.is_over

    def teardown(self) -> None:
        """The same happenings, told again, give the same cases."""
        for number, (fact, counts, climbed, at) in enumerate(getattr(self, "opened", ())):
            ladder = self.preset.ladder_of(fact.kind)
            case = open_case(self.preset, ladder, fact, counts, climbed, at, "d").case
            for happening, then in self.history[number]:
                case = apply(replace(case), happening, self.preset, CALENDAR, then).case
            assert case == self.cases[number]


TestCases = Cases.TestCase
TestCases.settings = settings(
    max_examples=50, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)

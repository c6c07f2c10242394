"""A case's clocks: the longest one, the review clock, and what happens by itself when time passes.

The longest clock begins when the first notice is out, rests while everything that was asked for
waits to be looked at, and goes on when that is rejected. `upcoming` says what comes next, `tick`
makes happen whatever is due. Nothing here charges or terminates: a clock that runs out asks a
person.
"""

from __future__ import annotations

from policies.sanctions.calendar import Calendar
from policies.sanctions.case import Case, Next, Requirement
from policies.sanctions.draft import GATEWAY, Draft, step_of
from policies.sanctions.fees import propose
from policies.sanctions.ladder import Preset, Probation, Sanction, Step, Then
from policies.sanctions.preset import INVOICE
from policies.sanctions.words import NoticeKind, Phase

WATCHED = 8 * 86_400
"""Seconds that a case is watched: a mailing lasts 7 days at most, and thresholds count 24 h."""
REMINDERS = {NoticeKind.REMINDER_HALF: 0.5, NoticeKind.REMINDER_LATE: 0.9}
"""Which share of the longest clock has gone by when each is due."""


# ---- the longest clock --------------------------------------------------------------------------


def start(draft: Draft) -> None:
    """The first notice is on its way: the clock begins, if the step has one."""
    case, step, now = draft.case, draft.step, draft.now
    if case.phase is not Phase.OPEN or case.clock_at is not None:
        return
    if case.until is not None:
        # The notice was too late for the time it names: the tenant gets as long as was meant.
        meant = step.deadline or case.until - case.opened_at
        draft.set(clock_at=now, due_at=case.until if case.until > now else now + meant)
    elif step.deadline is not None:
        draft.set(clock_at=now, due_at=now + step.deadline)


def rest(draft: Draft, calendar: Calendar) -> None:
    """Everything is in: the longest clock rests and the review clock runs."""
    case, now = draft.case, draft.now
    if case.phase is Phase.OPEN and case.due_at is not None:
        draft.set(rested=max(0.0, case.due_at - now), rested_at=now, due_at=None)
    draft.set(
        phase=Phase.SUBMITTED,
        review_due_at=max(
            now + draft.preset.review,
            calendar.add_business_days(now, draft.preset.review_business_days),
        ),
        termination_by="",
    )


def resume(draft: Draft) -> None:
    """Something is missing after all: the longest clock goes on with what was left of it."""
    case, now = draft.case, draft.now
    if case.rested is not None and case.rested_at is not None and case.clock_at is not None:
        draft.set(
            phase=Phase.OPEN,
            due_at=now + case.rested,
            clock_at=case.clock_at + now - case.rested_at,
        )
    else:
        draft.set(phase=Phase.OPEN if case.due_at is None else Phase.OVERDUE)
        if case.notified_at is not None:
            start(draft)
    draft.set(rested=None, rested_at=None, review_due_at=None)


def resume_when_lacking(draft: Draft, before: Case) -> None:
    """Something more is asked for than `before`: the longest clock goes on, should it rest."""
    is_more = set(draft.case.open_items) - set(before.open_items)
    if draft.case.phase is Phase.SUBMITTED and is_more:
        resume(draft)


def reminder_at(case: Case, kind: NoticeKind) -> float:
    """When that reminder is due; the longest clock must be running."""
    if case.clock_at is None or case.due_at is None:
        raise ValueError("no clock runs")
    return case.clock_at + (case.due_at - case.clock_at) * REMINDERS[kind]


# ---- time passes --------------------------------------------------------------------------------


def upcoming(case: Case, preset: Preset) -> Next | None:
    """What happens next by itself: nothing while a person has stopped it."""
    if case.stopped:
        return None
    match case.phase:
        case Phase.WATCHING:
            return Next("close", case.opened_at + WATCHED)
        case Phase.OPEN if case.due_at is not None:
            for kind in REMINDERS:
                if kind not in case.reminded:
                    return Next(kind, reminder_at(case, kind))
            return Next(_outcome(step_of(case, preset).then), case.due_at)
        case Phase.PROBATION:
            probation = preset.ladder(case.ladder).probation
            if probation is None or case.probation_until is None or case.probation_from is None:
                return None
            following = case.probation_step + 1
            if following < len(probation.volume):
                span = (case.probation_until - case.probation_from) / len(probation.volume)
                share = probation.volume[following]
                return Next(f"volume-{share}", case.probation_from + span * following)
            return Next("probation-ends", case.probation_until)
        case _:
            return None


def _outcome(then: Then) -> str:
    match then:
        case Then.MAY_TERMINATE | Then.PERSON_LIFTS | Then.PERSON_DECIDES:
            return "overdue"
        case Then.SUSPEND:
            return "suspend"
        case Then.NEXT:
            return "next-step"
        case Then.CLOSE:
            return "close"


def tick(draft: Draft) -> None:
    """Make everything happen that is due by now, in its order."""
    while (due := upcoming(draft.case, draft.preset)) is not None and due.at <= draft.now:
        match draft.case.phase:
            case Phase.WATCHING:
                draft.set(phase=Phase.CLOSED, closed_at=draft.now)
            case Phase.PROBATION:
                _probation_goes_on(draft)
            case _ if due.what in REMINDERS:
                _remind(draft, NoticeKind(due.what))
            case _:
                _run_out(draft)


def _remind(draft: Draft, kind: NoticeKind) -> None:
    """Said once, and not when the gateway was away so long that the next word is due already."""
    draft.set(reminded=(*draft.case.reminded, kind))
    following = upcoming(draft.case, draft.preset)
    if following is None or following.at > draft.now:
        draft.notify(kind)
        draft.tell("case.deadline", what=str(kind), due_at=draft.case.due_at)


def _run_out(draft: Draft) -> None:
    """The longest clock is over."""
    case, step = draft.case, draft.step
    draft.tell("case.deadline", what=_outcome(step.then), due_at=case.due_at)
    match step.then:
        case Then.MAY_TERMINATE | Then.PERSON_LIFTS | Then.PERSON_DECIDES:
            draft.set(phase=Phase.OVERDUE)
            draft.notify(NoticeKind.OVERDUE)
        case Then.SUSPEND:
            draft.set(phase=Phase.OVERDUE)
            if case.blocked or not case.domains:
                draft.notify(NoticeKind.OVERDUE)
            else:
                draft.by(GATEWAY)
                draft.block(case.domains, f"{step.clause}: no answer in time")
                draft.notify(NoticeKind.SUSPENDED)
        case Then.NEXT:
            _climb(draft)
        case Then.CLOSE:
            draft.unblock(f"{step.clause}: its time is over")
            draft.set(phase=Phase.CLOSED, closed_at=draft.now, due_at=None)
            draft.tell("case.closed", outcome="time")


def _climb(draft: Draft) -> None:
    """The next step's notice and clock begin; what was handed in stays."""
    steps = draft.ladder.steps
    step = steps[steps.index(draft.step) + 1]
    draft.set(step=step.name, clock_at=None, due_at=None, until=None, reminded=())
    ask(draft, step)
    propose(draft)
    if step.deadline == 0:
        draft.set(phase=Phase.OVERDUE, clock_at=draft.now, due_at=draft.now)
    if step.sanction is Sanction.BLOCK and not draft.case.blocked and draft.case.domains:
        draft.block(draft.case.domains, f"{step.clause}: step {step.name}")
    draft.notify(NoticeKind.OPENED)


def ask(draft: Draft, step: Step) -> None:
    """The step's requirements are open, those known already as they are. A paid invoice is asked
    for with its fee."""
    known = {one.name for one in draft.case.requirements} | {INVOICE}
    more = tuple(Requirement(name) for name in step.requirements if name not in known)
    draft.set(requirements=(*draft.case.requirements, *more))


# ---- probation ----------------------------------------------------------------------------------


def begin_probation(draft: Draft, probation: Probation) -> None:
    """Lifted, on probation from now."""
    draft.set(
        phase=Phase.PROBATION,
        probation_from=draft.now,
        probation_until=draft.now + probation.seconds,
        probation_step=0,
        due_at=None,
        review_due_at=None,
        rested=None,
        rested_at=None,
    )


def _probation_goes_on(draft: Draft) -> None:
    probation = draft.ladder.probation
    following = draft.case.probation_step + 1
    if probation is not None and following < len(probation.volume):
        draft.set(probation_step=following)
        draft.tell("case.deadline", what="volume", share=probation.volume[following])
    else:
        draft.set(phase=Phase.CLOSED, closed_at=draft.now)
        draft.tell("case.closed", outcome="probation")


def probation_at(case: Case, preset: Preset, now: float) -> tuple[int, int]:
    """Percent of the usual volume at an instant, and by what thresholds are divided."""
    probation = preset.ladder(case.ladder).probation
    begin, end = case.probation_from, case.probation_until
    is_on = case.phase is Phase.PROBATION and begin is not None and end is not None and now < end
    if probation is None or begin is None or end is None or not is_on:
        return 100, 1
    spans = len(probation.volume)
    number = min(spans - 1, int(max(0.0, now - begin) / (end - begin) * spans))
    return probation.volume[number], probation.threshold_divisor

"""How a case ends, and what undoes an end.

A person's end keeps the case as it was before, for REOPEN. An upheld appeal stands: it keeps
nothing. Terminations need two people, which `policies.sanctions.permits` sees to.
"""

from __future__ import annotations

from dataclasses import replace

from policies.sanctions.case import Block, Case, Reinstate, Terminate, Unblock
from policies.sanctions.draft import Draft
from policies.sanctions.fees import waive_all
from policies.sanctions.ladder import Sanction
from policies.sanctions.words import NoticeKind, Phase


def close(draft: Draft, reason: str, outcome: str) -> None:
    """A person ends the case: whatever it blocks is lifted."""
    _end(draft, draft.case, reason, outcome)


def dismiss(draft: Draft, reason: str) -> None:
    """There was no violation: nothing is owed, and no later step is climbed for it."""
    before = draft.case
    _clear(draft)
    _end(draft, before, reason, "dismissed")


def uphold(draft: Draft, reason: str) -> None:
    """The appeal is right: as if there had been no violation, also after the end."""
    is_terminated = draft.case.phase is Phase.TERMINATED
    _clear(draft)
    if is_terminated:
        draft.effects.append(Reinstate(reason))
    if not draft.case.phase.is_over or is_terminated:
        _end(draft, None, reason, "upheld")
    draft.set(before=None)
    draft.notify(NoticeKind.APPEAL_DECIDED)


def terminate(draft: Draft, actor: str, reason: str) -> None:
    """A second person confirms what the first proposed."""
    before = draft.case
    draft.by(before.termination_by, actor)
    draft.set(
        phase=Phase.TERMINATED,
        blocked=True,
        closed_at=draft.now,
        due_at=None,
        stopped=False,
        before=replace(before, before=None),
    )
    draft.effects.append(Terminate(reason))
    draft.notify(NoticeKind.TERMINATED)
    draft.tell("case.terminated")


def reopen(draft: Draft, actor: str, reason: str) -> None:
    """The case is what it was before a person ended it; its clocks did not run meanwhile.

    Fees that a dismissal waived are owed again, what became of others since then stands."""
    ended, before = draft.case, draft.case.before
    assert before is not None  # noqa: S101 - permits refuses it
    moved = draft.now - (ended.closed_at if ended.closed_at is not None else draft.now)
    draft.set(**{name: getattr(before, name) for name in Case.__slots__})
    draft.set(
        id=ended.id,
        before=None,
        authors=ended.authors,
        notified_at=ended.notified_at,
        appeal_at=ended.appeal_at,
        appeal_due_at=ended.appeal_due_at,
        fees=before.fees if before.counted and not ended.counted else ended.fees,
    )
    draft.by(actor)
    if before.phase is Phase.OPEN and before.due_at is not None and before.clock_at is not None:
        draft.set(due_at=before.due_at + moved, clock_at=before.clock_at + moved)
    if ended.phase is Phase.TERMINATED:
        draft.effects += [Reinstate(reason), Unblock(reason)]
        if not before.blocked:
            draft.notify(NoticeKind.UNBLOCKED)
            draft.tell("case.unblocked", domains=before.domains)
    if draft.step.sanction is not Sanction.APPROVE:
        draft.tell("case.opened", step=before.step, phase=str(before.phase))
    if before.blocked:
        draft.effects.append(Block(before.domains, reason))
        draft.notify(NoticeKind.BLOCKED)
        draft.tell("case.blocked", domains=before.domains)


def _clear(draft: Draft) -> None:
    waive_all(draft)
    draft.set(counted=False, appeal_at=None, appeal_due_at=None)


def _end(draft: Draft, before: Case | None, reason: str, outcome: str) -> None:
    draft.unblock(reason)
    draft.set(
        phase=Phase.CLOSED,
        closed_at=draft.now,
        due_at=None,
        review_due_at=None,
        rested=None,
        rested_at=None,
        termination_by="",
        stopped=False,
        before=before and replace(before, before=None),
    )
    if draft.step.sanction is not Sanction.APPROVE:
        draft.tell("case.closed", outcome=outcome)

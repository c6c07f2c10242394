"""The one way a stored case changes: load, apply the engine, store, carry out all that follows.

`change` and the openings run in the caller's transaction: the case's row, timeline, audit, blocks,
notices waiting to be sent, fees and webhooks are written by it or not at all. They give the
`Moved` case with the events to emit once the transaction is on the disk. Raise LookupError for a
case that does not exist and `policies.sanctions.engine.Refused` for what is not allowed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import assert_never

from sqlalchemy import Connection, insert

from gateway.events import Event
from gateway.records.blocks import have_read
from gateway.records.case_effects import carry_out, keep_fees
from gateway.records.case_rules import Rules
from gateway.records.case_store import (
    Clocks,
    folding,
    history,
    insert_case,
    load_case,
    on_probation,
    save_case,
)
from gateway.records.case_trail import write_entry
from gateway.records.policy_versions import in_force, preset_of
from gateway.records.prepared import Prepared
from gateway.records.tables import facts
from policies.sanctions import engine
from policies.sanctions.case import (
    Block,
    Case,
    Changed,
    Counts,
    Decided,
    Effect,
    Fact,
    Handed,
    Happening,
    Noticed,
    Taken,
    Ticked,
)
from policies.sanctions.ladder import Ladder, Preset
from policies.sanctions.words import Decision
from suppression.masking import mask

_ADD_FACT = Prepared(insert(facts))


@dataclass(frozen=True, slots=True)
class Moved:
    """A case as it stands now (`case.id` is its number), what followed, and what to emit."""

    case: Case
    effects: tuple[Effect, ...]
    events: tuple[Event, ...]


def change(
    connection: Connection,
    number: int,
    happening: Happening,
    actor: str,
    now: float,
    rules: Rules,
    *,
    detail: Mapping[str, object] | None = None,
    subject: int | None = None,
    before: Case | None = None,
) -> Moved:
    """Let something happen to a case. `detail` (no addresses) and `subject` (a sealed text, such as
    a reply) go into its timeline. `before` is the case, where the caller has just read it."""
    if isinstance(happening, Decided):  # a case's state keeps why something was rejected
        happening = replace(happening, reason=mask(happening.reason))
    if before is None:
        before = load_case(connection, number)
    if not before.step:
        raise engine.Refused("it is from before there were ladders; only its blocks can be lifted")
    preset = preset_of(connection, rules, before.tenant, before.policy)
    changed = engine.apply(before, happening, preset, rules.calendar, now)
    after = changed.case
    if _folds(after) and not _folds(before):
        other = folding(connection, after.ladder, after.tenant, after.mailing)
        if other is not None:
            raise engine.Refused(f"C-{other.id:06d} takes what this mailing brings by now")
    _store(connection, before, changed, preset, happening, actor, now, detail, subject)
    extra = _extra(happening)
    events = carry_out(connection, after, changed.effects, actor, now, rules, extra)
    if _shown(before) != _shown(after):
        have_read(connection)
    return Moved(after, changed.effects, events)


def begin(
    connection: Connection,
    preset: Preset,
    ladder: Ladder,
    digest: str,
    fact: Fact,
    counts: Counts,
    actor: str,
    now: float,
    rules: Rules,
    *,
    until: float | None = None,
    reason: str = "",
) -> Moved:
    """Open a case with its first fact. `reason` is the person's who opens it: blocks bear it."""
    earlier = history(connection, ladder.name, fact.tenant)
    changed = engine.open_case(preset, ladder, fact, counts, earlier, now, digest, until=until)
    case = insert_case(connection, changed.case, _clocks(changed.case, preset, now))
    detail = {"ladder": case.ladder, "step": case.step, "phase": case.phase.value}
    detail |= {"fact": fact.kind.value, "reason": reason}
    write_entry(connection, case, "case.opened", actor, now, detail)
    keep_fees(connection, case, (), actor, "", now)
    effects = tuple(
        replace(effect, reason=reason) if reason and isinstance(effect, Block) else effect
        for effect in changed.effects
    )
    events = carry_out(connection, case, effects, actor, now, rules, {})
    return Moved(case, effects, events)


def open_by_hand(
    connection: Connection,
    fact: Fact,
    actor: str,
    reason: str,
    now: float,
    rules: Rules,
    *,
    until: float | None = None,
) -> Moved:
    """A person opens a case, for whatever reason `fact.kind` is; it folds into no other. `until`
    is a deadline of its own (Unix s). Raises Refused when no ladder takes that kind."""
    own = replace(fact, mailing="", actor=actor)
    digest, preset = in_force(connection, rules, fact.tenant, now)
    ladder = preset.ladder_of(own.kind)
    if ladder is None:
        raise engine.Refused(f"no ladder of the policy {preset.name} takes {own.kind}")
    counts = with_divisor(connection, rules, Counts(), own.tenant, now)
    moved = begin(
        connection,
        preset,
        ladder,
        digest,
        own,
        counts,
        actor,
        now,
        rules,
        until=until,
        reason=reason,
    )
    store_fact(connection, own, moved.case.id, None)
    return moved


def note(
    connection: Connection,
    number: int,
    kind: str,
    actor: str,
    now: float,
    *,
    detail: Mapping[str, object] | None = None,
    subject: int | None = None,
) -> None:
    """Add an entry to the timeline that changes nothing (a note, a reply, an address deleted), and
    its audit record. `kind` is a dotted name such as `case.noted`."""
    write_entry(connection, load_case(connection, number), kind, actor, now, detail, subject)


def store_fact(connection: Connection, fact: Fact, case: int | None, subject: int | None) -> int:
    """The new fact's number."""
    row = {
        "case_id": case,
        "kind": fact.kind.value,
        "tenant": fact.tenant,
        "stream": fact.stream,
        "mailing": fact.mailing,
        "domain": fact.domain,
        "key": fact.key or None,
        "ref": fact.ref,
        "at": int(fact.at),
        "grade": fact.grade.value if fact.grade else None,
        "excuse": fact.excuse.value if fact.excuse else None,
        "actor": fact.actor,
        "subject": subject,
    }
    return _ADD_FACT.insert(connection, row)


def with_divisor(
    connection: Connection, rules: Rules, counts: Counts, tenant: str, now: float
) -> Counts:
    """The counts with what the tenant's probations divide its thresholds by."""
    divisors = [
        engine.threshold_divisor(case, preset_of(connection, rules, tenant, case.policy), now)
        for case in on_probation(connection, tenant)
    ]
    return replace(counts, divisor=max(divisors, default=1))


def _store(
    connection: Connection,
    before: Case,
    changed: Changed,
    preset: Preset,
    happening: Happening,
    actor: str,
    now: float,
    detail: Mapping[str, object] | None,
    subject: int | None,
) -> None:
    after = changed.case
    save_case(connection, after, _clocks(after, preset, now))
    kind, own = _told(happening)
    is_news = bool(changed.effects) or (before.phase, before.fees) != (after.phase, after.fees)
    if kind and (is_news or not isinstance(happening, Taken | Ticked)):
        own |= dict(detail or {})
        if before.phase is not after.phase:
            own |= {"from": before.phase.value, "to": after.phase.value}
        write_entry(connection, after, kind, actor, now, own, subject)
    reason = happening.reason if isinstance(happening, Decided) else ""
    keep_fees(connection, after, before.fees, actor, reason, now)


def _told(happening: Happening) -> tuple[str, dict[str, object]]:
    """The timeline's word for what happened, "" when somebody else has told it."""
    match happening:
        case Taken(fact, counts):
            return "fact.taken", {"fact": fact.kind.value, "count": counts.facts}
        case Noticed():  # `gateway.records.notices` has
            return "", {}
        case Handed(requirement, by):
            return "requirement.handed", {"requirement": requirement, "by": by}
        case Decided():
            return "case.decided", {
                "decision": happening.decision.value,
                "reason": happening.reason,
                "requirement": happening.requirement,
                "until": happening.until,
                "fee": happening.fee or None,
                "minutes": happening.minutes or None,
            }
        case Ticked():
            return "time.passed", {}
        case _:
            assert_never(happening)


def _extra(happening: Happening) -> dict[str, object]:
    """What notices about it tell besides the case."""
    match happening:
        case Decided():
            told = {
                "reason": happening.reason,
                "requirement": happening.requirement,
                "until": happening.until,
                "fee": happening.fee,
            }
            if happening.decision in (Decision.UPHOLD, Decision.DENY):
                told["upheld"] = happening.decision is Decision.UPHOLD
            return {name: value for name, value in told.items() if value not in ("", None, 0)}
        case _:
            return {}


def _folds(case: Case) -> bool:
    """Whether it takes further facts of its mailing (as the unique index has it)."""
    return bool(case.mailing) and case.notified_at is None and case.closed_at is None


def _shown(case: Case) -> tuple[object, ...]:
    """What the data path reads of a case (`gateway.records.blocks.BlockList`)."""
    return case.blocked, case.open_items, case.phase, case.probation_step, case.notified_at


def _clocks(case: Case, preset: Preset, now: float) -> Clocks:
    coming = engine.next_automatic(case, preset)
    share = engine.volume_share(case, preset, now)
    return Clocks(None if coming is None else coming.at, share)

"""Facts, cases, what happens to a case and what follows: the values the engine works on.

`Case` is immutable; `policies.sanctions.engine` gives a new one with the `Effect`s to carry out.
Instants are Unix seconds. `to_plain` and `from_plain` turn a case into JSON-able data and back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

from policies.sanctions.words import (
    Decision,
    Excuse,
    FactKind,
    Grade,
    NoticeKind,
    Phase,
)


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that happened, never changed. `key` is the recipient's exact key or empty,
    `domain` the sender domain (A-label) or empty, `at` Unix seconds. `domains` are the registered
    names that a block would fall on."""

    kind: FactKind
    tenant: str
    stream: str
    mailing: str
    domain: str
    key: bytes
    ref: str
    at: float
    grade: Grade | None = None
    """Of a report; None for what the gateway saw itself or a person opened."""
    excuse: Excuse | None = None
    actor: str = "gateway"
    """Who opened it, when a person did."""
    domains: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Counts:
    """The tenant's last 24 h when a fact comes: facts of its kind (itself included), recipients
    asked for and copies delivered. `weak` of the facts are of grade B, counted by no person: they
    block nobody by themselves. `divisor` is `engine.threshold_divisor`, the greatest of the
    tenant's cases: on probation, thresholds are divided by it."""

    facts: int = 1
    recipients: int = 0
    delivered: int = 0
    divisor: int = 1
    weak: int = 0


@dataclass(frozen=True, slots=True)
class Requirement:
    """One thing to do before a sanction is lifted."""

    name: str
    met_at: float | None = None
    met_by: str = ""
    rejected: str = ""
    """Why it was not good, when staff rejected it."""


class FeeState(StrEnum):
    """A fee is proposed by the engine; everything after that a person does."""

    PROPOSED = "proposed"
    ISSUED = "issued"
    WAIVED = "waived"
    PAID = "paid"


@dataclass(frozen=True, slots=True)
class Fee:
    """`amount` in the smallest unit is `each` times `count` (reports, or hours of work begun), with
    the clause it rests on."""

    number: int
    amount: int
    currency: str
    count: int
    each: int
    clause: str
    state: FeeState = FeeState.PROPOSED


@dataclass(frozen=True, slots=True)
class Case:
    """One case as it stands. `id` is its number in the records, 0 before it has one."""

    id: int
    tenant: str
    ladder: str
    step: str
    mailing: str
    policy: str
    """Digest of the preset in force when its mail was sent."""
    phase: Phase
    opened_at: float
    counted: bool = False
    """Whether it is a violation that later cases climb on."""
    facts: int = 0
    reports: int = 0
    domains: tuple[str, ...] = ()
    """Names a block falls on."""
    blocked: bool = False
    notified_at: float | None = None
    """Dispatch of the first notice: folding ends, clocks run from here."""
    clock_at: float | None = None
    """When the longest clock began, moved on by what it rested; None before the first notice."""
    due_at: float | None = None
    """When the longest clock runs out; None while it rests or when there is none."""
    until: float | None = None
    """A deadline of this case's own, set before its notice went out, which states it."""
    rested_at: float | None = None
    """Since when the longest clock rests."""
    rested: float | None = None
    """Seconds that were left when the clock began to rest."""
    review_due_at: float | None = None
    """Until when staff must have looked at what was handed in."""
    requirements: tuple[Requirement, ...] = ()
    fees: tuple[Fee, ...] = ()
    reminded: tuple[NoticeKind, ...] = ()
    """Notices that are said once."""
    stopped: bool = False
    """A person stopped the next automatic action."""
    authors: tuple[str, ...] = ()
    """Who set the sanction: `gateway`, and whoever confirmed, blocked, charged or terminated. None
    of them decides an appeal."""
    termination_by: str = ""
    """Who proposed it."""
    approvals: tuple[str, ...] = ()
    appeal_at: float | None = None
    appeal_due_at: float | None = None
    probation_from: float | None = None
    probation_until: float | None = None
    probation_step: int = 0
    """Which of the probation's spans has begun, from 0."""
    closed_at: float | None = None
    before: Case | None = None
    """The case before a person ended it, for REOPEN."""

    @property
    def author(self) -> str:
        """Who set what is in force now."""
        return self.authors[-1] if self.authors else ""

    @property
    def open_items(self) -> tuple[str, ...]:
        """Names of the requirements not met yet."""
        return tuple(one.name for one in self.requirements if one.met_at is None)


# ---- what happens to a case ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Taken:
    """A fact for it."""

    fact: Fact
    counts: Counts


@dataclass(frozen=True, slots=True)
class Noticed:
    """The next hop took a notice."""

    kind: NoticeKind


@dataclass(frozen=True, slots=True)
class Handed:
    """The tenant met a requirement: an upload or a confirmation; `by` is the contact's name."""

    requirement: str
    by: str


@dataclass(frozen=True, slots=True)
class Decided:
    """A person's decision. `requirement`, `until` (Unix s), `fee` (its number) and `minutes` are
    for those decisions that need them."""

    decision: Decision
    actor: str
    reason: str
    requirement: str = ""
    until: float | None = None
    fee: int = 0
    minutes: int = 0


@dataclass(frozen=True, slots=True)
class Ticked:
    """Time has passed: whatever is due by now happens."""


Happening = Taken | Noticed | Handed | Decided | Ticked


# ---- what follows ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Block:
    """Block these sender domains of the tenant under the case."""

    domains: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Unblock:
    """Lift this case's blocks."""

    reason: str


@dataclass(frozen=True, slots=True)
class Notify:
    """Tell the tenant."""

    kind: NoticeKind


@dataclass(frozen=True, slots=True)
class Tell:
    """One of `case.opened`, `case.blocked`, `case.unblocked`, `case.fee`, `case.deadline`,
    `case.closed`, `case.terminated`: for webhooks, the journal and the counters."""

    kind: str
    detail: tuple[tuple[str, object], ...] = ()


@dataclass(frozen=True, slots=True)
class Terminate:
    """End the tenant's service: two people decided it. Every sender domain is blocked."""

    reason: str


@dataclass(frozen=True, slots=True)
class Reinstate:
    """The termination is undone: the tenant may log in again. An Unblock follows, and a Block when
    the case still blocks its own domains."""

    reason: str


Effect = Block | Unblock | Notify | Tell | Terminate | Reinstate


@dataclass(frozen=True, slots=True)
class Next:
    """The next thing that happens by itself: what (a word for people's tables) and when."""

    what: str
    at: float


@dataclass(frozen=True, slots=True)
class Changed:
    """The case after a happening, and what follows."""

    case: Case
    effects: tuple[Effect, ...]


# ---- kept ---------------------------------------------------------------------------------------


def to_plain(case: Case) -> dict[str, Any]:
    """JSON-able data that `from_plain` reads."""
    plain = _flat(case)
    plain["requirements"] = [_flat(one) for one in case.requirements]
    plain["fees"] = [_flat(one) for one in case.fees]
    plain["before"] = None if case.before is None else to_plain(case.before)
    return plain


def _flat(value: Case | Requirement | Fee) -> dict[str, Any]:
    """Its fields as they are: `dataclasses.asdict` copies each to its depth, at ten times the cost,
    and a case is written with each report."""
    return {field.name: getattr(value, field.name) for field in fields(value)}


def from_plain(data: Mapping[str, Any]) -> Case:
    """The case that `to_plain` wrote."""
    values = dict(data)
    values["phase"] = Phase(data["phase"])
    values["requirements"] = tuple(Requirement(**one) for one in data["requirements"])
    values["fees"] = tuple(Fee(**{**one, "state": FeeState(one["state"])}) for one in data["fees"])
    values["reminded"] = tuple(NoticeKind(one) for one in data["reminded"])
    for name in ("domains", "authors", "approvals"):
        values[name] = tuple(data[name])
    values["before"] = None if data["before"] is None else from_plain(data["before"])
    return Case(**values)

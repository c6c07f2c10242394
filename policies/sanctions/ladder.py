"""What a preset says: ladders of steps, and the conduct that goes for all of them.

Values only; `policies.sanctions.preset` reads them from YAML and says what is wrong there.
Durations are seconds, money is in the currency's smallest unit (grosz, cent).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from policies.sanctions.words import FactKind


class Basis(StrEnum):
    """What a threshold's percentage is of, in 24 hours."""

    RECIPIENTS = "recipients"
    DELIVERED = "delivered"
    OFFERED = "offered"
    """Delivered, or refused by the next hop for the very reason that is counted: a list on which
    nobody exists delivers nothing."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """Reached by `facts` that are also `percent` of the basis, itself at least `least`.

    `Threshold(1, 0)` is reached by the first fact.
    """

    facts: int
    percent: float
    basis: Basis = Basis.RECIPIENTS
    least: int = 0


class Sanction(StrEnum):
    """What a step does by itself once it is reached."""

    NONE = "none"
    NOTIFY = "notify"
    """Tells the tenant and waits for an answer."""
    BLOCK = "block"
    """Blocks the sender domain."""
    DECIDE = "decide"
    """Nothing: a person decides."""
    APPROVE = "approve"
    """Two people approve what an authority asks for. The tenant is told nothing."""
    ANSWER = "answer"
    """The operator owes the tenant an answer within the deadline."""


class Then(StrEnum):
    """What follows when a step's longest clock runs out."""

    MAY_TERMINATE = "may-terminate"
    PERSON_LIFTS = "person-lifts"
    PERSON_DECIDES = "person-decides"
    SUSPEND = "suspend"
    """Suspension on silence: the domain is blocked and the clock is over."""
    NEXT = "next"
    """The next step's notice and clock begin (IQ PL: 14 days to mend, then 3 days' notice)."""
    CLOSE = "close"


@dataclass(frozen=True, slots=True)
class FeeRule:
    """Proposed when the step is reached; a person issues it. `each` per report, 0 reports: none.
    `clause` is what it rests on, the step's own when empty."""

    amount: int
    currency: str
    each: FactKind | None = FactKind.COMPLAINT
    clause: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """One rung. `clause` is what it implements, as the terms number it, for notices and pages."""

    name: str
    clause: str
    sanction: Sanction
    then: Then
    deadline: float | None = None
    """The longest clock; None: none runs, 0: it has run out at once."""
    requirements: tuple[str, ...] = ()
    """Keys of texts in gateway.notices and /status: protection-confirmed, screenshot, invoice-paid,
    explanation, deleted, mended ..."""
    fee: FeeRule | None = None
    needs_report: bool = False
    """Without a report among its facts a person decides (P3)."""


@dataclass(frozen=True, slots=True)
class Probation:
    """After unblocking: equal spans with a share of the volume each; thresholds are divided."""

    seconds: float
    volume: tuple[int, ...]
    threshold_divisor: int = 2


@dataclass(frozen=True, slots=True)
class Ladder:
    """One group of facts with the steps it climbs. Steps never reset: the n-th counted case of a
    tenant in this group is at rung n, those after the last at the last. A step that follows one
    with `Then.NEXT` is no rung: only the clock leads there."""

    name: str
    title: dict[str, str]
    """What the violation is called, by language: en, pl."""
    takes: tuple[FactKind, ...]
    steps: tuple[Step, ...]
    block_at: Threshold = Threshold(1, 0)
    """Below it a case is only watched; per kind of fact."""
    warn_share: int = 0
    """Warned at one `warn_share`-th of the threshold; 0 never."""
    probation: Probation | None = None
    is_automatic: bool = True
    """False: whatever opens it, a person decides (weak grounds)."""


@dataclass(frozen=True, slots=True)
class Preset:
    """Everything one contract says about sanctions."""

    name: str
    title: str
    ladders: tuple[Ladder, ...]
    review: float = 86_400
    """Seconds until what was handed in must be looked at; or `review_business_days`, the later."""
    review_business_days: int = 1
    appeal: float = 30 * 86_400
    """Seconds in which an appeal is decided."""
    passes_complainer_on: bool = False
    """The notice names the complaining address, so that the tenant deletes it."""
    hourly_rate: FeeRule | None = None
    """For billed minutes (amount an hour, one hour at least)."""
    clauses: dict[str, dict[str, str]] = field(default_factory=dict)
    """Clause number to what it says, condensed in our words, by language, for notices and pages;
    `promise` beside the languages is its number in the design's list of promises."""

    def ladder_of(self, kind: FactKind) -> Ladder | None:
        """The ladder that takes this kind, if any: facts of other kinds are only recorded."""
        return next((ladder for ladder in self.ladders if kind in ladder.takes), None)

    def ladder(self, name: str) -> Ladder:
        """By name; KeyError."""
        for ladder in self.ladders:
            if ladder.name == name:
                return ladder
        raise KeyError(name)

"""The rules of the suppression table: what each reason stops, for how long, and who may lift it.

Pure: takes values, gives values. The union of all live matches applies; `stopping` names the one
that a reply may be built from. Durations are seconds, instants Unix seconds.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from policies.terms import DAY, StreamTerms
from suppression.standing import Match, Reason, Stops


class Lifter(StrEnum):
    """Who, or what, ends an entry."""

    OPERATOR = "operator"
    TENANT = "tenant"
    CONSENT = "consent"
    """The recipient's newer consent of level 3 or more."""
    HOSTED_CONSENT = "hosted-consent"
    """The recipient's newer consent given to the gateway itself (level 4)."""
    LIST_OWNER = "list-owner"
    SUBJECT = "subject"
    """The person, who ends a restriction of their data."""
    DELIVERY = "delivery"
    TIME = "time"


class Width(StrEnum):
    """How wide an entry's scope may be."""

    PLATFORM = "platform"
    TENANT = "tenant"
    STREAM = "stream"


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of the table.

    `terms` are the lifetimes of the first, second, ... entry of this reason, None for ever; the
    last one repeats. `is_loose` says that the entry is keyed by the loose form, `is_renewed` that a
    newer entry prolongs one in force; other entries that end by themselves are left to end.
    """

    stops: Stops
    widths: frozenset[Width]
    lifters: frozenset[Lifter]
    terms: tuple[int | None, ...] = (None,)
    is_loose: bool = False
    is_renewed: bool = False


_TENANT = frozenset({Width.TENANT})
_CONSENTS = frozenset({Lifter.CONSENT, Lifter.HOSTED_CONSENT})

RULES: dict[Reason, Rule] = {
    Reason.PROTECTED: Rule(
        Stops.UNVERIFIED,
        frozenset({Width.PLATFORM}),
        frozenset({Lifter.OPERATOR}),
        is_loose=True,
    ),
    Reason.ERASURE: Rule(Stops.BULK, _TENANT, _CONSENTS, is_loose=True),
    Reason.OBJECTION: Rule(Stops.MARKETING, _TENANT, _CONSENTS, is_loose=True),
    Reason.COMPLAINT: Rule(
        Stops.BULK,
        _TENANT,
        frozenset({Lifter.HOSTED_CONSENT, Lifter.OPERATOR}),
        is_loose=True,
    ),
    Reason.UNSUBSCRIBE: Rule(Stops.MARKETING, frozenset({Width.STREAM, Width.TENANT}), _CONSENTS),
    Reason.HARD_BOUNCE: Rule(
        Stops.EVERYTHING, _TENANT, frozenset({Lifter.TIME}), (90 * DAY, 365 * DAY, None)
    ),
    Reason.ROBINSON: Rule(
        Stops.MARKETING,
        frozenset({Width.PLATFORM}),
        frozenset({Lifter.LIST_OWNER, Lifter.TIME}),
        (30 * DAY,),
        is_renewed=True,
    ),
    Reason.SOFT_BOUNCE: Rule(
        Stops.EVERYTHING,
        _TENANT,
        frozenset({Lifter.TIME, Lifter.DELIVERY}),
        (14 * DAY, 28 * DAY, 56 * DAY, 90 * DAY),
    ),
    Reason.MANUAL: Rule(Stops.EVERYTHING, frozenset(Width), frozenset(), is_renewed=True),
}
"""`manual` is as set: its stops and end may be given, and whoever set it lifts it."""

_RANK = {reason: rank for rank, reason in enumerate(Reason)}


def width(scope: str) -> Width:
    """How wide a scope text (`*`, `tenant`, `tenant/stream`) is."""
    if scope == "*":
        return Width.PLATFORM
    return Width.STREAM if "/" in scope else Width.TENANT


def ends_at(reason: Reason, now: float, earlier: int) -> float | None:
    """When an entry made `now` ends, after `earlier` ones of its reason and scope; None: never."""
    terms = RULES[reason].terms
    term = terms[min(earlier, len(terms) - 1)]
    return None if term is None else now + term


def is_longer(ends: float | None, other: float | None) -> bool:
    """Whether what ends at `ends` outlasts what ends at `other`, in whole seconds; None: never."""
    return other is not None and (ends is None or int(ends) > other)


def may_lift(reason: Reason, lifter: Lifter, setter: str = "") -> bool:
    """Whether `lifter` may end an entry; `setter` is who set it, which decides for `manual`."""
    if reason is Reason.MANUAL:
        return lifter.value == setter
    return lifter in RULES[reason].lifters


def stops_stream(stops: Stops, stream: StreamTerms) -> bool:
    """Whether an entry that stops `stops` applies to mail of `stream`."""
    match stops:
        case Stops.EVERYTHING:
            return True
        case Stops.UNVERIFIED | Stops.BULK:
            return stream.is_bulk
        case Stops.MARKETING:
            return stream.kind.is_marketing


def stopping(matches: Iterable[Match], stream: StreamTerms) -> Match | None:
    """The match that stops this stream's mail and gives the reply its tag, or None."""
    return highest(match for match in matches if stops_stream(match.stops, stream))


def highest(matches: Iterable[Match]) -> Match | None:
    """The match that a reply is built from, or None.

    The highest disclosable reason comes first; an undisclosable one counts only when nothing
    else stops the mail, so that its reply says no more than [POLICY].
    """
    return min(
        matches,
        key=lambda match: (not match.is_disclosable, _RANK[match.reason]),
        default=None,
    )

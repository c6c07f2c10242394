"""When bounces of one recipient are believed: their number by class, on different days.

Pure. `decide` takes one bounce with those of its class that came before, and gives what it leads
to. What delivered mail makes moot is not handed in: a delivery begins anew (policies.suppression).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from policies.returned.classes import BounceClass

DAY = 86_400


class BounceVerdict(StrEnum):
    """What a bounce leads to."""

    NOTHING = "nothing"
    HARD_BOUNCE = "hard_bounce"
    SOFT_BOUNCE = "soft_bounce"


@dataclass(frozen=True, slots=True)
class BounceLimits:
    """How many bounces of a class are believed, and within how many seconds they count together
    (gateway.config.feedback.BounceSettings)."""

    invalid_mailbox: int = 1
    dead_domain: int = 2
    mailbox_full: int = 3
    routing: int = 5
    within: float = 14 * DAY


def decide(
    bounce_class: BounceClass, at: float, earlier: Iterable[float], limits: BounceLimits
) -> BounceVerdict:
    """What the bounce of this instant leads to, given those of its class, tenant and recipient
    since the last delivery (Unix seconds). An unknown mailbox counts each time; all others count
    once a day (UTC), as one bad day of a server bounces much."""
    counted = [at, *(one for one in earlier if abs(at - one) <= limits.within)]
    days = len({one // DAY for one in counted})
    match bounce_class:
        case BounceClass.INVALID_MAILBOX:
            return _reached(len(counted), limits.invalid_mailbox, BounceVerdict.HARD_BOUNCE)
        case BounceClass.DEAD_DOMAIN:
            return _reached(days, limits.dead_domain, BounceVerdict.HARD_BOUNCE)
        case BounceClass.FULL:
            return _reached(days, limits.mailbox_full, BounceVerdict.SOFT_BOUNCE)
        case BounceClass.ROUTING:
            return _reached(days, limits.routing, BounceVerdict.SOFT_BOUNCE)
        case (
            BounceClass.POLICY
            | BounceClass.SPAM
            | BounceClass.AUTH
            | BounceClass.SIZE
            | BounceClass.CONTENT
            | BounceClass.REFUSES_US
            | BounceClass.TRANSIENT
            | BounceClass.UNKNOWN
        ):
            return BounceVerdict.NOTHING


def _reached(number: int, limit: int, verdict: BounceVerdict) -> BounceVerdict:
    return verdict if number >= limit else BounceVerdict.NOTHING

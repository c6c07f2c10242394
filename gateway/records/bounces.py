"""Bounces: stored, tallied, believed or held, and what follows for recipient and tenant.

`take_bounce` takes one in, once; of `invalid-mailbox` it waits until `settle` believes it, or holds
it in a storm of its provider, which a person ends with `decide_storm`. Believing suppresses the
recipient by the thresholds and makes the fact. Everything is in the caller's transaction and gives
the events to emit after it. Raise LookupError for a storm that is none, StormDecided for one that
was decided before.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from sqlalchemy import Connection

from gateway.config.feedback import BounceSettings, FeedbackSettings, StormSettings
from gateway.errors import ConsentryError
from gateway.events import Event
from gateway.records.case_rules import Rules
from policies.returned.classes import BounceClass
from policies.returned.words import Action
from policies.sanctions.words import Grade

ACTOR = "bounces"
StormDecision = Literal["release", "believe"]


class StormDecided(ConsentryError):
    """The storm was decided before."""


@dataclass(frozen=True, slots=True)
class BounceTerms:
    """What `feedback` says of bounces; the defaults where it is not configured."""

    bounces: BounceSettings = field(default_factory=BounceSettings)
    storm: StormSettings = field(default_factory=StormSettings)

    @classmethod
    def of(cls, settings: FeedbackSettings | None) -> BounceTerms:
        """Those of a configuration."""
        return cls() if settings is None else cls(settings.bounces, settings.storm)


@dataclass(frozen=True, slots=True)
class Bounced:
    """What became of one recipient, said by a bounce with our token or by the next hop itself.

    `mark` names it once and for all: the digest of its mail (`take_returned` sets it from the mail
    when it is empty), or of a reply its transaction's ref and the key in hex. `provider` is the
    recipient's domain (A-label), `domain` the sender's; `text` the remote server's words. `at` is
    when it came to us, in Unix seconds. `grade` is B of a bounce mail, None of the next hop's own
    reply. Of the actions FAILED and DELIVERED have an effect.
    """

    mark: str
    tenant: str
    stream: str
    mailing: str
    domain: str
    provider: str
    key: bytes
    bounce_class: BounceClass
    code: int
    enhanced: str
    text: str
    at: float
    ref: str = ""
    way: str = "smtp"
    grade: Grade | None = None
    action: Action = Action.FAILED


@dataclass(frozen=True, slots=True)
class Storm:
    """Many unknown mailboxes of one provider at once, on record since `since` (Unix seconds).

    `held` bounces of how many tenants wait in it; `sent` is what went to the provider in the time
    of the bounces that made it one. Open while `decision` is "".
    """

    number: int
    provider: str
    since: int
    last_at: int
    bounces: int
    sent: int
    held: int
    tenants: int
    decision: str
    decided_at: int | None
    decided_by: str
    reason: str


def take_bounce(
    connection: Connection, bounced: Bounced, rules: Rules, terms: BounceTerms, now: float
) -> tuple[Event, ...]:
    """Store a bounce with all that follows at once; nothing when its mark is known."""
    raise NotImplementedError


def settle(
    connection: Connection, rules: Rules, terms: BounceTerms, now: float, limit: int = 500
) -> tuple[Event, ...]:
    """Believe or hold the bounces that have waited long enough, `limit` at most; none: done."""
    raise NotImplementedError


def storms(connection: Connection, *, is_open: bool = True, limit: int = 50) -> list[Storm]:
    """Storms, newest first."""
    raise NotImplementedError


def decide_storm(
    connection: Connection,
    number: int,
    decision: StormDecision,
    actor: str,
    reason: str,
    now: float,
    rules: Rules,
    terms: BounceTerms,
) -> tuple[Event, ...]:
    """A person forgets (`release`) or believes all bounces that a storm holds."""
    raise NotImplementedError

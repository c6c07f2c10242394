"""Bounces: stored, tallied, believed or held, and what follows for recipient and tenant.

`take_bounce` takes one in, once; of `invalid-mailbox` it waits until `settle` believes it, or holds
it in a storm of its provider, which a person ends with `decide_storm` (`reopen_storm` takes that
back). What believing does is in `gateway.records.believing`. Everything is in the caller's
transaction and gives the events to emit after it. Raise LookupError for a storm that is none,
StormDecided for one that was decided before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update

from gateway.config.feedback import BounceSettings, FeedbackSettings, StormSettings
from gateway.errors import ConsentryError
from gateway.events import Event
from gateway.records import audit, figures
from gateway.records.believing import believe, event_of, lift_soft
from gateway.records.case_rules import Rules
from gateway.records.reports import mailing_of
from gateway.records.tables import bounces
from gateway.records.tables import storms as storms_table
from gateway.records.weather import Weather, storm_event
from policies.returned.classes import BounceClass
from policies.returned.storms import BounceState, StormDecision
from policies.returned.thresholds import BounceLimits
from policies.returned.words import Action
from policies.sanctions.words import Grade
from suppression.masking import mask

_row = bounces.c
_storm = storms_table.c
_STORMY = BounceClass.INVALID_MAILBOX.value
"""The class that a storm is made of."""
UNTIL_FOLLOWED = 5.0
"""Seconds that a bounce waits which came before its copy was found in the journal: soon the figures
tell which sender domain its mailing went out from."""
MIN_KEPT = 3600
"""Seconds for which it is known at least what was offered to a provider."""


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

    @property
    def limits(self) -> BounceLimits:
        """The thresholds, as the policy takes them."""
        return BounceLimits(**self.bounces.model_dump())


@dataclass(frozen=True, slots=True)
class Bounced:
    """What became of one recipient, said by a bounce with our token or by the next hop itself.

    `mark` names it once and for all: `take_returned` sets that of a mail, of a reply it is its
    transaction's ref and the key in hex. `provider` is the recipient's domain (A-label), `domain`
    the sender's; `text` the remote server's words. `at` is when it came to us, in Unix seconds.
    `grade` is B of a bounce mail, None of the next hop's own reply. Of the actions FAILED and
    DELIVERED have an effect.
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

    `unknown` of `sent` copies were at its height; `held` bounces of how many `tenants` wait in it.
    Open while `decision` is None.
    """

    number: int
    provider: str
    since: int
    last_at: int
    unknown: int
    sent: int
    held: int
    tenants: int
    decision: StormDecision | None
    decided_at: int | None
    decided_by: str | None
    reason: str | None


def take_bounce(
    connection: Connection, bounced: Bounced, rules: Rules, terms: BounceTerms, now: float
) -> tuple[Event, ...]:
    """Store a bounce with all that follows at once; nothing when its mark is known.

    What the next hop said that is not about the recipient is in its own event, and not stored.
    """
    is_reply = bounced.grade is None
    is_delivered = bounced.action is Action.DELIVERED
    if not is_delivered and bounced.action is not Action.FAILED:
        return ()
    if is_reply and not bounced.bounce_class.is_recipients:
        return ()
    if is_known(connection, bounced.mark):
        return ()
    if not bounced.mailing:
        mailing = mailing_of(connection, bounced.tenant, bounced.stream, bounced.at)
        bounced = replace(bounced, mailing=mailing)
    waits = 0.0
    if not is_delivered and bounced.bounce_class is BounceClass.INVALID_MAILBOX:
        waits = terms.storm.within
    elif not is_delivered and bounced.bounce_class.is_recipients and not bounced.domain:
        waits = UNTIL_FOLLOWED
    row = _insert(connection, bounced, int(now + waits) if waits else None)
    events = [event_of("bounce.received", row, now, action=row.action)]
    if is_delivered:
        events += lift_soft(connection, row, now)
    elif not waits and bounced.bounce_class.is_recipients:
        events += believe(connection, row, rules, terms.limits, now)
    return tuple(events)


def is_known(connection: Connection, mark: str) -> bool:
    """Whether a bounce with this mark was taken before."""
    return connection.execute(select(_row.id).where(_row.mark == mark)).first() is not None


def settle(
    connection: Connection, rules: Rules, terms: BounceTerms, now: float, limit: int = 20
) -> tuple[Event, ...]:
    """Believe or hold the bounces that have waited long enough, `limit` at most, and those of
    storms that a person has believed; each gives an event, so none: done."""
    query = select(bounces).where(_row.state == BounceState.PENDING.value, _row.due_at <= int(now))
    due = connection.execute(query.order_by(_row.due_at, _row.id).limit(limit)).all()
    events: list[Event] = []
    for provider in dict.fromkeys(row.provider for row in due):
        own = [row for row in due if row.provider == provider]
        weather = Weather(connection, provider, [row.at for row in own], terms.storm)
        # Those that a storm takes in are held at once: a person decides on all of it.
        waiting = _waiting(connection, provider, now) if weather.is_stormy else ()
        unknown = (row for row in (*own, *waiting) if row._mapping["class"] == _STORMY)
        held = [row for row in unknown if row.storm is None and weather.takes(row.at)]
        if held:
            events += weather.hold(held, now)
        numbers = {row.id for row in held}
        for row in own:
            if row.id not in numbers:
                events += believe(connection, row, rules, terms.limits, now)
    if due:
        # Not by the clock: when nobody led for hours, the next of these are as old.
        kept = max(MIN_KEPT, 3 * terms.storm.within)
        figures.forget_sent(connection, min(row.at for row in due) - kept)
    return tuple(events)


def storms(
    connection: Connection, *, is_open: bool = True, limit: int = 50, number: int | None = None
) -> list[Storm]:
    """Storms, newest first; all of them, or those that no person has decided yet; or the one with
    this number."""
    is_held = _row.state == BounceState.HELD.value
    held = select(func.count()).where(_row.storm == _storm.id, is_held).scalar_subquery()
    tenants = select(func.count(_row.tenant.distinct())).where(_row.storm == _storm.id, is_held)
    query = select(storms_table, held.label("held"), tenants.scalar_subquery().label("tenants"))
    if is_open:
        query = query.where(_storm.decision.is_(None))
    if number is not None:
        query = query.where(_storm.id == number)
    rows = connection.execute(query.order_by(_storm.id.desc()).limit(limit))
    return [
        Storm(
            number=row.id,
            provider=row.provider,
            since=row.since,
            last_at=row.last_at,
            unknown=row.unknown,
            sent=row.sent,
            held=row.held,
            tenants=row.tenants,
            decision=None if row.decision is None else StormDecision(row.decision),
            decided_at=row.decided_at,
            decided_by=row.decided_by,
            reason=row.reason,
        )
        for row in rows
    ]


def decide_storm(
    connection: Connection,
    number: int,
    decision: StormDecision,
    actor: str,
    reason: str,
    now: float,
    wait: float = 0.0,
) -> tuple[Event, ...]:
    """A person forgets all bounces that a storm holds, or has `settle` believe them, `wait` seconds
    from now."""
    row = _found(connection, number)
    if row.decision is not None:
        raise StormDecided(f"storm {number} was decided by {row.decided_by}: {row.decision}")
    match decision:
        case StormDecision.RELEASE:
            changed: dict[str, object] = {"state": BounceState.RELEASED.value}
        case StormDecision.BELIEVE:
            changed = {"state": BounceState.PENDING.value, "due_at": int(now + wait)}
    held = (_row.storm == number) & (_row.state == BounceState.HELD.value)
    count = connection.execute(update(bounces).where(held).values(changed)).rowcount
    decided = {"decision": decision.value, "decided_at": int(now), "decided_by": actor}
    connection.execute(
        update(storms_table).where(_storm.id == number).values(**decided, reason=mask(reason))
    )
    event = storm_event("storm.decided", row.provider, number, now)
    event.detail |= {"decision": decision.value, "bounces": count}
    detail = {**event.detail, "reason": reason}
    audit.append(connection, at=now, actor=actor, action=event.kind, detail=detail)
    return (event,)


def reopen_storm(connection: Connection, number: int, actor: str, now: float) -> tuple[Event, ...]:
    """Take a decision back whose bounces have had no effect yet: the storm holds them again.

    Raises StormDecided when some are believed by now, or the provider is in another storm.
    """
    row = _found(connection, number)
    own = _row.storm == number
    believed = select(_row.id).where(own, _row.state == BounceState.BELIEVED.value)
    if row.decision is None or connection.execute(believed).first() is not None:
        raise StormDecided(f"storm {number} cannot be opened again")
    again = (_storm.provider == row.provider) & _storm.decision.is_(None)
    if connection.execute(select(_storm.id).where(again)).first() is not None:
        raise StormDecided(f"{row.provider} is in another storm by now")
    undecided = dict.fromkeys(("decision", "decided_at", "decided_by", "reason"))
    connection.execute(update(storms_table).where(_storm.id == number).values(undecided))
    connection.execute(update(bounces).where(own).values(state=BounceState.HELD.value))
    event = storm_event("storm.reopened", row.provider, number, now)
    audit.append(connection, at=now, actor=actor, action=event.kind, detail=event.detail)
    return (event,)


# ---- inside -------------------------------------------------------------------------------------


def _found(connection: Connection, number: int) -> Row[Any]:
    row = connection.execute(select(storms_table).where(_storm.id == number)).first()
    if row is None:
        raise LookupError(f"there is no storm {number}")
    return row


def _waiting(connection: Connection, provider: str, now: float) -> Sequence[Row[Any]]:
    """A provider's bounces whose time has not come, the first thousand."""
    query = select(bounces).where(
        _row.state == BounceState.PENDING.value,
        _row.due_at > int(now),
        _row.provider == provider,
    )
    return connection.execute(query.order_by(_row.due_at, _row.id).limit(1000)).all()


def _insert(connection: Connection, bounced: Bounced, due_at: int | None) -> Row[Any]:
    state = BounceState.BELIEVED if due_at is None else BounceState.PENDING
    row = {
        "mark": bounced.mark,
        "at": int(bounced.at),
        "tenant": bounced.tenant,
        "stream": bounced.stream,
        "mailing": bounced.mailing,
        "domain": bounced.domain,
        "provider": bounced.provider,
        "key": bounced.key,
        "ref": bounced.ref,
        "action": bounced.action.value,
        "class": bounced.bounce_class.value,
        "code": bounced.code,
        "enhanced": bounced.enhanced,
        "text": mask(bounced.text),
        "way": bounced.way,
        "grade": None if bounced.grade is None else bounced.grade.value,
        "state": state.value,
        "due_at": due_at,
    }
    connection.execute(insert(bounces), row)
    return connection.execute(select(bounces).where(_row.mark == bounced.mark)).one()

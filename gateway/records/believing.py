"""What follows when a bounce is believed: suppression, fact and figures; and what a delivery ends.

`believe` takes a row of `bounces`, tallies it with those of its class since the last delivery and
does what the thresholds say; `lift_soft` lifts `soft_bounce` when a copy was delivered after all.
Both are in the caller's transaction and give the events to emit.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, bindparam, func, or_, select, update

from gateway.events import Event
from gateway.records import figures
from gateway.records.case_rules import Rules
from gateway.records.cases import take_fact
from gateway.records.codes import encode
from gateway.records.figures import Figure, domains_of
from gateway.records.recent import recent_counts
from gateway.records.reports import mailing_begun
from gateway.records.streams import find_number
from gateway.records.suppressions import Draft, add_by_key, lift
from gateway.records.tables import bounces, facts, standing_index
from policies.returned.classes import BounceClass
from policies.returned.storms import BounceState
from policies.returned.thresholds import BounceLimits, BounceVerdict, decide
from policies.returned.words import Action
from policies.sanctions.case import Fact
from policies.sanctions.draft import GATEWAY
from policies.sanctions.words import FactKind, Grade
from suppression.precedence import RULES, Lifter
from suppression.standing import Reason

BOUNCES = "bounces"
"""The source of these entries, and who lifts them."""
_row = bounces.c
_own = (_row.tenant == bindparam("tenant")) & (_row.key == bindparam("key"))
# Built once: building a statement takes longer than running it.
_DELIVERED = select(func.max(_row.at)).where(_own, _row.action == Action.DELIVERED.value)
_EARLIER = select(_row.at).where(
    _own,
    _row["class"] == bindparam("class"),
    _row.action == Action.FAILED.value,
    _row.state == BounceState.BELIEVED.value,
    _row.id != bindparam("but"),
    _row.at > bindparam("since"),
)
_COUNTED = select(_row.id).where(
    _own,
    _row.mailing == bindparam("mailing"),
    _row["class"] == bindparam("class"),
    _row.action == Action.FAILED.value,
    _row.state == BounceState.BELIEVED.value,
    _row.id != bindparam("but"),
)
_known = facts.c
_HELD_AGAINST = select(_known.id).where(
    _known.key == bindparam("key"),
    _known.tenant == bindparam("tenant"),
    _known.mailing == bindparam("mailing"),
    _known.kind == FactKind.HARD_BOUNCE.value,
)
_FIGURES = {
    BounceClass.INVALID_MAILBOX: Figure.HARD_BOUNCE,
    BounceClass.DEAD_DOMAIN: Figure.HARD_BOUNCE,
    BounceClass.FULL: Figure.SOFT_BOUNCE,
    BounceClass.ROUTING: Figure.SOFT_BOUNCE,
}


def believe(
    connection: Connection, row: Row[Any], rules: Rules, limits: BounceLimits, now: float
) -> list[Event]:
    """Believe a bounce about its recipient; one from before a delivery is released instead."""
    own = {"tenant": row.tenant, "key": row.key}
    since = connection.execute(_DELIVERED, own).scalar() or -1
    is_moot = row.at <= since
    state = BounceState.RELEASED if is_moot else BounceState.BELIEVED
    # One that came before its copy stood in the journal knows no sender domain.
    domains = (row.domain,) if row.domain else domains_of(connection, row.tenant, row.mailing)
    known = {"state": state.value, "domain": domains[0] if len(domains) == 1 else ""}
    row = connection.execute(
        update(bounces).where(_row.id == row.id).values(known).returning(bounces)
    ).one()
    if is_moot:
        return [event_of("bounce.released", row, now)]
    bounce_class = BounceClass(row._mapping["class"])
    where = (row.tenant, row.stream, row.mailing, row.domain)
    same = {**own, "class": bounce_class.value, "but": row.id}
    if connection.execute(_COUNTED, {**same, "mailing": row.mailing}).first() is None:
        figures.add(connection, row.at, *where, _FIGURES[bounce_class])
    given = {**same, "since": since}
    verdict = decide(bounce_class, row.at, connection.execute(_EARLIER, given).scalars(), limits)
    events = [event_of("bounce.believed", row, now, verdict=verdict.value)]
    match verdict:
        case BounceVerdict.NOTHING:
            return events
        case BounceVerdict.SOFT_BOUNCE:
            reason = Reason.SOFT_BOUNCE
        case BounceVerdict.HARD_BOUNCE:
            reason = Reason.HARD_BOUNCE
    draft = Draft(reason, row.tenant, GATEWAY, BOUNCES, why=bounce_class.value)
    add_by_key(connection, row.key, draft, now)
    if reason is Reason.HARD_BOUNCE:
        events += _fact(connection, row, domains, rules, now)
    return events


def lift_soft(connection: Connection, row: Row[Any], now: float) -> list[Event]:
    """A copy was delivered: what said that the mailbox takes none ends."""
    index = standing_index.c
    query = select(index.entry).where(
        index.key == row.key,
        index.scope == find_number(connection, row.tenant),
        index.code == encode(Reason.SOFT_BOUNCE, RULES[Reason.SOFT_BOUNCE].stops),
        or_(index.ends.is_(None), index.ends > now),
    )
    entries = list(connection.execute(query).scalars())
    for entry in entries:
        lift(connection, entry, Lifter.DELIVERY, BOUNCES, "a later copy was delivered", now)
    return [event_of("bounce.lifted", row, now, entry=entry) for entry in entries]


def event_of(kind: str, row: Row[Any], now: float, **more: object) -> Event:
    """An event about a bounce."""
    detail: dict[str, object] = {
        "key": row.key.hex(),
        "class": row._mapping["class"],
        "provider": row.provider,
        "code": row.code,
        "enhanced": row.enhanced,
        "way": row.way,
        "grade": row.grade,
    }
    shown = {name: value for name, value in detail.items() if value} | more
    return Event(
        kind,
        now,
        ref=row.ref,
        tenant=row.tenant,
        stream=row.stream,
        mailing=row.mailing,
        domain=row.domain,
        detail=shown,
    )


def _fact(
    connection: Connection, row: Row[Any], domains: tuple[str, ...], rules: Rules, now: float
) -> tuple[Event, ...]:
    """One for each recipient and mailing; charged to the domains of the mailing."""
    own = {"tenant": row.tenant, "key": row.key, "mailing": row.mailing}
    if connection.execute(_HELD_AGAINST, own).first() is not None:
        return ()
    grade = None if row.grade is None else Grade(row.grade)
    fact = Fact(
        kind=FactKind.HARD_BOUNCE,
        tenant=row.tenant,
        stream=row.stream,
        mailing=row.mailing,
        domain=row.domain,
        key=row.key,
        ref=row.ref,
        at=now,
        grade=grade,
        domains=domains or rules.of(row.tenant).domains,
    )
    counts = recent_counts(connection, row.tenant, fact.kind, now, is_weak=grade is Grade.B)
    sent_at = mailing_begun(connection, row.mailing)
    return take_fact(connection, fact, counts, rules, now, sent_at=sent_at).events

"""What came back of a person's mail, for the look-up: each bounce, and what stands because of it.

`bounces_about` takes the person's keys and entries and gives the latest bounces, newest first, each
with the suppression in force that its class leads to, if it has led there. Reads only.
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway.records.believing import BOUNCES
from gateway.records.bounce_view import SeenBounce, bounces_of
from gateway.records.database import Connection
from gateway.records.person import Person
from gateway.records.suppressions import Entry
from policies.returned.classes import BounceClass
from policies.returned.storms import BounceState
from policies.returned.words import Action
from suppression.standing import Reason

LEADS_TO = {
    BounceClass.INVALID_MAILBOX: Reason.HARD_BOUNCE,
    BounceClass.DEAD_DOMAIN: Reason.HARD_BOUNCE,
    BounceClass.FULL: Reason.SOFT_BOUNCE,
    BounceClass.ROUTING: Reason.SOFT_BOUNCE,
}


def bounces_about(
    connection: Connection, person: Person, entries: Sequence[Entry], now: float
) -> list[tuple[SeenBounce, Entry | None]]:
    """The bounces, with what each has led to."""
    standing = {
        (one.scope, one.reason): one
        for one in entries
        if one.source == BOUNCES and one.is_live(now)
    }
    return [
        (bounce, standing.get(leads) if (leads := _leads_to(bounce)) else None)
        for bounce in bounces_of(connection, person.keys.own)
    ]


def _leads_to(bounce: SeenBounce) -> tuple[str, Reason] | None:
    is_believed = bounce.action is Action.FAILED and bounce.state is BounceState.BELIEVED
    reason = LEADS_TO.get(bounce.bounce_class) if is_believed else None
    return None if reason is None else (bounce.tenant, reason)

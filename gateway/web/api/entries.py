"""A suppression entry as a caller may see it."""

from __future__ import annotations

from collections.abc import Callable

from pydantic import BaseModel, Field

from gateway.records.database import Connection
from gateway.records.listing import State
from gateway.records.restriction import restricted_entries
from gateway.records.suppressions import Entry
from gateway.web.api.moments import Moment, moment
from gateway.web.api.parts import Caller
from suppression.masking import mask
from suppression.precedence import RULES, Lifter
from suppression.standing import Reason, Stops

RECIPIENT = "recipient"
"""The capacity of entries that a recipient made, by a link of ours."""


class Lifting(BaseModel):
    """How an entry was ended."""

    at: Moment
    by: str = Field(description="Who; for a tenant, `operator` when it was not the tenant.")
    why: str | None = Field(description="The ground; null where it is not the caller's own.")


class Suppression(BaseModel):
    """One entry."""

    id: int
    address: str | None = Field(
        description="In plain where the caller's own records had it, else masked "
        "(`j***@example.org`); null when it is not known, or was erased."
    )
    reason: Reason
    stops: Stops
    scope: str
    state: State
    set_by: str = Field(description="In what capacity: operator, tenant, recipient ...")
    source: str | None = Field(description="Where it comes from; null where it is not told.")
    disclosed: bool = Field(description="Whether a refusal tells the reason.")
    since: Moment
    ends: Moment | None = Field(description="Null: never.")
    lifted: Lifting | None


def visible_to(caller: Caller, connection: Connection) -> Callable[[Entry], bool]:
    """Whether the caller may know that an entry exists.

    A tenant may not use the data of people who are under restriction (GDPR article 18).
    """
    if caller.is_staff:
        return lambda _entry: True
    restricted = frozenset(restricted_entries(connection))

    def is_visible(entry: Entry) -> bool:
        is_told = entry.is_disclosable and entry.id not in restricted
        return is_told and caller.owns(entry.scope)

    return is_visible


def shown(entry: Entry, caller: Caller, now: float) -> Suppression:
    """An entry that is visible to `caller`."""
    return Suppression(
        id=entry.id,
        address=(entry.address if _is_known(entry, caller) else mask(entry.address)) or None,
        reason=entry.reason,
        stops=entry.stops,
        scope=entry.scope,
        state=state_of(entry, now),
        set_by=entry.setter,
        source=entry.source if _is_told(entry, caller) else None,
        disclosed=entry.is_disclosable,
        since=moment(entry.created_at),
        ends=moment(entry.ends_at),
        lifted=_lifting(entry, caller),
    )


def state_of(entry: Entry, now: float) -> State:
    """In force, over or lifted."""
    if entry.lifted_at is not None:
        return State.LIFTED
    return State.IN_FORCE if entry.is_live(now) else State.OVER


def _is_told(entry: Entry, caller: Caller) -> bool:
    return caller.is_staff or entry.setter in (Lifter.TENANT, RECIPIENT)


def _is_known(entry: Entry, caller: Caller) -> bool:
    """Whether a tenant gave the address itself: by the API, or as the recipient of its mail.

    An entry under a loose key that somebody else made may hold another spelling than the tenant's.
    """
    if caller.is_staff:
        return False
    is_exact = not RULES[entry.reason].is_loose
    return entry.setter == Lifter.TENANT or (entry.setter == RECIPIENT and is_exact)


def _lifting(entry: Entry, caller: Caller) -> Lifting | None:
    if entry.lifted_at is None:
        return None
    by = entry.lifted_by or ""
    is_own = caller.is_staff or by == RECIPIENT or by.startswith(f"{caller.tenant}:")
    return Lifting(
        at=moment(entry.lifted_at),
        by=by if is_own else Lifter.OPERATOR,
        why=entry.lifted_reason if is_own else None,
    )

"""Adding and lifting suppressions on the desk, by the rules of the suppression table.

Staff act as the operator; the list owner's wish, for robinson lists, and what concerns protected
addresses is for leads and operators. Both can be undone for a minute, where the table lets the
operator. Functions run in the caller's transaction. Raise `Refused` and LookupError with what is
allowed, and `Problem` where a role does not allow it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus

from fastapi import Request, Response

from gateway.errors import AddressSyntaxError
from gateway.events import Event
from gateway.records.database import Connection
from gateway.records.drafts import check
from gateway.records.staff import Role
from gateway.records.suppressions import Draft, Entry, Refused, add, add_by_key, entry_of, lift
from gateway.web.desk.dangerous import Act, ask, offer, undoes
from gateway.web.desk.gate import DECIDES, Form, Staff
from gateway.web.desk.lists_texts import TEXTS
from gateway.web.desk.pages import Problem, language_of
from gateway.web.desk.parts import DeskParts
from gateway.web.desk.reach import reach_of
from gateway.words import Address
from suppression.listfile import read_target
from suppression.precedence import RULES, Lifter, may_lift
from suppression.standing import Reason, Stops

REASONS = (
    Reason.MANUAL,
    Reason.UNSUBSCRIBE,
    Reason.COMPLAINT,
    Reason.OBJECTION,
    Reason.HARD_BOUNCE,
    Reason.PROTECTED,
)
"""What staff add by hand; erasures and restrictions are subject requests, robinson lists come
whole."""


OF_LEADS = (Reason.PROTECTED, Reason.ROBINSON)
"""What only leads and operators import."""


def capacity(entry: Entry, role: Role) -> Lifter | None:
    """In what capacity a member of that role lifts this entry; None when they may not."""
    decides = role in DECIDES
    if entry.lifted_at is not None or role is Role.AUDITOR:
        return None
    if may_lift(entry.reason, Lifter.OPERATOR, entry.setter):
        return Lifter.OPERATOR if decides or entry.reason is not Reason.PROTECTED else None
    if decides and may_lift(entry.reason, Lifter.LIST_OWNER, entry.setter):
        return Lifter.LIST_OWNER
    return None


async def ask_suppress(
    request: Request,
    parts: DeskParts,
    form: Form,
    named: str,
    reason: Reason,
    scope: str,
    fields: Mapping[str, object],
    back: str,
) -> Response:
    """The page that comes before an entry for a whole domain or for all tenants; `named` is whom
    it is about, masked."""
    return ask(
        request,
        form,
        title=TEXTS[language_of(request)]["ask_add"].format(what=named, scope=scope),
        reach=await reach_of(parts, scope.partition("/")[0]),
        fields={**fields, "scope": scope, "kind": reason},
        back=back,
        is_final=not may_lift(reason, Lifter.OPERATOR, Lifter.OPERATOR),
    )


def suppress(
    connection: Connection,
    parts: DeskParts,
    staff: Staff,
    target: Address | str | bytes,
    reason: Reason,
    scope: str,
    why: str,
    stops: Stops | None = None,
) -> tuple[int, bool]:
    """Add an entry for an address, a domain or a key; its number and whether it is new."""
    if reason is Reason.PROTECTED and not staff.may(*DECIDES):
        raise Problem(HTTPStatus.FORBIDDEN)
    stops = stops if reason is Reason.MANUAL else None
    draft = Draft(reason, scope, Lifter.OPERATOR, "desk", stops, actor=staff.name, why=why)
    now = parts.clock()
    if not isinstance(target, bytes):
        number, is_new = add(connection, parts.keyring, target, draft, now)
    elif RULES[reason].is_loose:
        raise Refused(f"{reason} needs the address, and only its key is known")
    else:
        number, is_new = add_by_key(connection, target, draft, now)
    if is_new and may_lift(reason, Lifter.OPERATOR, draft.setter):
        detail = {"entry": number, "kind": reason, "scope": scope}
        offer(connection, staff, "suppress", detail, now)
    return number, is_new


def lift_entry(
    connection: Connection, parts: DeskParts, staff: Staff, number: int, why: str
) -> Entry:
    """End an entry; the entry as it was."""
    entry = entry_of(connection, parts.keyring, number)
    by = capacity(entry, staff.role)
    if by is None:
        if entry.lifted_at is not None:
            raise Refused(f"entry {number} is lifted already")
        raise Problem(HTTPStatus.FORBIDDEN)
    now = parts.clock()
    lift(connection, number, by, staff.name, why, now)
    detail = {"entry": number, "kind": entry.reason, "scope": entry.scope}
    offer(connection, staff, "lift", detail, now)
    return entry


@undoes("suppress", en="Suppressed: {kind} for {scope}", pl="Zablokowano: {kind} dla {scope}")
def _unsuppress(connection: Connection, act: Act) -> Sequence[Event]:
    lift(connection, _entry(act), Lifter.OPERATOR, act.staff.name, "undone", act.now)
    return ()


@undoes("lift", en="Lifted: {kind} for {scope}", pl="Zniesiono: {kind} dla {scope}")
def _suppress_again(connection: Connection, act: Act) -> Sequence[Event]:
    """Another entry like the one that was lifted: what is lifted stays so."""
    entry = entry_of(connection, act.parts.keyring, _entry(act))
    is_manual = entry.reason is Reason.MANUAL
    draft = Draft(
        entry.reason,
        entry.scope,
        entry.setter,
        entry.source,
        entry.stops if is_manual else None,
        entry.ends_at if is_manual else None,
        entry.is_disclosable,
        act.staff.name,
        "lifting undone",
    )
    try:
        add(connection, act.parts.keyring, read_target(entry.address), draft, act.now)
    except AddressSyntaxError:  # known by its key only, or since erased
        code = check(draft, entry.key, entry.hashed)
        add_by_key(connection, entry.key, draft, act.now, code)
    return ()


def _entry(act: Act) -> int:
    return int(str(act.detail["entry"]))

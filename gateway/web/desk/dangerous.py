"""Acts that take mail away or give it back: asked twice, with a reason, undone within a minute.

A route asks `reason_of(form)` first. While it is None the answer is `ask(...)`: a page that says
what the act touches and wants a reason, whose form comes to the same route again. Then the route
does it and, in the same transaction, `offer`s how it is undone; every page shows that for a minute.
What undoes an act is named with `@undoes("<act>", en=, pl=)` beside it; it gets the open
transaction, gives the events to emit, and raises LookupError, ConsentryError or the engine's
Refused when it can no more: 409.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus

from fastapi import APIRouter, Request, Response

from gateway.errors import ConsentryError, StoreUnavailable
from gateway.events import Event
from gateway.records import undoings
from gateway.records.database import Connection
from gateway.records.undoings import Undoing
from gateway.web.desk.gate import Form, Number, Posted, Staff, Worker
from gateway.web.desk.pages import Problem, Texts, back_to, page
from gateway.web.desk.parts import DeskParts, Parts
from gateway.web.desk.reach import Reach
from policies.sanctions.engine import Refused

MAX_REASON = 500
routes = APIRouter()


@dataclass(frozen=True, slots=True)
class Act:
    """Something done, to be reversed now by `staff`."""

    parts: DeskParts
    staff: Staff
    detail: Mapping[str, object]
    now: float


Work = Callable[[Connection], Sequence[Event]]
Reverse = Callable[[Connection, Act], Sequence[Event]]
_REVERSES: dict[str, tuple[Reverse, Mapping[str, str]]] = {}


def undoes(action: str, *, en: str, pl: str) -> Callable[[Reverse], Reverse]:
    """Name a function as what undoes `action`, and what was done, filled with its detail."""

    def keep(reverse: Reverse) -> Reverse:
        _REVERSES[action] = reverse, {"en": en, "pl": pl}
        return reverse

    return keep


def reason_of(form: Form) -> str | None:
    """The reason once the page of `ask` was confirmed with one; None before."""
    reason = form.text("reason", MAX_REASON)
    return reason if form.text("confirmed") == "yes" and reason else None


def ask(
    request: Request,
    form: Form,
    *,
    title: str,
    reach: Reach | None = None,
    warnings: Sequence[str] = (),
    fields: Mapping[str, object],
    back: str,
    is_final: bool = False,
) -> Response:
    """The page that confirms an act; `fields` come again with the form, `back` leads away.

    `title` says what will happen, as one sentence in the reader's language; `warnings` say more;
    `is_final` leaves out that it can be undone.
    """
    return page(
        request,
        "confirm",
        TEXTS,
        title=title,
        reach=reach,
        warnings=warnings,
        fields=fields,
        back=back,
        is_final=is_final,
        reason=form.text("reason", MAX_REASON),
        is_lacking=form.text("confirmed") == "yes",
    )


def offer(
    connection: Connection,
    staff: Staff,
    action: str,
    detail: Mapping[str, object],
    now: float,
) -> None:
    """Let `staff` undo what this transaction does; `detail` is what its reverse will get."""
    if action not in _REVERSES:
        raise KeyError(action)
    undoings.offer(connection, staff.member.id, action, detail, now)


@routes.post("/undo/{number}")
async def undo(
    request: Request, number: Number, parts: Parts, staff: Worker, _form: Posted
) -> Response:
    """Take back one's own act of the last minute."""
    now = parts.clock()

    def work(connection: Connection) -> Sequence[Event]:
        undoing = undoings.take(connection, number, staff.member.id, staff.name, now)
        reverse, _ = _REVERSES[undoing.action]
        return reverse(connection, Act(parts, staff, undoing.detail, now))

    try:
        events = await parts.database.write(work)
    except StoreUnavailable:
        raise
    except (LookupError, ConsentryError, Refused):
        raise Problem(HTTPStatus.CONFLICT) from None
    for event in events:
        parts.emit(event)
    return back_to(request, "")


def title_of(undoing: Undoing, language: str) -> str:
    """What was done, for the banner."""
    _, titles = _REVERSES[undoing.action]
    return titles[language].format_map(undoing.detail)


TEXTS: Texts = {
    "en": {
        "touches": "What this touches",
        "mail_day": "Mail relayed in the last 24 hours",
        "mail_week": "Mail relayed in the last 7 days",
        "not_known": "not known just now",
        "domains": "Sender domains",
        "tenants_touched": "Tenants",
        "why": "Why? The reason goes into the audit trail; write no addresses.",
        "why_lacking": "Write a reason first.",
        "do_it": "Do it",
        "leave": "Leave it",
        "undo_note": "It can be undone for 60 seconds.",
    },
    "pl": {
        "touches": "Czego to dotyczy",
        "mail_day": "Wiadomości przekazane w ostatnich 24 godzinach",
        "mail_week": "Wiadomości przekazane w ostatnich 7 dniach",
        "not_known": "chwilowo nie wiadomo",
        "domains": "Domeny nadawcy",
        "tenants_touched": "Klienci",
        "why": "Dlaczego? Powód trafi do dziennika zmian; nie podawaj adresów.",
        "why_lacking": "Najpierw wpisz powód.",
        "do_it": "Wykonaj",
        "leave": "Zostaw",
        "undo_note": "Można to cofnąć przez 60 sekund.",
    },
}

"""*Case*: what happened, what is in force, what comes next, and everything a person may decide.

Each form carries the stamp of the case as it was shown: on a case that has changed since it is told
so and changes nothing. What may take mail away or give it back shows first what it touches.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from http import HTTPStatus
from typing import TypeVar
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request, Response

from gateway.events import Event
from gateway.records import evidence, notices
from gateway.records.blocks import case_id, case_number
from gateway.records.case_change import Moved, change, note
from gateway.records.case_view import find_case, timeline
from gateway.records.database import Connection
from gateway.records.policy_versions import preset_of
from gateway.web.desk import dangerous
from gateway.web.desk.case_actions import DANGEROUS, UNDONE_BY, may
from gateway.web.desk.case_page import coming, lines, money, stamp_of
from gateway.web.desk.case_show import show
from gateway.web.desk.case_texts import TEXTS as OWN
from gateway.web.desk.gate import Anyone, Form, Number, Posted, Staff, Worker
from gateway.web.desk.pages import Problem, back_to, language_of, page
from gateway.web.desk.parts import DeskParts, Parts
from gateway.web.desk.reach import reach_of
from gateway.web.desk.refusal_words import told as in_words
from gateway.web.desk.sanction_words import WORDS
from policies.sanctions import engine
from policies.sanctions.case import Decided
from policies.sanctions.engine import Refused
from policies.sanctions.words import Decision

T = TypeVar("T")
routes = APIRouter()
TEXTS = {language: {**WORDS[language], **OWN[language]} for language in OWN}
INLINE = frozenset({"image/png", "image/jpeg", "image/webp", "image/gif"})
"""What browsers may show in their window; everything else they save."""
CARRIED = ("decision", "stamp", "requirement", "until", "fee", "minutes")
"""What a form says besides its reason."""
LAST_YEAR = 9998
"""Of a deadline: one in the last hours of 9999 can be shown in some zones only."""
FILE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; sandbox; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Stale(Exception):
    """The case has changed since the form was shown; the text says what happened."""


@routes.get("/cases/{name}")
async def case_page(request: Request, name: str, parts: Parts, who: Anyone) -> Response:
    """The whole case."""
    number = numbered(name, request)
    with parts.database.reading() as connection:
        shown = show(connection, parts, number, who, language_of(request), writer(who))
    if shown is None:
        raise missing(request)
    return page(request, "case", TEXTS, shown=shown, case=shown.case, money=money, coming=coming)


@routes.get("/cases/{name}/evidence/{file}")
async def evidence_file(
    request: Request, name: str, file: Number, parts: Parts, _who: Anyone
) -> Response:
    """One file that the tenant handed in, as octets that no browser runs or guesses about."""
    number = numbered(name, request)
    with parts.database.reading() as connection:
        found = {one.number: one for one in evidence.of_case(connection, parts.keyring, number)}
        try:
            kind = found[file].media_type
            octets = evidence.content_of(connection, parts.keyring, number, file)
        except LookupError:
            raise Problem(HTTPStatus.NOT_FOUND, text(request, "no_file")) from None
    is_shown = kind in INLINE
    ending = kind.partition("/")[2] if is_shown else "bin"
    disposition = "inline" if is_shown else "attachment"
    headers = FILE_HEADERS | {
        "Content-Disposition": f'{disposition}; filename="{case_id(number)}-{file}.{ending}"'
    }
    return Response(
        octets, media_type=kind if is_shown else "application/octet-stream", headers=headers
    )


@routes.post("/cases/{name}/decide")
async def decide(request: Request, name: str, parts: Parts, who: Worker, form: Posted) -> Response:
    """Carry out a decision; a dangerous one once its page was confirmed."""
    number = numbered(name, request)
    decided = decision_in(request, form, who)
    decision = decided.decision
    with parts.database.reading() as connection:
        stored = find_case(connection, number)
    if stored is None:
        raise missing(request)
    if not may(who.role, decision, stored.case):
        raise Problem(HTTPStatus.FORBIDDEN)
    stamp, now = form.number("stamp"), parts.clock()

    def check(connection: Connection) -> None:
        hold_to(connection, number, stamp, who, language_of(request))

    if decision in DANGEROUS and dangerous.reason_of(form) is None:
        await told(request, parts, check)
        case = stored.case
        return dangerous.ask(
            request, form, title=f"{stored.id}: {text(request, f'do_{decision}')}",
            reach=await reach_of(parts, case.tenant, case.domains),
            warnings=warnings(request, decision),
            fields={name: form.text(name, 80) for name in CARRIED},
            back=f"cases/{stored.id}", is_final=decision not in UNDONE_BY,
        )  # fmt: skip

    def work(connection: Connection) -> Moved:
        check(connection)
        moved = change(connection, number, decided, who.name, now, parts.rules)
        preset = preset_of(connection, parts.rules, moved.case.tenant, moved.case.policy)
        allowed = engine.possible(moved.case, preset, who.name)
        undo = next((one for one in UNDONE_BY.get(decision, ()) if one in allowed), None)
        if undo is not None:
            offer_undo(connection, who, stored.id, decision, undo, now)
        return moved

    moved = await told(request, parts, work)
    for event in moved.events:
        parts.emit(event)
    return back_to(request, f"cases/{case_id(number)}")


def offer_undo(
    connection: Connection, who: Staff, case: str, done: str, undo: Decision, now: float
) -> None:
    """Let who take back what they have decided, by another decision; the banner names both."""
    told = {one: f"{words[f'do_{done}']} ({words[f'do_{undo}']})" for one, words in TEXTS.items()}
    detail = {"case": case, "undo": undo.value, **told}
    dangerous.offer(connection, who, "case.decided", detail, now)


@dangerous.undoes("case.decided", en="{case}: {en}", pl="{case}: {pl}")
def undo_decision(connection: Connection, act: dangerous.Act) -> Sequence[Event]:
    """Decide the opposite; Refused when the case allows that no more."""
    number = case_number(str(act.detail["case"]))
    decided = Decided(Decision(str(act.detail["undo"])), act.staff.name, "undone within a minute")
    moved = change(connection, number, decided, act.staff.name, act.now, act.parts.rules)
    return moved.events


@routes.post("/cases/{name}/note")
async def add_note(
    request: Request, name: str, parts: Parts, who: Worker, form: Posted
) -> Response:
    """Write something down that changes nothing."""
    number = numbered(name, request)
    said = form.text("text", 4000)
    if not said:
        raise Problem(HTTPStatus.BAD_REQUEST)

    def work(connection: Connection) -> None:
        note(connection, number, "case.noted", who.name, parts.clock(), detail={"text": said})

    await told(request, parts, work)
    return back_to(request, f"cases/{case_id(number)}")


@routes.post("/cases/{name}/notices/{notice}/again")
async def send_again(
    request: Request, name: str, notice: Number, parts: Parts, who: Worker, _form: Posted
) -> Response:
    """Send a notice once more, to the contact of now."""
    number = numbered(name, request)

    def work(connection: Connection) -> None:
        if notice not in {one.number for one in notices.list_of(connection, number)}:
            raise LookupError(notice)
        notices.resend(connection, notice, who.name, parts.clock())

    await told(request, parts, work)
    return back_to(request, f"cases/{case_id(number)}")


# ---- shared with the list and the opening by hand -----------------------------------------------


def text(request: Request, name: str, **values: str) -> str:
    """A text of these screens in the reader's language."""
    return TEXTS[language_of(request)][name].format(**values)


def numbered(name: str, request: Request) -> int:
    """The number in a case's name; 404 when it is none."""
    try:
        return case_number(name)
    except ValueError:
        raise missing(request) from None


def missing(request: Request) -> Problem:
    """There is no such case."""
    return Problem(HTTPStatus.NOT_FOUND, text(request, "no_such_case"))


def hold_to(
    connection: Connection, number: int, stamp: int | None, who: Staff, language: str
) -> None:
    """Raise Stale unless the case is still as the form with this stamp was shown."""
    entries = timeline(connection, number, limit=50)
    if stamp_of(entries) != stamp:
        raise Stale(lines(entries[:1], {}, language, writer(who))[0].title if entries else "")


async def told(request: Request, parts: DeskParts, work: Callable[[Connection], T]) -> T:
    """Make a change; what stands against it becomes a page that says so."""
    try:
        return await parts.database.write(work)
    except Stale as stale:
        detail = text(request, "stale", what=str(stale))
        raise Problem(HTTPStatus.CONFLICT, detail) from None
    except Refused as refused:
        detail = text(request, "refused", why=in_words(str(refused), language_of(request)))
        raise Problem(HTTPStatus.CONFLICT, detail) from None
    except LookupError:
        raise missing(request) from None


def writer(who: Staff) -> Callable[[float], str]:
    """Writes instants in who's zone."""
    zone = ZoneInfo(who.zone)
    return lambda seconds: f"{datetime.fromtimestamp(seconds, zone):%Y-%m-%d %H:%M}"


def warnings(request: Request, decision: Decision) -> list[str]:
    """What is said of a decision before it is made, beside what it touches."""
    name = f"warn_{decision}"
    return [text(request, name)] if name in TEXTS[language_of(request)] else []


def decision_in(request: Request, form: Form, who: Staff) -> Decided:
    """What a form decides; 400 says what is missing in it."""
    try:
        decision = Decision(form.text("decision", 40))
    except ValueError:
        raise Problem(HTTPStatus.BAD_REQUEST) from None
    reason = form.text("reason", dangerous.MAX_REASON)
    if not reason:
        raise Problem(HTTPStatus.BAD_REQUEST, text(request, "reason_missing"))
    until: float | None = None
    if decision is Decision.EXTEND:
        until = instant(form.text("until", 40), who)
        if until is None:
            raise Problem(HTTPStatus.BAD_REQUEST, text(request, "until_wrong"))
    minutes = form.number("minutes") or 0
    if decision is Decision.BILL and not 0 < minutes <= 60_000:
        raise Problem(HTTPStatus.BAD_REQUEST, text(request, "minutes_wrong"))
    return Decided(
        decision,
        who.name,
        reason,
        form.text("requirement", 80),
        until,
        form.number("fee") or 0,
        minutes,
    )


def instant(written: str, who: Staff) -> float | None:
    """Unix seconds of a date and time in who's zone; None when it is none."""
    try:
        said = datetime.fromisoformat(written).replace(tzinfo=ZoneInfo(who.zone))
    except ValueError:
        return None
    return said.timestamp() if 1970 < said.year <= LAST_YEAR else None

"""*Lists*: suppression entries by scope, reason, source and state; adding, lifting, importing.

Entries come newest first, their addresses masked. What touches a whole domain or all customers, and
every lifting, is asked twice; an import shows first what it would change. What a search is for
stands in the page's address, so it takes no addresses of people: those are for the look-up.
"""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from gateway.config.scopes import all_scopes, is_scope
from gateway.errors import AddressSyntaxError
from gateway.privacy.labels import FIELDS, VALUES
from gateway.records.database import Connection
from gateway.records.listing import Part, State, Wanted, list_entries
from gateway.records.staging import ImportRunning
from gateway.records.suppression_import import ListFile
from gateway.records.suppressions import Draft, Entry, Refused, entries_of, entry_of
from gateway.web.desk import dangerous, lists_texts
from gateway.web.desk.dangerous import ask, reason_of
from gateway.web.desk.entry_acts import (
    OF_LEADS,
    REASONS,
    ask_suppress,
    capacity,
    lift_entry,
    suppress,
)
from gateway.web.desk.gate import CHANGES, DECIDES, Anyone, Form, Posted, Staff, Worker
from gateway.web.desk.import_undo import offer_undo
from gateway.web.desk.list_import import Wish, bring_in, stage
from gateway.web.desk.pages import Problem, back_to, language_of, page
from gateway.web.desk.parts import DeskParts, Parts
from gateway.web.desk.reach import ALL_TENANTS, reach_of
from gateway.web.desk.source_counts import counted, forget
from suppression.listfile import read_target
from suppression.masking import mask
from suppression.precedence import Lifter
from suppression.standing import Reason, Stops

routes = APIRouter()
TEXTS = {tag: {**dangerous.TEXTS[tag], **own} for tag, own in lists_texts.TEXTS.items()}
PAGE = 50
_COUNTRY = re.compile(r"[A-Za-z]{2}")
ScopeQuery = Annotated[str, Query(max_length=200)]
WordQuery = Annotated[str, Query(max_length=20)]
NumberQuery = Annotated[int, Query(ge=0, le=2**63 - 1)]


@routes.get("/lists")
async def lists(
    request: Request,
    parts: Parts,
    staff: Anyone,
    scope: ScopeQuery = "",
    reason: WordQuery = "",
    state: WordQuery = State.IN_FORCE,
    source: NumberQuery = 0,
    before: NumberQuery = 0,
) -> Response:
    """Entries, newest first."""
    wanted = Wanted(
        scope=scope or None,
        reason=Reason(reason) if reason in list(Reason) else None,
        state=State(state) if state in list(State) else None,
        source=source or None,
    )

    def work() -> tuple[list[Entry], Part]:
        with parts.database.reading() as connection:
            now = parts.clock()
            part = list_entries(connection, wanted, before, PAGE, now, is_newest_first=True)
            return entries_of(connection, parts.keyring, part.numbers)[::-1], part

    entries, part = await asyncio.to_thread(work)
    return _page(
        request,
        parts,
        staff,
        "lists",
        entries=entries,
        shown={entry.id: mask(entry.address) or f"{entry.key.hex()[:8]}…" for entry in entries},
        wanted=wanted,
        state=state,
        next=part.next,
        before=before,
        capacity=lambda entry: capacity(entry, staff.role),
    )


@routes.get("/lists/sources")
async def sources(
    request: Request,
    parts: Parts,
    staff: Anyone,
    again: Annotated[bool, Query()] = False,
) -> Response:
    """Where entries come from, and which robinson lists must be refreshed."""
    return _page(request, parts, staff, "lists_sources", counted=await counted(parts, again))


@routes.get("/lists/add")
async def add_form(request: Request, parts: Parts, staff: Worker) -> Response:
    """The form for one entry."""
    return _page(request, parts, staff, "lists_add", what="", refused="")


@routes.post("/lists/add")
async def add_entry(request: Request, parts: Parts, staff: Worker, form: Posted) -> Response:
    """Suppress an address or a domain."""
    what, scope, why = form.text("what", 400), form.text("scope", 200), form.text("reason", 500)
    texts = TEXTS[language_of(request)]
    try:
        target = read_target(what)
        reason, stops = Reason(form.text("kind", 20)), Stops(form.text("stops", 20))
    except AddressSyntaxError:
        return _page(request, parts, staff, "lists_add", what=what, refused=texts["no_target"])
    except ValueError:
        raise Problem(HTTPStatus.BAD_REQUEST) from None
    if not why or reason not in REASONS:
        raise Problem(HTTPStatus.BAD_REQUEST)
    if not is_scope(parts.tenants, scope):
        return _page(request, parts, staff, "lists_add", what=what, refused=texts["no_scope"])
    if (scope == "*" or isinstance(target, str)) and reason_of(form) is None:
        fields = {"what": what, "stops": stops}
        return await ask_suppress(request, parts, form, mask(what), reason, scope, fields, "lists")

    def work(connection: Connection) -> bool:
        return suppress(connection, parts, staff, target, reason, scope, why, stops)[1]

    try:
        is_new = await parts.database.write(work)
    except Refused as refused:
        return _page(request, parts, staff, "lists_add", what=what, refused=str(refused))
    if not is_new:
        return _page(request, parts, staff, "lists_add", what="", refused=texts["known_already"])
    return back_to(request, "lists")


@routes.post("/lists/lift")
async def lift(request: Request, parts: Parts, staff: Worker, form: Posted) -> Response:
    """End an entry, once its reason is given."""
    number = form.number("entry")
    if number is None:
        raise Problem(HTTPStatus.BAD_REQUEST)
    texts, why = TEXTS[language_of(request)], reason_of(form)
    if why is None:
        try:
            with parts.database.reading() as connection:
                entry = entry_of(connection, parts.keyring, number)
        except LookupError:
            raise Problem(HTTPStatus.NOT_FOUND) from None
        if capacity(entry, staff.role) is None:
            raise Problem(HTTPStatus.FORBIDDEN)
        kind = VALUES[language_of(request)]["reason"].get(entry.reason, entry.reason)
        return ask(
            request,
            form,
            title=texts["ask_lift"].format(entry=number, kind=kind, scope=entry.scope),
            reach=await reach_of(parts, entry.scope.partition("/")[0]),
            fields={"entry": number},
            back="lists",
        )

    def work(connection: Connection) -> Entry:
        return lift_entry(connection, parts, staff, number, why)

    try:
        await parts.database.write(work)
    except (Refused, LookupError):
        raise Problem(HTTPStatus.CONFLICT) from None
    return back_to(request, "lists")


@routes.get("/lists/import")
async def import_form(request: Request, parts: Parts, staff: Worker) -> Response:
    """The form for a whole list."""
    return _page(request, parts, staff, "lists_import", refused="")


@routes.post("/lists/import")
async def compare(request: Request, parts: Parts, staff: Worker, form: Posted) -> Response:
    """Stage a list and show what it would change; nothing is in force yet."""
    texts = TEXTS[language_of(request)]
    upload = form.file("file")
    if upload is None:
        return _page(request, parts, staff, "lists_import", refused=texts["no_file"])
    name = mask(re.sub(r"[^\w.@ -]", "_", upload.filename or "list")[:100])
    moment = datetime.fromtimestamp(parts.clock(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    country = form.text("country", 2).upper()
    is_robinson = form.text("kind", 20) == Reason.ROBINSON
    if is_robinson and not _COUNTRY.fullmatch(country):
        return _page(request, parts, staff, "lists_import", refused=texts["no_country"])
    source = f"robinson:{country}" if is_robinson else f"desk:{name} {moment}"
    draft = _draft(parts, staff, form, source)
    if not is_scope(parts.tenants, draft.scope):
        return _page(request, parts, staff, "lists_import", refused=texts["no_scope"])
    is_edition = is_robinson and form.text("edition") == "yes"
    try:
        staged = await asyncio.to_thread(
            stage, parts, upload.file, name, draft, is_edition, staff.may(*DECIDES)
        )
    except (Refused, ImportRunning) as refused:
        return _page(request, parts, staff, "lists_import", refused=str(refused))
    scopes = {str(change["scope"]).partition("/")[0] for change in staged.changes}
    # Rows may name scopes of their own: of several tenants' all are counted.
    touched = scopes.pop() if len(scopes) == 1 else ALL_TENANTS
    return _page(
        request, parts, staff, "lists_diff", staged=staged, reach=await reach_of(parts, touched)
    )


@routes.post("/lists/import/confirm")
async def confirm(request: Request, parts: Parts, staff: Worker, form: Posted) -> Response:
    """Bring in what was staged and shown."""
    draft = _draft(parts, staff, form, form.text("source", 300))
    file = ListFile(form.text("name", 100), form.text("sha256", 64))
    is_leads, is_edition = staff.may(*DECIDES), form.text("edition") == "yes"
    wish = Wish(file, draft, is_edition, is_leads, form.text("dialect", 40))
    try:
        tally = await asyncio.to_thread(bring_in, parts, wish)
    except LookupError:
        refused = TEXTS[language_of(request)]["not_staged"]
        return _page(request, parts, staff, "lists_import", refused=refused)
    except (Refused, ImportRunning) as refused:
        return _page(request, parts, staff, "lists_import", refused=str(refused))
    forget(parts)
    await offer_undo(parts, staff, draft, tally)
    return _page(request, parts, staff, "lists_done", tally=tally)


def _draft(parts: DeskParts, staff: Staff, form: Form, source: str) -> Draft:
    """What rows become that say nothing else. Problem where the role does not allow it."""
    try:
        reason, stops = Reason(form.text("kind", 20)), Stops(form.text("stops", 20))
    except ValueError:
        raise Problem(HTTPStatus.BAD_REQUEST) from None
    if reason in OF_LEADS and not staff.may(*DECIDES):
        raise Problem(HTTPStatus.FORBIDDEN)
    return Draft(
        reason,
        form.text("scope", 200),
        Lifter.OPERATOR,
        source,
        stops if reason is Reason.MANUAL else None,
        actor=staff.name,
    )


def _page(
    request: Request, parts: DeskParts, staff: Staff, template: str, **values: object
) -> Response:
    language = language_of(request)
    decides = staff.may(*DECIDES)
    return page(
        request,
        template,
        TEXTS,
        HTTPStatus.OK,
        **{
            "reasons": [one for one in REASONS if decides or one is not Reason.PROTECTED],
            "imported": [one for one in Reason if decides or one not in OF_LEADS],
            "every_reason": list(Reason),
            "stops": list(Stops),
            "states": list(State),
            "scopes": ["*", *all_scopes(parts.tenants)],
            "may_change": staff.may(*CHANGES),
            "fields": FIELDS[language],
            "values": VALUES[language],
            **values,
        },
    )

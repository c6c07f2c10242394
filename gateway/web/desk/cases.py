"""*Cases*: a list in pages, and opening a case by hand.

A case that a person opens is judged by the policy in force for its tenant; what is wrong with the
form is said, and nothing is opened.
"""

from __future__ import annotations

from http import HTTPStatus
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response

from gateway.records.blocks import case_id
from gateway.records.case_change import Moved, open_by_hand
from gateway.records.case_view import list_cases
from gateway.records.database import Connection
from gateway.web.desk import dangerous
from gateway.web.desk.case import TEXTS, instant, offer_undo, text, told
from gateway.web.desk.gate import Anyone, Form, Posted, Staff, Worker
from gateway.web.desk.pages import Problem, back_to, page
from gateway.web.desk.parts import DeskParts, Parts
from gateway.web.desk.reach import reach_of
from policies.sanctions.case import Fact
from policies.sanctions.words import Decision, FactKind, Phase

routes = APIRouter()
RUNNING = tuple(phase for phase in Phase if not phase.is_over)
CARRIED = ("tenant", "kind", "stream", "until")
SEEN = frozenset(
    {
        FactKind.PROTECTED_HIT,
        FactKind.BATCH_DEFIANCE,
        FactKind.COMPLAINT,
        FactKind.COMPLAINT_IGNORED,
        FactKind.HARD_BOUNCE,
    }
)
"""What the gateway sees by itself: nobody opens a case for it by hand."""


@routes.get("/cases")
async def cases_page(request: Request, parts: Parts, _who: Anyone) -> Response:
    """Cases, newest first."""
    asked = request.query_params
    tenant, phase, after = asked.get("tenant", ""), asked.get("phase", ""), asked.get("after")
    phases: tuple[Phase, ...] = ()
    if phase == "running":
        phases = RUNNING
    elif phase in tuple(Phase):
        phases = (Phase(phase),)
    with parts.database.reading() as connection:
        try:
            found = list_cases(connection, tenant=tenant, phases=phases, after=after)
        except ValueError:
            raise Problem(HTTPStatus.BAD_REQUEST) from None
    kept = {"tenant": tenant, "phase": phase}
    more = urlencode({**kept, "after": found.after}) if found.after else ""
    return page(
        request, "cases", TEXTS, found=found.cases, more=more, tenant=tenant, phase=phase,
        phases=tuple(Phase), tenants=sorted(parts.tenants),
    )  # fmt: skip


@routes.get("/new-case")
async def new_case(request: Request, parts: Parts, _who: Worker) -> Response:
    """The form, for one tenant once it is chosen."""
    return _form(request, parts, request.query_params.get("tenant", ""))


@routes.post("/new-case")
async def open_case(request: Request, parts: Parts, who: Worker, form: Posted) -> Response:
    """Open it, once its page was confirmed: it may block at once."""
    fact, until = _fact_in(request, parts, who, form)
    reason, now = dangerous.reason_of(form), parts.clock()
    if reason is None:
        kind = text(request, f"fact_{fact.kind}")
        return dangerous.ask(
            request, form, title=text(request, "new_sure", kind=kind, tenant=fact.tenant),
            reach=await reach_of(parts, fact.tenant, fact.domains),
            fields={"domain": ",".join(fact.domains), **{n: form.text(n, 63) for n in CARRIED}},
            back="cases",
        )  # fmt: skip

    def work(connection: Connection) -> Moved:
        moved = open_by_hand(connection, fact, who.name, reason, now, parts.rules, until=until)
        offer_undo(connection, who, case_id(moved.case.id), "open", Decision.DISMISS, now)
        return moved

    moved = await told(request, parts, work)
    for event in moved.events:
        parts.emit(event)
    return back_to(request, f"cases/{case_id(moved.case.id)}")


def _form(request: Request, parts: DeskParts, tenant: str) -> Response:
    """The form with what the tenant's policy knows."""
    settings = parts.tenants.get(tenant)
    preset = parts.rules.of(tenant).preset
    kinds = [kind for kind in FactKind if kind not in SEEN and preset.ladder_of(kind)]
    return page(
        request, "new_case", TEXTS, tenant=tenant if settings else "", kinds=kinds, preset=preset,
        domains=sorted(name.removeprefix("*.") for name in settings.domains) if settings else (),
        streams=sorted(settings.streams) if settings else (), tenants=sorted(parts.tenants),
    )  # fmt: skip


def _fact_in(
    request: Request, parts: DeskParts, who: Staff, form: Form
) -> tuple[Fact, float | None]:
    """What the form says has happened, and the deadline it sets, if any."""
    tenant = form.text("tenant", 63)
    settings = parts.tenants.get(tenant)
    if settings is None:
        raise Problem(HTTPStatus.BAD_REQUEST, text(request, "tenant_missing"))
    kind = form.text("kind", 40)
    if kind not in tuple(FactKind) or kind in SEEN:
        raise Problem(HTTPStatus.BAD_REQUEST, text(request, "kind_missing"))
    own = {name.removeprefix("*.") for name in settings.domains}
    named = [name for field in form.texts("domain") for name in field.split(",")]
    domains = tuple(name for name in named if name in own)
    if not domains:
        raise Problem(HTTPStatus.BAD_REQUEST, text(request, "domain_missing"))
    stream = form.text("stream", 63)
    until = instant(form.text("until", 40), who)
    if form.text("until", 40) and until is None:
        raise Problem(HTTPStatus.BAD_REQUEST, text(request, "until_wrong"))
    fact = Fact(
        FactKind(kind),
        tenant,
        stream if stream in settings.streams else "",
        "",
        domains[0],
        b"",
        "",
        parts.clock(),
        actor=who.name,
        domains=domains,
    )
    return fact, until

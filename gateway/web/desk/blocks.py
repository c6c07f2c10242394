"""*Blocks*: sender domains that may not send, or might not once; an emergency block, and lifting.

Both run through the case that the block stands under: a person's block opens one of the kind
`emergency`, lifting lifts the case's sanction. Blocks from before there were ladders are lifted by
themselves. Either is undone within a minute.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus

from fastapi import APIRouter, Request, Response

from gateway.config.values import to_a_label
from gateway.events import Event
from gateway.records.blocks import (
    ALL_TENANTS,
    StoredBlock,
    add_block,
    case_number,
    lift_block,
    list_blocks,
)
from gateway.records.case_change import change, open_by_hand
from gateway.records.case_view import find_case
from gateway.records.database import Connection
from gateway.web.desk import dangerous
from gateway.web.desk.dangerous import Act
from gateway.web.desk.gate import Anyone, Number, Posted, Staff, Worker
from gateway.web.desk.pages import Problem, back_to, language_of, page
from gateway.web.desk.parts import DeskParts, Parts
from gateway.web.desk.reach import reach_of
from gateway.web.desk.refusal_words import told
from policies.ports import Block
from policies.sanctions.case import Decided, Fact
from policies.sanctions.engine import Refused
from policies.sanctions.words import Decision, FactKind

PAGE = 50
routes = APIRouter()


@routes.get("/blocks")
async def blocks(request: Request, parts: Parts, _who: Anyone) -> Response:
    """Blocks, newest first: those in force, or lifted ones too."""
    return _page(request, parts)


def _page(
    request: Request, parts: DeskParts, trouble: str = "", said: Mapping[str, str] | None = None
) -> Response:
    asked = request.query_params
    tenant, with_lifted = asked.get("tenant", ""), asked.get("lifted") == "yes"
    written = asked.get("before", "")
    before = int(written) if written.isdecimal() and len(written) < 19 else None
    with parts.database.reading() as connection:
        found = list_blocks(
            connection, tenant, with_lifted=with_lifted, before=before, limit=PAGE + 1
        )
    return page(
        request,
        "blocks",
        TEXTS,
        HTTPStatus.BAD_REQUEST if trouble else HTTPStatus.OK,
        blocks=found[:PAGE],
        more=found[PAGE - 1].id if len(found) > PAGE else None,
        tenant=tenant,
        with_lifted=with_lifted,
        tenants=sorted(parts.tenants),
        trouble=trouble,
        said={"domain": "", "tenant": "", **(said or {})},
    )


@routes.post("/blocks")
async def add(request: Request, parts: Parts, who: Worker, form: Posted) -> Response:
    """Block a domain at once."""
    tenant, text = form.text("tenant", 63), form.text("domain", 253)
    said = {"tenant": tenant, "domain": text}
    try:
        domain = to_a_label(text)
    except ValueError:
        return _page(request, parts, "domain_wrong", said)
    if not tenant:
        tenant = next((n for n, one in parts.tenants.items() if one.owns(domain)), "")
    if tenant != ALL_TENANTS and tenant not in parts.tenants:
        return _page(request, parts, "tenant_wrong", said)
    if _standing(parts, tenant, domain) is not None:
        return _page(request, parts, "standing", said)
    t = TEXTS[language_of(request)]
    reason = dangerous.reason_of(form)
    if reason is None:
        return dangerous.ask(
            request,
            form,
            title=t["ask_block"].format(domain=domain, tenant=tenant),
            reach=await reach_of(parts, tenant, [domain]),
            warnings=[t["everybody"]] if tenant == ALL_TENANTS else [],
            fields={"tenant": tenant, "domain": domain},
            back="blocks",
        )
    now = parts.clock()

    def work(connection: Connection) -> Sequence[Event]:
        return _block(connection, parts, who, tenant, domain, reason, now)

    return await _do(request, parts, work)


@routes.post("/blocks/{number}/lift")
async def lift(
    request: Request, number: Number, parts: Parts, who: Worker, form: Posted
) -> Response:
    """Lift the sanction that a block stands under."""
    block = next((one for one in _in_force(parts) if one.id == number), None)
    if block is None:
        raise Problem(HTTPStatus.CONFLICT)
    t = TEXTS[language_of(request)]
    reason = dangerous.reason_of(form)
    if reason is None:
        others = [one.domain for one in _in_force(parts) if one.case == block.case and one != block]
        return dangerous.ask(
            request,
            form,
            title=t["ask_lift"].format(domain=block.domain, tenant=block.tenant, case=block.case),
            reach=await reach_of(parts, block.tenant, [block.domain, *others]),
            warnings=[t["others"].format(domains=", ".join(others))] if others else [],
            fields={},
            back="blocks",
        )
    now = parts.clock()

    def work(connection: Connection) -> Sequence[Event]:
        return _lift(connection, parts, who, block, reason, now)

    return await _do(request, parts, work)


async def _do(request: Request, parts: DeskParts, work: dangerous.Work) -> Response:
    try:
        for event in await parts.database.write(work):
            parts.emit(event)
    except Refused as refused:
        return _page(request, parts, "refused", {"why": told(str(refused), language_of(request))})
    except LookupError:
        raise Problem(HTTPStatus.CONFLICT) from None
    return back_to(request, "blocks")


def _block(
    connection: Connection,
    parts: DeskParts,
    who: Staff,
    tenant: str,
    domain: str,
    reason: str,
    now: float,
) -> Sequence[Event]:
    fact = Fact(
        FactKind.EMERGENCY, tenant, "", "", domain, b"", "", now, actor=who.name, domains=(domain,)
    )
    moved = open_by_hand(connection, fact, who.name, reason, now, parts.rules)
    events = list(moved.events)
    if not moved.case.blocked:  # a ladder that leaves it to a person: this is the person
        decided = Decided(Decision.BLOCK, who.name, reason)
        events += change(connection, moved.case.id, decided, who.name, now, parts.rules).events
    detail = {"case": moved.case.id, "domain": domain, "tenant": tenant}
    dangerous.offer(connection, who, "block.added", detail, now)
    return events


def _lift(
    connection: Connection,
    parts: DeskParts,
    who: Staff,
    block: StoredBlock,
    reason: str,
    now: float,
) -> Sequence[Event]:
    number = case_number(block.case)
    found = find_case(connection, number)
    detail: dict[str, object] = {"domain": block.domain, "tenant": block.tenant}
    if found is not None and found.case.step:
        decided = Decided(Decision.LIFT, who.name, reason)
        moved = change(connection, number, decided, who.name, now, parts.rules)
        dangerous.offer(connection, who, "case.lifted", {"case": number, **detail}, now)
        return moved.events
    if not lift_block(connection, block.tenant, block.domain, who.name, reason, now):
        raise LookupError(block.domain)
    again = {"case": block.case, "reason": block.reason}
    dangerous.offer(connection, who, "block.lifted", {**again, **detail}, now)
    return ()


@dangerous.undoes(
    "block.added", en="{domain} was blocked for {tenant}", pl="Zablokowano {domain} ({tenant})"
)
def _unblock(connection: Connection, act: Act) -> Sequence[Event]:
    return _decide(connection, act, Decision.DISMISS)


@dangerous.undoes(
    "case.lifted",
    en="The block on {domain} ({tenant}) was lifted",
    pl="Zdjęto blokadę {domain} ({tenant})",
)
def _block_again(connection: Connection, act: Act) -> Sequence[Event]:
    return _decide(connection, act, Decision.REOPEN)


@dangerous.undoes(
    "block.lifted",
    en="The block on {domain} ({tenant}) was lifted",
    pl="Zdjęto blokadę {domain} ({tenant})",
)
def _add_again(connection: Connection, act: Act) -> Sequence[Event]:
    said = {name: str(value) for name, value in act.detail.items()}
    block = Block(said["case"], said["domain"], said["reason"])
    add_block(connection, said["tenant"], block, act.staff.name, act.now)
    return ()


def _decide(connection: Connection, act: Act, decision: Decision) -> Sequence[Event]:
    decided = Decided(decision, act.staff.name, "undone within a minute")
    number = int(str(act.detail["case"]))
    return change(connection, number, decided, act.staff.name, act.now, act.parts.rules).events


def _in_force(parts: DeskParts) -> list[StoredBlock]:
    with parts.database.reading() as connection:
        return list_blocks(connection)


def _standing(parts: DeskParts, tenant: str, domain: str) -> StoredBlock | None:
    return next(
        (one for one in _in_force(parts) if (one.tenant, one.domain) == (tenant, domain)), None
    )


TEXTS: dict[str, dict[str, str]] = {
    "en": {
        "domain": "Domain",
        "tenant": "Tenant",
        "case": "Case",
        "since": "Since",
        "by": "By",
        "lifted": "Lifted",
        "in_force": "in force",
        "with_lifted": "Lifted ones too",
        "filter": "Filter",
        "all": "All",
        "whose": "Whose domain it is",
        "everyone": "All tenants",
        "none": "No domain is blocked.",
        "add": "Block a domain at once",
        "block": "Block …",
        "lift": "Lift …",
        "ask_block": "Block {domain} for {tenant}, from its next mail on?",
        "ask_lift": "Lift the block on {domain} for {tenant}, case {case}?",
        "everybody": "This is for all tenants: nobody can send for this domain any more.",
        "others": "The same case blocks {domains}; that is lifted too.",
        "domain_wrong": "That is no domain. Write one such as news.example.com.",
        "tenant_wrong": "It is no tenant's domain. Choose whose it is, or all tenants.",
        "standing": "It is blocked already; the list shows under which case.",
        "refused": "The rules do not allow it: {why}.",
    },
    "pl": {
        "domain": "Domena",
        "tenant": "Klient",
        "case": "Sprawa",
        "since": "Od",
        "by": "Kto",
        "lifted": "Zdjęta",
        "in_force": "obowiązuje",
        "with_lifted": "Także zdjęte",
        "filter": "Filtruj",
        "all": "Wszystkie",
        "whose": "Właściciel domeny",
        "everyone": "Wszyscy klienci",
        "none": "Żadna domena nie jest zablokowana.",
        "add": "Zablokuj domenę natychmiast",
        "block": "Zablokuj …",
        "lift": "Zdejmij …",
        "ask_block": "Zablokować {domain} ({tenant}) od następnej wiadomości?",
        "ask_lift": "Zdjąć blokadę {domain} ({tenant}), sprawa {case}?",
        "everybody": "To dotyczy wszystkich klientów: nikt już nie wyśle z tej domeny.",
        "others": "Ta sama sprawa blokuje {domains}; to też zostanie zdjęte.",
        "domain_wrong": "To nie jest domena. Wpisz na przykład news.example.com.",
        "tenant_wrong": "To nie jest domena żadnego klienta. Wskaż właściciela albo wszystkich.",
        "standing": "Jest już zablokowana; lista pokazuje, w której sprawie.",
        "refused": "Zasady na to nie pozwalają: {why}.",
    },
}

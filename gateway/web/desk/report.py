"""One report: what came in, and what a person makes of it: counts it, dismisses it, or says whose
mail it was about.

The complaining address and the reporter's words are masked until they are revealed with a reason,
which is on record. A report that was decided stays as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from fastapi import APIRouter, Request, Response

from gateway.records import audit
from gateway.records.database import Connection
from gateway.records.reports import (
    ReportDecided,
    ReportDecision,
    ReportState,
    ReportTaken,
    StoredReport,
    decide_report,
    find_report,
    words_of,
)
from gateway.web.desk.gate import Anyone, Number, Posted, Worker
from gateway.web.desk.pages import Problem, back_to, language_of, page
from gateway.web.desk.parts import DeskParts, Parts
from gateway.web.desk.refusal_words import told
from gateway.web.desk.sanction_words import WORDS
from policies.sanctions.engine import Refused
from suppression.masking import mask

MAX_REASON = 500
OPEN = (ReportState.WAITING, ReportState.UNMATCHED)
routes = APIRouter()


@routes.get("/reports/{number}")
async def report(request: Request, number: Number, parts: Parts, _who: Anyone) -> Response:
    """The report, its words masked."""
    return _page(request, parts, number)


@routes.post("/reports/{number}/reveal")
async def reveal(
    request: Request, number: Number, parts: Parts, who: Worker, form: Posted
) -> Response:
    """The report with its words in plain, for a reason."""
    reason, now = form.text("reason", MAX_REASON), parts.clock()
    if not reason:
        return _page(request, parts, number, trouble="reason_lacking")
    found = _found(parts, number)

    def work(connection: Connection) -> None:
        audit.append(
            connection, at=now, actor=who.name, action="address.revealed", scope=found.tenant,
            key=found.key or None, detail={"report": number, "why": reason, "screen": "reports"},
        )  # fmt: skip

    await parts.database.write(work)
    return _page(request, parts, number, is_revealed=True)


@routes.post("/reports/{number}")
async def decide(
    request: Request, number: Number, parts: Parts, who: Worker, form: Posted
) -> Response:
    """Count, dismiss or match it."""
    reason, tenant = form.text("reason", MAX_REASON), form.text("tenant", 63)
    stream, now = form.text("stream", 63), parts.clock()
    try:
        decision = ReportDecision(form.text("decision", 20))
    except ValueError:
        raise Problem(HTTPStatus.BAD_REQUEST) from None
    if not reason:
        return _page(request, parts, number, trouble="reason_lacking")
    _found(parts, number)

    def work(connection: Connection) -> ReportTaken:
        return decide_report(
            connection, number, decision, who.name, reason, now, parts.rules,
            tenant=tenant, stream=stream,
        )  # fmt: skip

    try:
        taken = await parts.database.write(work)
    except (ReportDecided, Refused) as error:
        return _page(
            request, parts, number, trouble="refused", why=told(str(error), language_of(request))
        )
    for event in taken.events:
        parts.emit(event)
    return back_to(request, f"reports/{number}")


def _found(parts: DeskParts, number: int) -> StoredReport:
    with parts.database.reading() as connection:
        found = find_report(connection, number) if number < 2**63 else None
    if found is None:
        raise Problem(HTTPStatus.NOT_FOUND)
    return found


def _page(
    request: Request,
    parts: DeskParts,
    number: int,
    *,
    trouble: str = "",
    why: str = "",
    is_revealed: bool = False,
) -> Response:
    found = _found(parts, number)
    with parts.database.reading() as connection:
        words: Mapping[str, object] | None = words_of(connection, parts.keyring, found)
    said = dict(words or {})
    more = said.pop("said", None)
    if isinstance(more, Mapping):
        said |= more
    return page(
        request,
        "report",
        TEXTS,
        HTTPStatus.BAD_REQUEST if trouble else HTTPStatus.OK,
        report=found,
        is_open=found.state in OPEN,
        said={n: str(text) if is_revealed else mask(str(text)) for n, text in said.items()},
        is_erased=words is None and found.subject is not None,
        is_revealed=is_revealed,
        tenants=sorted(parts.tenants),
        trouble=trouble,
        why=why,
    )


TEXTS: dict[str, dict[str, str]] = {
    "en": {
        **WORDS["en"],
        "report": "Report {number}",
        "state": "State",
        "state_waiting": "waiting for a person",
        "state_counted": "counted",
        "state_dismissed": "dismissed",
        "state_unmatched": "matches no tenant",
        "grade": "Grade",
        "source": "Source",
        "received": "Received",
        "tenant": "Tenant",
        "stream": "Stream",
        "mailing": "Mailing",
        "ref": "Ref",
        "decided": "Decided",
        "words": "What was said",
        "erased": "The words were erased.",
        "no_words": "There are none.",
        "reveal": "Reveal",
        "reveal_why": "Why do you need to see it? That you did is recorded.",
        "decide": "Decide",
        "do_count": "Count it: it is a fact against the tenant",
        "do_dismiss": "Dismiss it: there is nothing against the tenant",
        "do_match": "Match it to the tenant named here, then decide",
        "choose": "Which",
        "why": "Why? The reason goes into the audit trail; write no addresses.",
        "do_it": "Decide",
        "reason_lacking": "Write a reason first.",
        "refused": "That is not possible: {why}.",
    },
    "pl": {
        **WORDS["pl"],
        "report": "Skarga {number}",
        "state": "Stan",
        "state_waiting": "czeka na człowieka",
        "state_counted": "zaliczona",
        "state_dismissed": "oddalona",
        "state_unmatched": "nie pasuje do żadnego klienta",
        "grade": "Stopień",
        "source": "Źródło",
        "received": "Wpłynęła",
        "tenant": "Klient",
        "stream": "Strumień",
        "mailing": "Wysyłka",
        "ref": "Oznaczenie",
        "decided": "Rozstrzygnięto",
        "words": "Co powiedziano",
        "erased": "Słowa usunięto.",
        "no_words": "Nic.",
        "reveal": "Pokaż",
        "reveal_why": "Dlaczego musisz to zobaczyć? Zostanie to odnotowane.",
        "decide": "Rozstrzygnij",
        "do_count": "Zalicz: to fakt przeciwko klientowi",
        "do_dismiss": "Oddal: nic nie przemawia przeciwko klientowi",
        "do_match": "Przypisz do wskazanego klienta, potem rozstrzygnij",
        "choose": "Jak",
        "why": "Dlaczego? Powód trafi do dziennika zmian; nie podawaj adresów.",
        "do_it": "Rozstrzygnij",
        "reason_lacking": "Najpierw wpisz powód.",
        "refused": "To niemożliwe: {why}.",
    },
}

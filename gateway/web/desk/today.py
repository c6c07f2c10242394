"""*Today*: what is overdue, what soon will be, and what waits for a person.

The counters follow by `live`; when they change, script fetches the queues anew.
"""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from gateway.records import notices
from gateway.records.bounces import storms
from gateway.records.case_view import Queue, queue
from gateway.records.desk_counts import counters
from gateway.records.report_store import ReportState, queue_reports
from gateway.web.desk.gate import Anyone
from gateway.web.desk.pages import page
from gateway.web.desk.parts import DeskParts, Parts
from gateway.web.desk.returned_words import WORDS as RETURNED
from gateway.web.desk.sanction_words import WORDS

SHOWN = 20
"""Rows of each queue; the rest is behind a link or comes up as these go."""
routes = APIRouter()


@routes.get("/")
async def today(request: Request, parts: Parts, _who: Anyone) -> Response:
    """The first page."""
    return _page(request, parts, "today")


@routes.get("/live/queues")
async def queues(request: Request, parts: Parts, _who: Anyone) -> Response:
    """Only the queues, for script."""
    return _page(request, parts, "today_queues")


def _page(request: Request, parts: DeskParts, template: str) -> Response:
    now = parts.clock()
    with parts.database.reading() as connection:
        return page(
            request,
            template,
            TEXTS,
            counters=counters(connection, now),
            queues={
                which: queue(connection, which, now, limit=SHOWN).cases
                for which in (Queue.OVERDUE, Queue.DUE, Queue.SUBMITTED, Queue.UNDECIDED)
            },
            reports={
                state: queue_reports(connection, states=(state,), limit=SHOWN)
                for state in (ReportState.WAITING, ReportState.UNMATCHED)
            },
            storms=storms(connection, limit=SHOWN),
            stuck=notices.stuck(connection, SHOWN),
        )


TEXTS: dict[str, dict[str, str]] = {
    "en": {
        **WORDS["en"],
        **RETURNED["en"],
        "counters": "Counters",
        "count_overdue": "overdue",
        "count_due": "due within 4 h",
        "count_submitted": "evidence waiting",
        "count_undecided": "to be decided",
        "count_waiting": "reports waiting",
        "count_unmatched": "reports unmatched",
        "count_storms": "storms held",
        "count_stuck": "notices stuck",
        "count_blocks": "domains blocked",
        "queue_overdue": "Overdue",
        "queue_due": "Due within 4 hours",
        "queue_submitted": "Evidence waits to be looked at",
        "queue_undecided": "To be decided",
        "storms_held": "Storms whose bounces are held",
        "held": "Held",
        "since": "Since",
        "tenants_of": "Tenants",
        "all_of_them": "All of them",
        "reports_waiting": "Reports that a person decides on",
        "reports_unmatched": "Reports that match no tenant",
        "notices_stuck": "Notices that reach nobody",
        "case": "Case",
        "tenant": "Tenant",
        "step": "Step",
        "phase": "Phase",
        "due_at": "Due",
        "review_at": "Look at it by",
        "opened": "Opened",
        "report_one": "Report",
        "grade": "Grade",
        "source": "Source",
        "received": "Received",
        "notice": "Notice",
        "said": "Why",
        "nothing": "Nothing waits for you.",
    },
    "pl": {
        **WORDS["pl"],
        **RETURNED["pl"],
        "counters": "Liczniki",
        "count_overdue": "po terminie",
        "count_due": "termin w ciągu 4 godz.",
        "count_submitted": "dowody czekają",
        "count_undecided": "do decyzji",
        "count_waiting": "zgłoszenia czekają",
        "count_unmatched": "zgłoszenia bez klienta",
        "count_storms": "wstrzymane burze",
        "count_stuck": "powiadomienia nie doszły",
        "count_blocks": "domeny zablokowane",
        "queue_overdue": "Po terminie",
        "queue_due": "Termin w ciągu 4 godzin",
        "queue_submitted": "Dowody do obejrzenia",
        "queue_undecided": "Do decyzji",
        "storms_held": "Burze, których zwroty są wstrzymane",
        "held": "Wstrzymano",
        "since": "Od",
        "tenants_of": "Klienci",
        "all_of_them": "Wszystkie",
        "reports_waiting": "Zgłoszenia, o których decyduje człowiek",
        "reports_unmatched": "Zgłoszenia, które nie pasują do żadnego klienta",
        "notices_stuck": "Powiadomienia, które do nikogo nie docierają",
        "case": "Sprawa",
        "tenant": "Klient",
        "step": "Krok",
        "phase": "Etap",
        "due_at": "Termin",
        "review_at": "Obejrzeć do",
        "opened": "Otwarto",
        "report_one": "Zgłoszenie",
        "grade": "Stopień",
        "source": "Źródło",
        "received": "Wpłynęło",
        "notice": "Powiadomienie",
        "said": "Dlaczego",
        "nothing": "Nic na Ciebie nie czeka.",
    },
}

"""*Audit*: who changed what, when and why, and whether the chain of records is whole."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime
from http import HTTPStatus
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request, Response

from gateway.records import audit as trail
from gateway.records.audit_search import search
from gateway.records.listing import Record
from gateway.web.desk.gate import Anyone
from gateway.web.desk.pages import Problem, page
from gateway.web.desk.parts import DeskParts, Parts

PAGE = 100
FIELDS = ("actor", "action", "scope", "since")
routes = APIRouter()


@routes.get("/audit")
async def audit(request: Request, parts: Parts, who: Anyone) -> Response:
    """Records, newest first."""
    asked = {name: request.query_params.get(name, "").strip()[:200] for name in FIELDS}
    before = request.query_params.get("before", "")
    if before and not (before.isdecimal() and len(before) < 19):
        raise Problem(HTTPStatus.BAD_REQUEST)
    since, trouble = None, ""
    if asked["since"]:
        try:
            day = datetime.strptime(asked["since"], "%Y-%m-%d")
            since = day.replace(tzinfo=ZoneInfo(who.zone)).timestamp()
        except ValueError:
            trouble = "since_wrong"

    def read() -> tuple[list[Record], tuple[int, bytes]]:
        with parts.database.reading() as connection:
            return search(
                connection,
                actor=asked["actor"],
                action=asked["action"],
                scope=asked["scope"],
                since=since,
                before=int(before) if before else None,
                limit=PAGE + 1,
            ), trail.head(connection)

    # What is rare is looked for in the whole trail.
    found, (number, digest) = await asyncio.to_thread(read)
    return page(
        request,
        "audit",
        TEXTS,
        HTTPStatus.BAD_REQUEST if trouble else HTTPStatus.OK,
        records=[(one, json.dumps(one.detail, ensure_ascii=False)) for one in found[:PAGE]],
        more=found[PAGE - 1].id if len(found) > PAGE else None,
        asked=asked,
        number=number,
        digest=digest.hex(),
        trouble=trouble,
    )


@routes.get("/audit/chain")
async def chain(request: Request, parts: Parts, _who: Anyone) -> Response:
    """Read the whole chain through and say whether every record fits the one before."""
    broken, number = await asyncio.to_thread(_verify, parts)
    return page(request, "audit_chain", TEXTS, broken=broken, number=number)


def _verify(parts: DeskParts) -> tuple[int | None, int]:
    with parts.database.reading() as connection:
        return trail.verify(connection), trail.head(connection)[0]


TEXTS: dict[str, dict[str, str]] = {
    "en": {
        "actor": "Who",
        "action": "What",
        "action_note": "A whole group ends in a dot: `case.`",
        "scope": "Scope",
        "since": "Since (day)",
        "search": "Search",
        "at": "When",
        "detail": "Detail",
        "none": "No record is like that.",
        "since_wrong": "Write the day as 2030-01-31.",
        "head": "The last record is {number}. Note its digest elsewhere to see later that none was "
        "cut off:",
        "verify": "Verify the chain",
        "chain": "Chain of the audit trail",
        "whole": "The chain is whole: every one of its records, up to {number}, fits the one "
        "before.",
        "broken": "The chain is broken at record {number}: it was altered, inserted, or one before "
        "it is missing. Compare with a backup, and with the heads that the journal notes.",
    },
    "pl": {
        "actor": "Kto",
        "action": "Co",
        "action_note": "Cała grupa kończy się kropką: `case.`",
        "scope": "Zakres",
        "since": "Od (dzień)",
        "search": "Szukaj",
        "at": "Kiedy",
        "detail": "Szczegóły",
        "none": "Nie ma takiego zapisu.",
        "since_wrong": "Wpisz dzień w postaci 2030-01-31.",
        "head": "Ostatni zapis ma numer {number}. Zanotuj gdzie indziej jego skrót, aby później "
        "zauważyć, że żadnego nie odcięto:",
        "verify": "Sprawdź łańcuch",
        "chain": "Łańcuch dziennika zmian",
        "whole": "Łańcuch jest cały: każdy z jego zapisów, do {number}, pasuje do poprzedniego.",
        "broken": "Łańcuch jest przerwany przy zapisie {number}: zmieniono go, wstawiono, albo "
        "brakuje poprzedniego. Porównaj z kopią zapasową i ze skrótami w dzienniku zdarzeń.",
    },
}

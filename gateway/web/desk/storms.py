"""*Storms*: bounces of one provider that are held and not believed, until a person decides.

Releasing forgets them, believing suppresses their recipients. Both say first how many recipients of
which tenants they touch, want a reason, and are undone within a minute: believed bounces wait for
as long, so that nothing has followed from them by then.
"""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus

from fastapi import APIRouter, Request, Response

from gateway.events import Event
from gateway.records import undoings
from gateway.records.bounce_view import touched_by
from gateway.records.bounces import StormDecided, decide_storm, reopen_storm, storms
from gateway.records.database import Connection
from gateway.web.desk import dangerous
from gateway.web.desk.dangerous import Act
from gateway.web.desk.gate import Anyone, Number, Posted, Worker
from gateway.web.desk.pages import Problem, back_to, language_of, page
from gateway.web.desk.parts import Parts
from gateway.web.desk.returned_words import WORDS
from policies.returned.storms import StormDecision

SHOWN = 50
WAIT = undoings.SECONDS + 5
"""Seconds after which believed bounces have their effects: nobody can undo it then."""
routes = APIRouter()


@routes.get("/storms")
async def storms_page(request: Request, parts: Parts, _who: Anyone) -> Response:
    """Those that a person has to decide, and those decided of late."""
    with parts.database.reading() as connection:
        held = [(one, touched_by(connection, one.number)) for one in storms(connection)]
        listed = storms(connection, is_open=False, limit=SHOWN)
    return page(
        request, "storms", TEXTS, held=held, decisions=tuple(StormDecision),
        decided=[one for one in listed if one.decision is not None],
    )  # fmt: skip


@routes.post("/storms/{number}/{decision}")
async def decide(
    request: Request,
    number: Number,
    decision: StormDecision,
    parts: Parts,
    who: Worker,
    form: Posted,
) -> Response:
    """Release or believe one, once its page was confirmed."""
    with parts.database.reading() as connection:
        found = next(iter(storms(connection, number=number)), None)
        touched = touched_by(connection, number)
    if found is None:
        raise Problem(HTTPStatus.CONFLICT)
    reason = dangerous.reason_of(form)
    if reason is None:
        t = TEXTS[language_of(request)]
        said = {
            "provider": found.provider,
            "bounces": touched.bounces,
            "recipients": touched.recipients,
            "count": len(touched.tenants),
            "tenants": ", ".join(touched.tenants),
        }
        return dangerous.ask(
            request,
            form,
            title=t[f"ask_{decision}"].format(**said),
            warnings=[t["touches_these"].format(**said), t[f"means_{decision}"]],
            fields={},
            back="storms",
        )
    now = parts.clock()

    def work(connection: Connection) -> Sequence[Event]:
        events = decide_storm(connection, number, decision, who.name, reason, now, WAIT)
        detail = {"storm": number, "provider": found.provider}
        dangerous.offer(connection, who, f"storm.{decision}", detail, now)
        return events

    try:
        events = await parts.database.write(work)
    except (LookupError, StormDecided):
        raise Problem(HTTPStatus.CONFLICT) from None
    for event in events:
        parts.emit(event)
    return back_to(request, "storms")


@dangerous.undoes(
    "storm.release",
    en="The bounces of {provider} that a storm held were forgotten",
    pl="Odrzucono zwroty od {provider} wstrzymane przez burzę",
)
@dangerous.undoes(
    "storm.believe",
    en="The bounces of {provider} that a storm held will be believed",
    pl="Zwroty od {provider} wstrzymane przez burzę zostaną uznane",
)
def _reopen(connection: Connection, act: Act) -> Sequence[Event]:
    return reopen_storm(connection, int(str(act.detail["storm"])), act.staff.name, act.now)


TEXTS: dict[str, dict[str, str]] = {
    "en": {
        **WORDS["en"],
        "storms_note": "A provider said of many recipients at once that it does not know them. "
        "Their bounces are held: nobody is suppressed, no tenant is charged.",
        "since": "Since",
        "last_at": "Last one",
        "unknown": "Unknown mailboxes",
        "unknown_of": "{unknown} of {sent} copies, at its height",
        "held": "Held",
        "held_of": "{bounces} bounces of {recipients} recipients",
        "tenants_of": "Tenants",
        "none": "No storm holds bounces.",
        "decided": "Decided",
        "decision": "Decision",
        "by": "By",
        "release": "Release …",
        "believe": "Believe …",
        "was_release": "released",
        "was_believe": "believed",
        "ask_release": "Forget the {bounces} bounces of {provider} that are held?",
        "ask_believe": "Believe the {bounces} bounces of {provider} that are held?",
        "touches_these": "It touches {recipients} recipients of {count} tenants: {tenants}.",
        "means_release": "It is as if these bounces had never come. Their recipients "
        "are mailed as before.",
        "means_believe": "A minute from now they are suppressed as unknown, and each counts "
        "against its tenant.",
    },
    "pl": {
        **WORDS["pl"],
        "storms_note": "Dostawca powiedział naraz o wielu odbiorcach, że ich nie zna. Ich zwroty "
        "są wstrzymane: nikt nie jest wykluczony, żaden klient nie jest obciążony.",
        "since": "Od",
        "last_at": "Ostatni",
        "unknown": "Nieznane skrzynki",
        "unknown_of": "{unknown} z {sent} kopii w szczycie",
        "held": "Wstrzymano",
        "held_of": "zwroty: {bounces}, odbiorcy: {recipients}",
        "tenants_of": "Klienci",
        "none": "Żadna burza nie wstrzymuje zwrotów.",
        "decided": "Rozstrzygnięte",
        "decision": "Decyzja",
        "by": "Kto",
        "release": "Odrzuć zwroty …",
        "believe": "Uznaj zwroty …",
        "was_release": "odrzucono",
        "was_believe": "uznano",
        "ask_release": "Odrzucić wstrzymane zwroty od {provider} ({bounces})?",
        "ask_believe": "Uznać wstrzymane zwroty od {provider} ({bounces})?",
        "touches_these": "Odbiorcy: {recipients}, klienci: {count} ({tenants}).",
        "means_release": "Będzie tak, jakby te zwroty nigdy nie przyszły. Odbiorcy będą dostawać "
        "pocztę jak dotąd.",
        "means_believe": "Za minutę zostaną wykluczeni jako nieznani, a każdy z nich obciąży "
        "swojego klienta.",
    },
}

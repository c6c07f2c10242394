"""A view in the reader's words: the plain values that the templates put into place.

Pure but for the clock of `parts`. Times are in the operator's zone.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from gateway.events import Event
from gateway.notices.letter import money
from gateway.notices.words import requirement
from gateway.web.status.acts import BY_STAFF, CONFIRMED, UPLOADED
from gateway.web.status.lists import MOST, SHOWN
from gateway.web.status.parts import StatusParts
from gateway.web.status.texts import STATUS
from gateway.web.status.view import CaseView, Use, View
from policies.sanctions.case import Case
from policies.sanctions.ladder import Ladder
from policies.sanctions.words import Phase

ASKING = frozenset({Phase.OPEN, Phase.SUBMITTED, Phase.OVERDUE})
"""Phases in which something may be handed in."""


@dataclass(frozen=True, slots=True)
class Item:
    """One thing to do; `way` is `upload`, `confirm`, `text`, `delete` (below), `staff` or ""."""

    name: str
    what: str
    is_met: bool
    note: str
    way: str


class Speaker:
    """Says times and amounts in one language and the operator's zone."""

    def __init__(self, parts: StatusParts, language: str) -> None:
        self.words = STATUS[language]
        self.language = language
        self._zone = parts.rules.zone
        self.now = parts.clock()

    def when(self, at: float) -> str:
        """An instant."""
        return f"{datetime.fromtimestamp(at, self._zone):%Y-%m-%d %H:%M %Z}"

    def lasts(self, seconds: float) -> str:
        """A duration, rounded down, in its two largest units."""
        minutes = int(abs(seconds)) // 60
        hours, days = minutes // 60, minutes // 1440
        if days:
            pairs = [("days", days), ("hours", hours % 24)]
        else:
            pairs = [("hours", hours), ("minutes", minutes % 60)]
        said = [self.words[unit].format(n=n) for unit, n in pairs if n]
        return " ".join(said) or self.words["minutes"].format(n=0)

    def number(self, value: int) -> str:
        """A number with its thousands apart."""
        return f"{value:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def shown_tenant(view: View, parts: StatusParts, language: str) -> dict[str, object]:
    """What the page of a tenant as a whole is filled with."""
    speak = Speaker(parts, language)
    cases = [
        {
            "link": line.link,
            "title": speak.words["case_title"].format(
                id=line.stored.id, title=_title(line.ladder, line.stored.case, language)
            ),
            "phase": speak.words[f"phase_{line.stored.case.phase}"],
            "blocked": _blocked(line.stored.case, speak),
        }
        for line in view.cases
    ]
    return {**_common(view, speak), "cases": cases}


def shown_case(view: View, parts: StatusParts, language: str) -> dict[str, object]:
    """What the page of one case is filled with."""
    speak = Speaker(parts, language)
    found = view.case
    if found is None:
        raise ValueError("the view has no case")
    case, words = found.stored.case, speak.words
    title = _title(found.ladder, case, language)
    happened = words["happened" if case.facts != 1 else "happened_once"]
    items = _items(found, view, speak)
    return {
        **_common(view, speak),
        "title": words["case_title"].format(id=found.stored.id, title=title),
        "blocked": _blocked(case, speak),
        "phase": words[f"phase_{case.phase}"],
        "happened": happened.format(
            title=_begun(title), facts=case.facts, since=speak.when(case.opened_at)
        ),
        "complaints": words["complaints"].format(reports=case.reports) if case.reports else "",
        "mailing": words["mailing"].format(mailing=case.mailing) if case.mailing else "",
        "clause": _clause(found, words),
        "clause_text": _clause_text(found, language),
        "items": items,
        "is_waiting": any(not item.is_met for item in items),
        "files": [
            words["file_line"].format(
                when=speak.when(one.at), kind=one.media_type, octets=speak.number(one.octets)
            )
            for one in found.files
        ],
        "clocks": _clocks(found, speak),
        "fees": [
            words["fee_line"].format(
                amount=money(fee.amount, fee.currency, language),
                count=fee.count,
                each=money(fee.each, fee.currency, language),
                clause=fee.clause,
                state=words[f"fee_{fee.state}"],
            )
            for fee in case.fees
        ],
        "may_appeal": found.may_appeal,
        "appealed": ""
        if case.appeal_at is None
        else words["appealed_on"].format(
            when=speak.when(case.appeal_at),
            until=speak.when(case.appeal_due_at) if case.appeal_due_at else "-",
        ),
    }


def _common(view: View, speak: Speaker) -> dict[str, object]:
    words = speak.words
    return {
        "name": view.shown_name,
        "contact": view.contact,
        "streams": view.streams,
        "uses": [_use(use, speak) for use in view.uses],
        "refusals": None
        if view.refusals is None
        else [
            {
                "when": speak.when(event.at),
                "tag": event.tag,
                "ref": event.ref or event.session,
                "about": _about(event, words),
            }
            for event in view.refusals
        ],
        "people": [
            {
                "key": one.key.hex(),
                "address": one.address or words["erased"],
                "note": words["complained_on"].format(when=speak.when(one.complained_at)),
                "deleted": ""
                if one.deleted_at is None
                else words["deleted_on"].format(when=speak.when(one.deleted_at)),
            }
            for one in view.complainers
        ],
        "passes_on": view.passes_on,
        "shows_addresses": view.shows_addresses,
        "most": MOST,
        "shown_lines": SHOWN,
        "when": speak.when,
    }


def _title(ladder: Ladder | None, case: Case, language: str) -> str:
    if ladder is None:
        return case.ladder
    return ladder.title.get(language) or ladder.title.get("en") or ladder.name


def _blocked(case: Case, speak: Speaker) -> str:
    if not case.blocked:
        return ""
    return speak.words["blocked"].format(domains=", ".join(case.domains))


def _clause(found: CaseView, words: dict[str, str]) -> str:
    if found.step is None:
        return ""
    return words["clause"].format(preset=found.preset.title, clause=found.step.clause)


def _clause_text(found: CaseView, language: str) -> str:
    said = found.preset.clauses.get(found.step.clause, {}) if found.step else {}
    return said.get(language) or said.get("en", "")


def _items(found: CaseView, view: View, speak: Speaker) -> list[Item]:
    waiting = any(one.deleted_at is None for one in view.complainers)
    items = []
    for one in found.stored.case.requirements:
        note = ""
        if one.met_at is not None:
            note = speak.words["met_on"].format(when=speak.when(one.met_at))
        elif one.rejected:
            note = speak.words["rejected"].format(reason=one.rejected)
        way = "text"
        if one.met_at is not None or found.stored.case.phase not in ASKING:
            way = ""
        elif one.name == "deleted" and waiting:
            way = "delete"
        elif one.name in BY_STAFF:
            way = "staff"
        elif one.name in UPLOADED:
            way = "upload"
        elif one.name in CONFIRMED:
            way = "confirm"
        what = _begun(requirement(one.name, speak.language))
        items.append(Item(one.name, what, one.met_at is not None, note, way))
    return items


def _clocks(found: CaseView, speak: Speaker) -> list[str]:
    case, words = found.stored.case, speak.words
    said = []
    if case.due_at is not None:
        left = case.due_at - speak.now
        lasts = words["left" if left >= 0 else "over"].format(lasts=speak.lasts(left))
        said.append(f"{words['due'].format(when=speak.when(case.due_at))} ({lasts}).")
        if found.step is not None and case.phase is Phase.OPEN:
            said.append(words[f"then_{found.step.then}"])
    if case.review_due_at is not None:
        left = case.review_due_at - speak.now
        lasts = words["left" if left >= 0 else "over"].format(lasts=speak.lasts(left))
        said.append(f"{words['review'].format(when=speak.when(case.review_due_at))} ({lasts}).")
    return said


def _about(event: Event, words: dict[str, str]) -> str:
    """Whose domain an event names: a recipient's at RCPT, else the sender's."""
    if not event.domain:
        return ""
    name = "to_domain" if event.kind == "rcpt.refused" else "from_domain"
    return words[name].format(domain=event.domain)


def _begun(text: str) -> str:
    """A text as a sentence begins."""
    return text[:1].upper() + text[1:]


def _use(use: Use, speak: Speaker) -> str:
    words = speak.words
    unit, lasts = words[f"unit_{use.unit}"], speak.lasts(use.seconds)
    used = speak.number(use.used)
    if use.limit is None:
        return words["use_free"].format(unit=unit, lasts=lasts, used=used)
    percent = 100 * use.used // use.limit
    limit = speak.number(use.limit)
    return words["use_line"].format(unit=unit, lasts=lasts, used=used, limit=limit, percent=percent)

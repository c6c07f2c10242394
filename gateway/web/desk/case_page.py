"""The words of a case's page: what happened in one sentence, and each line of its timeline.

Takes values of the records and the preset, gives plain text in `en` or `pl`; the template escapes
it. What strangers wrote comes in a line's `quotes`, as text. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from gateway.records.case_view import Entry
from gateway.web.desk.case_texts import TEXTS, TOLD
from gateway.web.desk.sanction_words import WORDS
from policies.sanctions.case import Case
from policies.sanctions.ladder import Ladder, Preset, Step
from suppression.masking import mask

QUIET = ("notice.", "case.noted")
"""Entries that make nobody's open form stale: nothing that a person weighs has changed."""
QUOTED = ("reason", "text", "said")
UNTOLD = ("mail",)
"""What entries hold for programs: the digest by which a reply's copies are known."""
_CURRENCIES_WITHOUT_CENTS = {"JPY", "KRW", "HUF", "ISK"}


@dataclass(frozen=True, slots=True)
class Line:
    """One entry of the timeline for people: `quotes` are somebody's words."""

    number: int
    at: int
    actor: str
    title: str
    quotes: tuple[str, ...]


def stamp_of(entries: Sequence[Entry]) -> int:
    """What a form carries to say which state of the case it was filled in on: the number of the
    latest entry (`entries` are newest first) that changes what a person weighs."""
    return next((one.number for one in entries if not one.kind.startswith(QUIET)), 0)


def ladder_of(case: Case, preset: Preset) -> Ladder:
    """The ladder that the case is on."""
    return preset.ladder(case.ladder)


def step_of(case: Case, preset: Preset) -> Step:
    """The case's step."""
    return next(step for step in ladder_of(case, preset).steps if step.name == case.step)


def story(case: Case, preset: Preset | None, language: str) -> str:
    """What happened, in one sentence with the clause and what it says; without a preset, of a case
    from before there were ladders, whose ladder is the kind of its facts."""
    text = TEXTS[language]
    counted = [text["story_fact" if case.facts == 1 else "story_facts"].format(count=case.facts)]
    if case.reports:
        name = "story_report" if case.reports == 1 else "story_reports"
        counted.append(text[name].format(count=case.reports))
    if case.mailing:
        counted.append(text["story_mailing"].format(mailing=case.mailing))
    if preset is None:
        title = WORDS[language].get(f"fact_{case.ladder}", case.ladder)
        return text["story_old"].format(tenant=case.tenant, title=title, counted=", ".join(counted))
    step = step_of(case, preset)
    return text["story"].format(
        tenant=case.tenant,
        title=in_language(ladder_of(case, preset).title, language),
        counted=", ".join(counted),
        step=case.step,
        clause=step.clause,
        said=in_language(preset.clauses.get(step.clause, {}), language).rstrip("."),
    )


def coming(what: str, language: str) -> str:
    """What the clockwork does next, from the engine's word for it."""
    text = TEXTS[language]
    if what.startswith("volume-"):
        return text["next_volume"].format(share=what.removeprefix("volume-"))
    return text.get(f"next_{what}", what)


def in_language(said: Mapping[str, str], language: str) -> str:
    """The text in that language, in English where there is none, else whatever there is."""
    return said.get(language) or said.get("en") or next(iter(said.values()), "")


def money(amount: int, currency: str) -> str:
    """An amount in the currency's smallest unit, as `45.00 PLN`."""
    if currency in _CURRENCIES_WITHOUT_CENTS:
        return f"{amount} {currency}"
    return f"{amount // 100}.{amount % 100:02d} {currency}"


def lines(
    entries: Sequence[Entry],
    opened: Mapping[int, str],
    language: str,
    when: Callable[[float], str],
) -> list[Line]:
    """The timeline, in the order given. `opened` are the sealed texts by their subjects' numbers,
    without those that were erased; `when` writes an instant."""
    return [_line(entry, opened, language, when) for entry in entries]


def _line(
    entry: Entry, opened: Mapping[int, str], language: str, when: Callable[[float], str]
) -> Line:
    detail = entry.detail
    quotes = [str(detail[name]) for name in QUOTED if detail.get(name)]
    if entry.subject is not None:
        # Whoever replied is a person too: addresses are for the look-up to reveal.
        quotes.append(mask(opened.get(entry.subject, TEXTS[language]["erased"])))
    title = _title(entry, language, when)
    return Line(entry.number, entry.at, entry.actor, title, tuple(quotes))


def _title(entry: Entry, language: str, when: Callable[[float], str]) -> str:
    """The entry's sentence; one of a kind that has none is told by its own name and values."""
    words, told = WORDS[language], TOLD[language]
    shown = {
        name: _shown(name, value, words, when)
        for name, value in entry.detail.items()
        if name not in QUOTED and name not in UNTOLD
    }
    sentence = told.get(entry.kind, "")
    parts = [sentence.format_map(_Blank(shown)) if sentence else entry.kind]
    parts += [
        f"{told.get(f'.{name}', name)} {value}"
        for name, value in shown.items()
        if f"{{{name}}}" not in sentence and name not in ("notice", "from")
    ]
    return " · ".join(part for part in parts if part)


_GROUPS = {
    "phase": "phase",
    "from": "phase",
    "to": "phase",
    "fact": "fact",
    "decision": "do",
    "requirement": "need",
    "kind": "notice",
    "notice": "notice",
}


def _shown(name: str, value: object, words: Mapping[str, str], when: Callable[[float], str]) -> str:
    if name == "until" and isinstance(value, int | float):
        return when(value)
    if isinstance(value, list):
        return ", ".join(str(one) for one in value)
    if isinstance(value, dict):
        return ", ".join(f"{key}: {one}" for key, one in value.items())
    group = _GROUPS.get(name)
    return words.get(f"{group}_{value}", str(value)) if group else str(value)


class _Blank(dict[str, str]):
    """Gives nothing for what an entry does not say."""

    def __missing__(self, key: str) -> str:
        return ""

"""Reads a preset from plain mappings and writes it back.

`read` takes what a YAML file holds and gives a `Preset`; every mistake is a ConfigurationError that
names the key path (`niebieski.ladders.P.steps[1].deadline`). `to_plain` gives the whole preset as
JSON-able data that `read` takes again, `digest` the SHA-256 that names this wording.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from policies.sanctions.ladder import (
    Basis,
    FeeRule,
    Ladder,
    Preset,
    Probation,
    Sanction,
    Step,
    Then,
    Threshold,
)
from policies.sanctions.reading import (
    duration,
    flag,
    mapping,
    percent,
    sequence,
    text,
    texts,
    whole,
    word,
    wrong,
)
from policies.sanctions.words import FactKind

INVOICE = "invoice-paid"
REQUIREMENTS = (
    "protection-confirmed",
    "screenshot",
    INVOICE,
    "explanation",
    "deleted",
    "mended",
)
"""What a tenant can be asked for; each has texts in notices and on the status page."""

_PRESET = {
    "title",
    "review",
    "review_business_days",
    "appeal",
    "passes_complainer_on",
    "hourly_rate",
    "clauses",
    "ladders",
}
_LADDER = {"title", "takes", "block_at", "warn_share", "probation", "is_automatic", "steps"}
_STEP = {
    "name",
    "clause",
    "sanction",
    "then",
    "deadline",
    "requirements",
    "fee",
    "needs_report",
}


def read(name: str, data: object) -> Preset:
    """The preset that the data describes."""
    entry = mapping(name, data, _PRESET)
    default = Preset(name, "", ())
    clauses = mapping(f"{name}.clauses", entry.get("clauses", {}), _keys(entry.get("clauses")))
    ladders = mapping(f"{name}.ladders", entry.get("ladders"), _keys(entry.get("ladders")))
    if not ladders:
        raise wrong(f"{name}.ladders", "at least one is needed")
    preset = Preset(
        name=name,
        title=text(f"{name}.title", entry.get("title")),
        ladders=tuple(_ladder(f"{name}.ladders.{key}", key, one) for key, one in ladders.items()),
        review=duration(f"{name}.review", entry.get("review", default.review)),
        review_business_days=whole(
            f"{name}.review_business_days",
            entry.get("review_business_days", default.review_business_days),
            0,
            365,
        ),
        appeal=duration(f"{name}.appeal", entry.get("appeal", default.appeal)),
        passes_complainer_on=flag(
            f"{name}.passes_complainer_on", entry.get("passes_complainer_on", False)
        ),
        hourly_rate=_hourly(f"{name}.hourly_rate", entry.get("hourly_rate")),
        clauses={
            key: texts(f"{name}.clauses.{key}", said, "promise") for key, said in clauses.items()
        },
    )
    _check(preset)
    return preset


def _keys(value: object) -> set[str]:
    return {str(key) for key in value} if isinstance(value, dict) else set()


def _ladder(path: str, name: str, data: object) -> Ladder:
    entry = mapping(path, data, _LADDER)
    takes = tuple(
        word(where, kind, FactKind) for where, kind in sequence(f"{path}.takes", entry.get("takes"))
    )
    steps = tuple(
        _step(where, step) for where, step in sequence(f"{path}.steps", entry.get("steps"))
    )
    for key, found in (("takes", takes), ("steps", steps)):
        if not found:
            raise wrong(f"{path}.{key}", "at least one is needed")
    names = [step.name for step in steps]
    if len(set(names)) < len(names):
        raise wrong(f"{path}.steps", "two steps have the same name")
    if steps[-1].then is Then.NEXT:
        raise wrong(f"{path}.steps[{len(steps) - 1}].then", "there is no next step")
    return Ladder(
        name=name,
        title=texts(f"{path}.title", entry.get("title")),
        takes=takes,
        steps=steps,
        block_at=_threshold(f"{path}.block_at", entry.get("block_at", {"facts": 1, "percent": 0})),
        warn_share=whole(f"{path}.warn_share", entry.get("warn_share", 0), 0, 1000),
        probation=_probation(f"{path}.probation", entry.get("probation")),
        is_automatic=flag(f"{path}.is_automatic", entry.get("is_automatic", True)),
    )


def _step(path: str, data: object) -> Step:
    entry = mapping(path, data, _STEP)
    deadline = entry.get("deadline")
    step = Step(
        name=text(f"{path}.name", entry.get("name")),
        clause=text(f"{path}.clause", entry.get("clause")),
        sanction=word(f"{path}.sanction", entry.get("sanction"), Sanction),
        then=word(f"{path}.then", entry.get("then"), Then),
        deadline=None if deadline is None else duration(f"{path}.deadline", deadline),
        requirements=tuple(
            _requirement(where, name)
            for where, name in sequence(f"{path}.requirements", entry.get("requirements", []))
        ),
        fee=_fee(f"{path}.fee", entry.get("fee")),
        needs_report=flag(f"{path}.needs_report", entry.get("needs_report", False)),
    )
    if step.deadline is None and step.then in (Then.SUSPEND, Then.NEXT, Then.CLOSE):
        raise wrong(f"{path}.deadline", f"without one, {step.then} never comes")
    if step.sanction is Sanction.ANSWER and not step.deadline:
        raise wrong(f"{path}.deadline", "an answer is owed by some time")
    if step.sanction is Sanction.NONE and step.deadline is None:
        raise wrong(f"{path}.deadline", "nothing is done and nothing runs out; give a deadline")
    if INVOICE in step.requirements and step.fee is None:
        raise wrong(f"{path}.requirements", f"{INVOICE} needs a fee")
    return step


def _requirement(path: str, value: object) -> str:
    name = text(path, value)
    if name not in REQUIREMENTS:
        raise wrong(path, f"{name} is none of {', '.join(REQUIREMENTS)}")
    return name


def _threshold(path: str, data: object) -> Threshold:
    entry = mapping(path, data, ("facts", "percent", "basis", "least"))
    return Threshold(
        facts=whole(f"{path}.facts", entry.get("facts"), 1),
        percent=percent(f"{path}.percent", entry.get("percent")),
        basis=word(f"{path}.basis", entry.get("basis", Basis.RECIPIENTS), Basis),
        least=whole(f"{path}.least", entry.get("least", 0), 0),
    )


def _probation(path: str, data: object) -> Probation | None:
    if data is None:
        return None
    entry = mapping(path, data, ("for", "volume", "threshold_divisor"))
    volume = tuple(
        whole(where, share, 1, 100)
        for where, share in sequence(f"{path}.volume", entry.get("volume"))
    )
    seconds = duration(f"{path}.for", entry.get("for"))
    if not volume or not seconds:
        raise wrong(path, "give a time above 0 and at least one share of the volume")
    divisor = whole(f"{path}.threshold_divisor", entry.get("threshold_divisor", 2), 1, 100)
    return Probation(seconds, volume, divisor)


def _fee(path: str, data: object) -> FeeRule | None:
    if data is None:
        return None
    entry = mapping(path, data, ("amount", "currency", "per", "clause"))
    per = entry.get("per")
    if per not in ("report", "case"):
        raise wrong(f"{path}.per", "report or case is needed")
    return _money(path, entry, FactKind.COMPLAINT if per == "report" else None)


def _hourly(path: str, data: object) -> FeeRule | None:
    if data is None:
        return None
    return _money(path, mapping(path, data, ("amount", "currency", "clause")), None)


def _money(path: str, entry: Any, each: FactKind | None) -> FeeRule:
    currency = text(f"{path}.currency", entry.get("currency"))
    if not (len(currency) == 3 and currency.isascii() and currency.isupper()):
        raise wrong(f"{path}.currency", "three capital letters (ISO 4217) are needed")
    amount, clause = whole(f"{path}.amount", entry.get("amount"), 1), entry.get("clause", "")
    return FeeRule(amount, currency, each, clause and text(f"{path}.clause", clause))


def _check(preset: Preset) -> None:
    """What holds only for the whole: every clause is worded, and no kind has two ladders."""
    taken: dict[FactKind, str] = {}
    for ladder in preset.ladders:
        path = f"{preset.name}.ladders.{ladder.name}"
        for kind in ladder.takes:
            if kind in taken:
                raise wrong(f"{path}.takes", f"{taken[kind]} takes {kind} already")
            taken[kind] = ladder.name
        for number, step in enumerate(ladder.steps):
            _worded(preset, f"{path}.steps[{number}]", step.clause)
            if step.fee and step.fee.clause:
                _worded(preset, f"{path}.steps[{number}].fee", step.fee.clause)
    if preset.hourly_rate:
        _worded(preset, f"{preset.name}.hourly_rate", preset.hourly_rate.clause)


def _worded(preset: Preset, path: str, clause: str) -> None:
    if clause not in preset.clauses:
        raise wrong(f"{path}.clause", f"{clause or 'none'} is not in clauses")


def to_plain(preset: Preset) -> dict[str, Any]:
    """JSON-able data that `read` takes again."""
    return {
        "title": preset.title,
        "review": preset.review,
        "review_business_days": preset.review_business_days,
        "appeal": preset.appeal,
        "passes_complainer_on": preset.passes_complainer_on,
        "hourly_rate": preset.hourly_rate and _plain_money(preset.hourly_rate),
        "clauses": preset.clauses,
        "ladders": {ladder.name: _plain_ladder(ladder) for ladder in preset.ladders},
    }


def _plain_ladder(ladder: Ladder) -> dict[str, Any]:
    probation = ladder.probation
    return {
        "title": ladder.title,
        "takes": [str(kind) for kind in ladder.takes],
        "block_at": {
            "facts": ladder.block_at.facts,
            "percent": ladder.block_at.percent,
            "basis": str(ladder.block_at.basis),
            "least": ladder.block_at.least,
        },
        "warn_share": ladder.warn_share,
        "probation": probation
        and {
            "for": probation.seconds,
            "volume": list(probation.volume),
            "threshold_divisor": probation.threshold_divisor,
        },
        "is_automatic": ladder.is_automatic,
        "steps": [_plain_step(step) for step in ladder.steps],
    }


def _plain_step(step: Step) -> dict[str, Any]:
    fee = step.fee
    return {
        "name": step.name,
        "clause": step.clause,
        "sanction": str(step.sanction),
        "then": str(step.then),
        "deadline": step.deadline,
        "requirements": list(step.requirements),
        "fee": fee and {**_plain_money(fee), "per": "report" if fee.each else "case"},
        "needs_report": step.needs_report,
    }


def _plain_money(fee: FeeRule) -> dict[str, Any]:
    return {"amount": fee.amount, "currency": fee.currency, "clause": fee.clause}


def digest(preset: Preset) -> str:
    """SHA-256 in hex of the canonical JSON."""
    canonical = json.dumps(
        {preset.name: to_plain(preset)}, sort_keys=True, separators=(",", ":"), ensure_ascii=False
    )
    return hashlib.sha256(canonical.encode()).hexdigest()

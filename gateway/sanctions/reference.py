"""Writes docs/sanctions/<name>.md from a preset: which clause each line implements.

`markdown(preset)` gives the page: every offence with its time, every step with its clause, and what
the clauses say, condensed. A test checks that the committed pages are current.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from policies.sanctions.ladder import (
    Basis,
    FeeRule,
    Ladder,
    Preset,
    Sanction,
    Step,
    Then,
    Threshold,
)

HEAD = """\
# Sanctions: {title}

<!-- Made by `consentry docs sanctions {name}`; change policies/presets/{name}.yaml instead. -->

What follows from what under `preset: {name}`, and which clause each line implements. The clauses
are condensed in our own words; the numbers are the documents' own, and *promise* is the line of the
design's list of promises. Terminations and fees are always a person's decision: a step proposes,
two people terminate, one issues a fee.
"""
SANCTIONS = {
    Sanction.NONE: "the tenant is told",
    Sanction.NOTIFY: "the tenant is told and has to answer",
    Sanction.BLOCK: "the sender domain is blocked, the tenant is told",
    Sanction.DECIDE: "a person decides",
    Sanction.APPROVE: "two people approve it; the tenant is not told",
    Sanction.ANSWER: "the operator owes an answer",
}
THEN = {
    Then.MAY_TERMINATE: "two people may terminate",
    Then.PERSON_LIFTS: "a person lifts",
    Then.PERSON_DECIDES: "a person decides",
    Then.SUSPEND: "the sender domain is blocked; two people may terminate",
    Then.NEXT: "the next step",
    Then.CLOSE: "it ends by itself",
}
BASIS = {
    Basis.RECIPIENTS: "the recipients",
    Basis.DELIVERED: "the messages delivered",
    Basis.OFFERED: "the messages delivered or refused so",
}
SHARES = {2: "Half", 3: "A third"}
UNITS = ((86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))


def markdown(preset: Preset) -> str:
    """The whole page."""
    parts = [
        HEAD.format(title=preset.title, name=preset.name),
        "## Offences and times\n\n" + _table(("offence", "time", "then"), _offences(preset)),
        *(_ladder(preset, ladder) for ladder in preset.ladders),
        "## For all of them\n\n" + "".join(f"- {line}\n" for line in _conduct(preset)),
        "## Clauses\n\n"
        + _table(
            ("clause", "promise", "what it says"),
            [
                (clause, said.get("promise", "the operator's own"), said["en"])
                for clause, said in preset.clauses.items()
            ],
        ),
    ]
    return "\n".join(parts)


def span(seconds: float) -> str:
    """A duration in the largest whole unit: 24 hours stay hours, as contracts say it."""
    for size, unit in UNITS:
        number, rest = divmod(seconds, size)
        if not rest and (number > 1 or unit in ("hour", "second")):
            return f"{number:g} {unit}{'s' * (number != 1)}"
    return f"{seconds:g} seconds"


def money(rule: FeeRule) -> str:
    """An amount with its currency."""
    return f"{rule.amount // 100}.{rule.amount % 100:02} {rule.currency}"


def _offences(preset: Preset) -> Iterator[tuple[str, ...]]:
    for ladder in preset.ladders:
        for kind in ladder.takes:
            yield kind.replace("-", " "), _times(ladder), THEN[ladder.steps[0].then]


def _times(ladder: Ladder) -> str:
    times = [_deadline(step) for step in ladder.steps]
    return ", then ".join(dict.fromkeys(times))


def _deadline(step: Step) -> str:
    if step.deadline is None:
        return "none runs"
    return span(step.deadline) if step.deadline else "at once"


def _ladder(preset: Preset, ladder: Ladder) -> str:
    lines = [
        f"## {ladder.name}: {ladder.title['en']}\n",
        f"Takes {_list([kind.value for kind in ladder.takes])}. {_threshold(ladder)}\n",
    ]
    rows = (
        (
            step.name,
            step.clause,
            preset.clauses[step.clause].get("promise", "the operator's own"),
            _what(step, ladder),
            ", ".join(step.requirements) or "nothing",
            _deadline(step),
            THEN[step.then],
        )
        for step in ladder.steps
    )
    lines.append(
        _table(("step", "clause", "promise", "effect", "asked for", "at most", "then"), rows)
    )
    if ladder.probation:
        volume = ", ".join(f"{share} %" for share in ladder.probation.volume)
        lines.append(
            f"After unblocking, {span(ladder.probation.seconds)} of probation: {volume} of the "
            f"usual volume, thresholds divided by {ladder.probation.threshold_divisor}.\n"
        )
    return "\n".join(lines)


def _what(step: Step, ladder: Ladder) -> str:
    what = SANCTIONS[step.sanction]
    if not ladder.is_automatic and step.sanction is not Sanction.APPROVE:
        what = f"when a person has confirmed it: {what}"
    if step.needs_report:
        what += "; without a report a person decides"
    if step.fee:
        per = "for each report" if step.fee.each else "for the case"
        what += f"; fee {money(step.fee)} {per}, proposed"
    return what


def _threshold(ladder: Ladder) -> str:
    at = ladder.block_at
    if at == Threshold(1, 0):
        return "The first is enough."
    parts = [f"{at.facts}"] if at.facts > 1 else []
    if at.percent:
        least = f", at least {at.least:,}" if at.least else ""
        parts.append(f"{at.percent:g} % of {BASIS[at.basis]}{least}")
    share = SHARES.get(ladder.warn_share, f"1/{ladder.warn_share}")
    warned = f" {share} of it warns." if ladder.warn_share else ""
    return f"Begins at {_list(parts)} in 24 hours.{warned}"


def _conduct(preset: Preset) -> Iterator[str]:
    days = preset.review_business_days
    business = f" or {days} business day{'s' * (days != 1)}, the later" if days else ""
    yield (
        "The longest clock begins when the first notice is on its way. It rests while what was "
        "handed in is looked at, and goes on when that is rejected."
    )
    yield "A deadline can be set for one notice, which states it; afterwards it only moves later."
    yield f"What was handed in is looked at within {span(preset.review)}{business}."
    yield f"An appeal is decided within {span(preset.appeal)}, not by an author of the sanction."
    if preset.passes_complainer_on:
        yield "The complaining address is passed on, so that the tenant deletes it."
    if preset.hourly_rate:
        rate = preset.hourly_rate
        yield f"Clean-up work: {money(rate)} for each hour begun ({rate.clause}), proposed."
    yield "Facts of kinds that no ladder takes are recorded and lead to nothing."
    yield "All of one mailing is one violation; each later one climbs, and steps never reset."


def _table(
    names: Sequence[str], rows: Iterator[tuple[str, ...]] | Sequence[tuple[str, ...]]
) -> str:
    head = f"| {' | '.join(names)} |\n|{'---|' * len(names)}\n"
    return head + "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _list(words: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))

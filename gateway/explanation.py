"""What one ref has to tell: the events of a transaction, narrowed to one recipient if asked.

`explain` takes the journal's events of a ref and gives `Section`s, one per event, made of plain
rows: facts, what each policy said, and what became of each recipient. Pure; prints nothing. Takes
events as they are in the journal, so what it does not know by name it shows as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from gateway.events import Event

_SAID = ("stage", "policy", "decision", "tag", "reason", "inputs")
_BECAME = ("n", "recipient", "state", "code", "text")


@dataclass(frozen=True, slots=True)
class Section:
    """One event: `facts` are label and value, `policies` and `recipients` are rows of a table."""

    event: Event
    facts: tuple[tuple[str, str], ...]
    policies: tuple[dict[str, str], ...] = ()
    recipients: tuple[dict[str, str], ...] = ()


def narrow(events: Sequence[Event], recipient: int | None) -> list[Event]:
    """The events that concern one recipient of the transaction; all when None."""
    if recipient is None:
        return list(events)
    narrowed = []
    for event in events:
        number = event.ref.partition(".")[2]
        if number and number != str(recipient):
            continue
        listed = event.detail.get("recipients")
        if isinstance(listed, list):
            mine = [entry for entry in listed if entry.get("n") == recipient]
            if not mine and event.kind.startswith("message."):
                continue
            trail = _trail_of(event.detail.get("trail"), recipient)
            event = replace(event, detail=event.detail | {"recipients": mine, "trail": trail})
        narrowed.append(event)
    return narrowed


def _trail_of(trail: object, recipient: int) -> object:
    """A message's trail without the verdicts on other recipients, who are noted in groups."""
    if not isinstance(trail, Mapping) or not isinstance(trail.get("rcpt"), list):
        return trail
    return {**trail, "rcpt": [group for group in trail["rcpt"] if recipient in group["n"]]}


def explain(events: Sequence[Event]) -> list[Section]:
    """A section for each event, in the order given."""
    return [_section(event) for event in events]


def _section(event: Event) -> Section:
    detail = event.detail
    known = {"trail", "recipients"}
    facts = [(name, show(value)) for name, value in detail.items() if name not in known]
    if event.domain:
        facts.insert(0, ("domain", event.domain))
    trail = detail.get("trail")
    stage = event.kind.partition(".")[0]
    by_stage = trail if isinstance(trail, Mapping) else {stage: trail}
    for name, said in by_stage.items():
        if said is not None and not isinstance(said, list):
            facts.append((str(name), show(said)))
    return Section(
        event,
        tuple(facts),
        tuple(_policies(by_stage)),
        tuple(_recipients(detail.get("recipients"))),
    )


def _policies(by_stage: Mapping[object, object]) -> Iterator[dict[str, str]]:
    for stage, said in by_stage.items():
        for entry in said if isinstance(said, list) else ():
            if "policy" in entry:
                yield _row(str(stage), entry)
            else:  # recipients who were judged alike, and what was said of each
                yield from (_row(f"{stage} {_ranges(entry['n'])}", one) for one in entry["trail"])


def _row(stage: str, entry: Mapping[str, object]) -> dict[str, str]:
    row = {name: show(entry.get(name)) for name in _SAID}
    row["stage"] = stage
    if entry.get("observed"):
        row["decision"] += " (observed only)"
    return row


def _ranges(numbers: Sequence[int]) -> str:
    """Rising numbers as `1-3, 5`."""
    spans: list[list[int]] = []
    for number in numbers:
        if spans and number == spans[-1][1] + 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    return ", ".join(f"{first}-{last}" if last > first else f"{first}" for first, last in spans)


def _recipients(listed: object) -> Iterator[dict[str, str]]:
    for entry in listed if isinstance(listed, list) else ():
        row = {name: show(entry.get(name)) for name in _BECAME}
        key, domain = show(entry.get("key")), show(entry.get("domain"))
        row["recipient"] = show(entry.get("address")) or f"{key[:8]}...@{domain}"
        yield row


def show(value: object) -> str:
    """Any value of an event as one line of printable text."""
    match value:
        case None | "":
            return ""
        case Mapping():
            text = ", ".join(f"{name}={show(inner)}" for name, inner in value.items())
        case list() | tuple():
            text = ", ".join(map(show, value))
        case _:
            text = str(value)
    # Texts of strangers reach a terminal here: no control character may.
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)

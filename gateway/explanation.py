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
            event = replace(event, detail=event.detail | {"recipients": mine})
        narrowed.append(event)
    return narrowed


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
            row = {name: show(entry.get(name)) for name in _SAID}
            row["stage"] = str(stage)
            if entry.get("observed"):
                row["decision"] += " (observed only)"
            yield row


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

"""Reads the past out of journals and has a contract replayed on it.

`replay` takes events in the order of time and tells a `Simulation` what they say: facts
(`fact.recorded`, `fact.lost`), recipients asked for (`rcpt.refused`, `message.*`), copies delivered
and reports. Journals from before facts had kinds of their own name a refused complainer only in
`rcpt.refused`: such a refusal without a fact before it is taken for one.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from gateway import replies
from gateway.events import Event
from gateway.journal_reader import parse
from policies.returned.words import COMPLAINTS, FeedbackType
from policies.sanctions.case import Counts, Fact
from policies.sanctions.simulate import Simulation
from policies.sanctions.words import Excuse, FactKind, Grade

UNKNOWN_SENDER = "(sender domain not on record)"
REFUSED = {
    replies.PROTECTED.tag: FactKind.PROTECTED_HIT,
    replies.COMPLAINT.tag: FactKind.COMPLAINT_IGNORED,
}
Word = TypeVar("Word", Grade, Excuse)
MESSAGES = {"message.relayed", "message.refused", "message.deferred"}
REPORTS = {"report.received", "complaint.received"}


def events_of(paths: Iterable[Path], read: Callable[[int], None]) -> Iterator[Event]:
    """The events of journal files, merged by time. `read` is told how many octets each line had.
    OSError for a file that cannot be read."""
    return heapq.merge(*(_events(path, read) for path in paths), key=lambda event: event.at)


def _events(path: Path, read: Callable[[int], None]) -> Iterator[Event]:
    with path.open("rb") as file:
        for line in file:
            read(len(line))
            if event := parse(line):
                yield event


def replay(simulation: Simulation, events: Iterable[Event]) -> tuple[int, float, float]:
    """Tell the simulation all of it; how many events there were, the first's time, the last's."""
    past = _Past(simulation)
    count, first, last = 0, 0.0, 0.0
    for event in events:
        # A clock that was set back does not take the past back.
        last = max(last, event.at)
        first = first or event.at
        count += 1
        past.hear(event, last)
    simulation.finish(last)
    return count, first, last


class _Past:
    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._refs: Counter[tuple[str, FactKind]] = Counter()
        """Facts on record, by transaction, whose refusal is still to come."""
        self._mailings: dict[tuple[str, str], float] = {}
        """When each mailing was first heard of: what a report is about was sent then at the latest
        when nothing better is on record."""
        self._reports: set[tuple[str, str]] = set()

    def hear(self, event: Event, now: float) -> None:
        if event.mailing:
            self._mailings.setdefault((event.tenant, event.mailing), now)
        if event.kind in ("fact.recorded", "fact.lost"):
            self._fact(event, now)
        elif event.kind == "rcpt.refused":
            self._refused(event, now)
        elif event.kind in MESSAGES:
            self._message(event, now)
        elif event.kind in REPORTS:
            self._report(event)

    def _fact(self, event: Event, now: float) -> None:
        detail = event.detail
        try:
            kind = FactKind(str(detail.get("fact")))
        except ValueError:
            return
        if kind in REFUSED.values():
            self._refs[event.ref, kind] += 1
        domains = detail.get("domains")
        names = [str(name) for name in domains] if isinstance(domains, list) else [event.domain]
        fact = Fact(
            kind=kind,
            tenant=event.tenant,
            stream=event.stream,
            mailing=event.mailing,
            domain=event.domain,
            key=b"",
            ref=event.ref,
            at=now,
            grade=_word(Grade, detail.get("grade")),
            excuse=_word(Excuse, detail.get("excuse")),
            actor=str(detail.get("actor") or "gateway"),
            domains=tuple(filter(None, names)) or (UNKNOWN_SENDER,),
        )
        counted = Counts(
            recipients=_number(detail.get("recipients")), delivered=_number(detail.get("delivered"))
        )
        self._simulation.fact(fact, self._sent_at(fact, detail.get("sent"), now), counted)

    def _sent_at(self, fact: Fact, sent: object, now: float) -> float:
        if isinstance(sent, int | float):
            return sent
        if fact.kind is FactKind.COMPLAINT:
            return self._mailings.get((fact.tenant, fact.mailing), now)
        return now

    def _refused(self, event: Event, now: float) -> None:
        self._simulation.asked(event.tenant, now, 1)
        kind = REFUSED.get(event.tag)
        if kind is None:
            return
        ref = event.ref.partition(".")[0]
        if self._refs[ref, kind]:
            self._refs -= Counter([(ref, kind)])
            return
        # The event's domain is the recipient's.
        fact = Fact(
            kind, event.tenant, event.stream, event.mailing, "", b"", ref, now,
            domains=(UNKNOWN_SENDER,),
        )  # fmt: skip
        self._simulation.fact(fact, now)

    def _message(self, event: Event, now: float) -> None:
        recipients = event.detail.get("recipients")
        states = [
            one.get("state")
            for one in (recipients if isinstance(recipients, list) else ())
            if isinstance(one, dict)
        ]
        taken = sum(state == "taken" for state in states)
        is_deferred = event.kind == "message.deferred"
        # Who is deferred comes again and is counted then.
        self._simulation.asked(event.tenant, now, taken if is_deferred else len(states))
        self._simulation.delivered(event.tenant, now, taken)
        base = event.ref.partition(".")[0]
        for kind in REFUSED.values():
            self._refs.pop((base, kind), None)

    def _report(self, event: Event) -> None:
        """Grade A has its fact on record beside it; all others wait."""
        if event.detail.get("type", FeedbackType.ABUSE) not in COMPLAINTS:
            return
        who = (event.tenant, str(event.detail.get("key") or event.ref))
        is_new = who not in self._reports
        if event.tenant and is_new and event.detail.get("grade") in ("B", "C", "D"):
            self._reports.add(who)
            self._simulation.report_waits(event.tenant)


def _word(words: type[Word], value: object) -> Word | None:
    try:
        return words(str(value))
    except ValueError:
        return None


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0

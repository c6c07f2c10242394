"""What the next hop said of each recipient, followed out of this node's journal.

`Outcomes` gives the job that reads on every second. A recipient refused at RCPT or after the dot
becomes a bounce, classed by the table of rules; a refusal of the gateway itself becomes an alarm
(`next_hop.refused_us`) and never a bounce; what was taken and refused is summed. Lines and effects
are one transaction with the place reached, so each outcome counts once, whatever is killed when.
Every node follows its own journal, leader or not, since nobody else can read it; mail waits for
none of this. Raises StoreUnavailable and OSError, and goes on from there a second later.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

from gateway.errors import AddressSyntaxError
from gateway.events import Emit, Event
from gateway.feedback.bounce_rules import bounce_table
from gateway.jobs import Job
from gateway.journal_reader import parse
from gateway.metrics import ProcessMetrics
from gateway.metrics_declared import OUTCOMES, OUTCOMES_FOLLOWED
from gateway.records.bounces import Bounced, BounceTerms, take_bounce
from gateway.records.case_rules import Rules
from gateway.records.database import Connection, Database
from gateway.records.figures import SLOT, Figure, add, day_of, note_sent
from gateway.records.followed import Stretch, begin, move, next_stretch
from policies.ports import Clock
from policies.returned.bounces import Refusal, Stage
from policies.returned.classes import BounceClass
from suppression.address import a_label

PAUSE = 1.0
_SENT = ("taken", "refused", "unknown")
"""States of recipients whose copy's final dot went out."""
_DAY = 86_400


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the next hop did with one recipient: took the copy, or refused it for good. `domain` is
    the sender's, `provider` the recipient's (A-label)."""

    at: float
    ref: str
    tenant: str
    stream: str
    mailing: str
    domain: str
    provider: str
    key: bytes
    refusal: Refusal | None = None


@dataclass(slots=True)
class Followed:
    """What follows from some lines: bounces, sums, and what refuses the gateway itself."""

    bounced: list[Bounced] = field(default_factory=list)
    figures: Counter[tuple[int, str, str, str, str, Figure]] = field(default_factory=Counter)
    """By day, tenant, stream, mailing and sender domain."""
    sent: Counter[tuple[str, int]] = field(default_factory=Counter)
    """Copies offered, by provider and beginning of the slot."""
    alarms: list[Outcome] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)
    until: float = 0.0

    def take(self, outcome: Outcome) -> None:
        """Add one."""
        refusal = outcome.refusal
        kind = "taken" if refusal is None else "refused"
        bounce_class = None if refusal is None else bounce_table().classify(refusal)
        if bounce_class is BounceClass.REFUSES_US:
            self.kinds["refuses-us"] += 1
            self.alarms.append(outcome)
            return
        self.kinds[kind] += 1
        self.sent[outcome.provider, int(outcome.at) // SLOT * SLOT] += 1
        whose = (outcome.tenant, outcome.stream, outcome.mailing, outcome.domain)
        self.figures[day_of(outcome.at), *whose, Figure.OFFERED] += 1
        if refusal is None or bounce_class is None:
            self.figures[day_of(outcome.at), *whose, Figure.DELIVERED] += 1
        elif refusal.stage is not Stage.SHARED:
            self.bounced.append(_bounced(outcome, refusal, bounce_class))


class Outcomes:
    """Follows the journal in `folder` for `node`. `terms` gives what is in force at each look."""

    def __init__(
        self,
        database: Database,
        folder: Path,
        node: str,
        terms: Callable[[], tuple[Rules, BounceTerms]],
        emit: Emit,
        clock: Clock,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._database = database
        self._folder = folder
        self._node = node
        self._terms = terms
        self._emit = emit
        self._clock = clock
        self._sleep = sleep
        self._has_begun = False
        self._until = clock()
        self._kinds = Counter[str]()

    def job(self) -> Job:
        """The job; it rests as long as it works, so that the records serve others meanwhile."""
        return Job("outcomes followed", PAUSE, self.follow)

    def watch(self, metrics: ProcessMetrics) -> None:
        """Show what was followed, and until when all was."""
        metrics.watch(OUTCOMES, lambda: {(kind,): n for kind, n in self._kinds.items()})
        metrics.watch(OUTCOMES_FOLLOWED, lambda: {(): self._until})

    async def follow(self) -> int:
        """Read to the end; 0, for it is everyday work."""
        if not self._has_begun:
            now = self._clock()
            await self._database.write(lambda c: begin(c, self._folder, self._node, now))
            self._has_begun = True
        while True:
            began, looked_at = monotonic(), self._clock()
            read = await asyncio.to_thread(self._look)
            if read is None:
                self._until = looked_at
                return 0
            stretch, followed = read

            def work(
                connection: Connection, stretch: Stretch = stretch, followed: Followed = followed
            ) -> list[Event]:
                move(connection, self._folder, stretch)
                return self._put(connection, followed)

            for event in await self._database.write(work):
                self._emit(event)
            self._alarm(followed.alarms)
            self._kinds += followed.kinds
            self._until = followed.until or self._until
            await self._sleep(monotonic() - began)

    def _look(self) -> tuple[Stretch, Followed] | None:
        with self._database.reading() as connection:
            stretch = next_stretch(connection, self._folder, self._node)
        if stretch is None:
            return None
        followed = Followed()
        for line in stretch.lines:
            for outcome in read_outcomes(line):
                followed.take(outcome)
                followed.until = outcome.at
        return stretch, followed

    def _put(self, connection: Connection, followed: Followed) -> list[Event]:
        """The effects. Sums come first: they say whether the bounces are a storm."""
        for (day, tenant, stream, mailing, domain, what), amount in sorted(
            followed.figures.items()
        ):
            add(connection, day * _DAY, tenant, stream, mailing, domain, what, amount)
        for (provider, slot), amount in sorted(followed.sent.items()):
            note_sent(connection, provider, slot, amount)
        (rules, terms), now = self._terms(), self._clock()
        return [
            event
            for bounced in followed.bounced
            for event in take_bounce(connection, bounced, rules, terms, now)
        ]

    def _alarm(self, alarms: list[Outcome]) -> None:
        """One event for those of one wording: it is the same trouble."""
        told = Counter(_words(outcome) for outcome in alarms)
        for outcome in alarms:
            if amount := told.pop(_words(outcome), 0):
                detail: dict[str, object] = {"words": _words(outcome), "recipients": amount}
                event = Event("next_hop.refused_us", self._clock(), ref=outcome.ref, detail=detail)
                event.tenant, event.domain = outcome.tenant, outcome.provider
                self._emit(event)


def read_outcomes(line: bytes) -> Iterator[Outcome]:
    """What a line of the journal tells of recipients whom the next hop took or refused for good.

    An outcome of an earlier try is left out: that try's own line has told it.
    """
    if b'"message.' not in line and b'"next_hop"' not in line:
        return
    event = parse(line)
    if event is None or not event.tenant:
        return
    detail = event.detail
    with suppress(AddressSyntaxError, AttributeError, KeyError, TypeError, ValueError):
        if event.kind == "rcpt.refused":
            code, enhanced, text = str(detail["next_hop"]).split(" ", 2)
            refusal = Refusal(int(code), enhanced, text, _stage(detail, Stage.RCPT))
            if refusal.code >= 500:
                sender = str(detail.get("from", ""))
                yield _outcome(event, sender, event.domain, str(detail["key"]), refusal)
        elif event.kind in ("message.relayed", "message.refused", "message.deferred"):
            yield from _of_message(event, detail)


def _of_message(event: Event, detail: Mapping[str, Any]) -> Iterator[Outcome]:
    fresh = [entry for entry in detail["recipients"] if not entry.get("earlier")]
    sent = sum(entry["state"] in _SENT for entry in fresh)
    # A reply to a message is one for all its recipients.
    stage = Stage.MESSAGE if sent <= detail["copies"] else Stage.SHARED
    for entry in fresh:
        refusal = None
        if entry["state"] == "refused":
            enhanced = entry.get("enhanced", "")
            refusal = Refusal(entry["code"], enhanced, entry["text"], _stage(entry, stage))
        elif entry["state"] != "taken":
            continue
        yield _outcome(event, event.domain, entry["domain"], entry["key"], refusal)


def _stage(told: Mapping[str, object], stage: Stage) -> Stage:
    """What refused MAIL is about the sender: it says as little of a recipient as a shared reply."""
    return Stage.SHARED if told.get("said_to") == "mail" else stage


def _outcome(
    event: Event, sender: str, provider: str, key: str, refusal: Refusal | None
) -> Outcome:
    return Outcome(
        at=event.at,
        ref=event.ref.partition(".")[0],
        tenant=event.tenant,
        stream=event.stream,
        mailing=event.mailing,
        domain="" if sender == "<>" else sender,
        provider=a_label(provider),
        key=bytes.fromhex(key),
        refusal=refusal,
    )


def _bounced(outcome: Outcome, refusal: Refusal, bounce_class: BounceClass) -> Bounced:
    return Bounced(
        mark=f"{outcome.ref} {outcome.key.hex()}",
        tenant=outcome.tenant,
        stream=outcome.stream,
        mailing=outcome.mailing,
        domain=outcome.domain,
        provider=outcome.provider,
        key=outcome.key,
        bounce_class=bounce_class,
        code=refusal.code,
        enhanced=refusal.enhanced,
        text=refusal.text,
        at=outcome.at,
        ref=outcome.ref,
    )


def _words(outcome: Outcome) -> str:
    said = outcome.refusal
    return "" if said is None else f"{said.code} {said.enhanced} {said.text}"

"""Whether a provider is in a storm, and holding what came in it.

`Weather` looks at the times of some bounces of one provider: in which of the spans around them so
many mailboxes were unknown that it is the provider's trouble. `takes` says whether a bounce is part
of that, `hold` puts such bounces into the provider's open storm. In the caller's transaction.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update

from gateway.config.feedback import StormSettings
from gateway.events import Event
from gateway.records import figures
from gateway.records.believing import event_of
from gateway.records.tables import bounces, storms
from policies.returned.classes import BounceClass
from policies.returned.storms import BounceState, is_storm
from policies.returned.words import Action

_row = bounces.c
_storm = storms.c


@dataclass(frozen=True, slots=True)
class _Span:
    """A stretch of time that is a storm: `unknown` mailboxes of `sent` copies."""

    start: int
    end: int
    unknown: int
    sent: int


class Weather:
    """A provider's, at the times (Unix seconds) of some of its bounces."""

    def __init__(
        self, connection: Connection, provider: str, times: Sequence[int], terms: StormSettings
    ) -> None:
        self._connection = connection
        self._provider = provider
        self._within = within = int(terms.within)
        known = select(storms).where(_storm.provider == provider, _storm.decision.is_(None))
        self._open = connection.execute(known).first()
        first, last = min(times) - within, max(times) + within
        # Of each recipient the first: whoever has a token may write many bounces of their own.
        query = select(func.min(_row.at)).where(
            _row.provider == provider,
            _row["class"] == BounceClass.INVALID_MAILBOX.value,
            _row.action == Action.FAILED.value,
            _row.at.between(first, last),
        )
        ats = sorted(connection.execute(query.group_by(_row.tenant, _row.key)).scalars())
        sent = figures.Sent(connection, provider, first, last + within)
        self._spans = []
        for index, at in enumerate(ats):
            if index and ats[index - 1] == at:
                continue
            end = at + within
            span = _Span(at, end, bisect_right(ats, end) - index, sent.between(at, end))
            if is_storm(span.unknown, span.sent, terms.count, terms.percent):
                self._spans.append(span)

    @property
    def is_stormy(self) -> bool:
        """Whether any of these times is in a storm that is on its way."""
        return bool(self._spans)

    def takes(self, at: int) -> bool:
        """Whether a bounce of this instant is part of a storm, or came soon after an open one."""
        return self._storms_at(at) or (
            self._open is not None and at <= self._open.last_at + self._within
        )

    def hold(self, rows: Sequence[Row[Any]], now: float) -> list[Event]:
        """Hold bounces that it takes in the provider's open storm; it begins if there is none."""
        height = max(self._spans, key=lambda span: span.unknown, default=None)
        times = [row.at for row in rows if self._storms_at(row.at)]
        events = []
        if self._open is not None:
            number = int(self._open.id)
            changed = {"last_at": max(self._open.last_at, *times, 0)}
            if height is not None and height.unknown > self._open.unknown:
                changed |= {"unknown": height.unknown, "sent": height.sent}
            same = update(storms).where(_storm.id == number)
            self._connection.execute(same.values(**changed))
        else:
            assert height is not None  # noqa: S101 - it takes none otherwise
            begun = {"since": min(times), "last_at": max(times)}
            figured = {"unknown": height.unknown, "sent": height.sent}
            made = insert(storms).values(provider=self._provider, **begun, **figured)
            key = self._connection.execute(made).inserted_primary_key
            assert key is not None  # noqa: S101 - a single-row insert always has one
            number = int(key[0])
            events.append(storm_event("storm.begun", self._provider, number, now))
        which = _row.id.in_([row.id for row in rows])
        held = {"state": BounceState.HELD.value, "storm": number}
        self._connection.execute(update(bounces).where(which).values(held))
        return events + [event_of("bounce.held", row, now, storm=number) for row in rows]

    def _storms_at(self, at: int) -> bool:
        return any(span.start <= at <= span.end for span in self._spans)


def storm_event(kind: str, provider: str, number: int, now: float) -> Event:
    """An event about a storm."""
    return Event(kind, now, detail={"storm": number, "provider": provider})

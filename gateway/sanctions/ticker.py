"""Moves cases whose time has come: reminders, clocks that run out, probations, ends.

A job of the web process. Every second it asks which cases are due and lets time pass for each, in a
transaction of its own, so that one that cannot be moved holds up no other: that is an event
`case.stuck`, and it is tried again an hour later. A store that is away fails the job, which comes
again; nothing is lost, because what is due stays due.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from gateway.errors import StoreUnavailable
from gateway.events import Emit, Event
from gateway.jobs import Job
from gateway.records.blocks import case_id
from gateway.records.case_change import change
from gateway.records.case_rules import Rules
from gateway.records.case_store import due_cases
from gateway.records.database import Database
from policies.ports import Clock
from policies.sanctions.case import Ticked
from policies.sanctions.engine import GATEWAY

PAUSE = 1.0
AT_ONCE = 100
"""Cases that one round takes."""
REST = 3600.0
"""Seconds for which a case that could not be moved is left alone."""


class Ticker:
    """One per gateway; `rules` gives those in force."""

    def __init__(
        self, database: Database, rules: Callable[[], Rules], emit: Emit, clock: Clock
    ) -> None:
        self._database = database
        self._rules = rules
        self._emit = emit
        self._clock = clock
        self._resting: dict[int, float] = {}

    def job(self) -> Job:
        """As a job of the web process."""
        return Job("cases moved on", PAUSE, self.run)

    async def run(self) -> int:
        """Move whatever is due; how many cases that were. Raises StoreUnavailable."""
        now = self._clock()
        self._resting = {number: until for number, until in self._resting.items() if until > now}
        moved = 0
        for number in await asyncio.to_thread(self._due, now):
            try:
                events = await self._move(number, now)
            except StoreUnavailable:
                raise
            except Exception as fault:  # whatever is wrong with it, the others go on
                self._resting[number] = now + REST
                detail: dict[str, object] = {"case": case_id(number), "error": repr(fault)}
                self._emit(Event("case.stuck", now, detail=detail))
                continue
            moved += 1
            for event in events:
                self._emit(event)
        return moved

    async def _move(self, number: int, now: float) -> tuple[Event, ...]:
        rules = self._rules()
        moved = await self._database.write(
            lambda connection: change(connection, number, Ticked(), GATEWAY, now, rules)
        )
        return moved.events

    def _due(self, now: float) -> list[int]:
        with self._database.reading() as connection:
            found = due_cases(connection, now, AT_ONCE + len(self._resting))
        return [number for number in found if number not in self._resting][:AT_ONCE]

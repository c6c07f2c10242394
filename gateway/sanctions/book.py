"""`gateway.enforcement.FactBook` over the database, under the rules in force when it is asked."""

from __future__ import annotations

from collections.abc import Callable, Collection

from gateway.records.case_rules import Rules
from gateway.records.cases import FactTaken, take_fact
from gateway.records.database import Database
from policies.ports import Clock
from policies.sanctions.case import Counts, Fact


class CaseBook:
    """Takes facts, one transaction each; raises StoreUnavailable."""

    def __init__(self, database: Database, rules: Callable[[], Rules], clock: Clock) -> None:
        self._database = database
        self._rules = rules
        self._clock = clock

    async def take(self, fact: Fact, counts: Counts, entries: Collection[int]) -> FactTaken:
        """Store the fact with all that follows, in force when this returns."""
        rules, now = self._rules(), self._clock()
        return await self._database.write(
            lambda connection: take_fact(connection, fact, counts, rules, now, entries=entries)
        )

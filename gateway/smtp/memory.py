"""One budget of memory for all messages in flight.

A message that finds no room waits briefly for others to leave and is then told 452 [MEMORY]; no
process dies of too many big messages. Octets only; the budget knows nothing of messages.
"""

from __future__ import annotations

import asyncio

PATIENCE = 2.0
"""Seconds a message waits for room."""
STEP = 262_144
"""Octets reserved at a time for a message whose size was not announced."""


class Share:
    """One message's part of the budget."""

    __slots__ = ("_budget", "_octets")

    def __init__(self, budget: MemoryBudget, octets: int) -> None:
        self._budget = budget
        self._octets = octets

    async def holds(self, octets: int) -> bool:
        """Make room for `octets` in all; False when there is none."""
        if octets <= self._octets:
            return True
        more = max(STEP, octets - self._octets)
        if not await self._budget.reserve(more):
            return False
        self._octets += more
        return True

    def release(self) -> None:
        """Give everything back."""
        self._budget.give(self._octets)
        self._octets = 0


class MemoryBudget:
    """`total` octets to share. `is_tight` once less than a quarter is left."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.used = 0
        self._waiters: list[asyncio.Future[None]] = []

    @property
    def is_tight(self) -> bool:
        """True when slow senders should be hurried."""
        return self.used > self.total * 3 // 4

    async def share(self, octets: int | None) -> Share | None:
        """Room for a message of `octets` (None: not announced), or None when there is none."""
        first = octets or STEP
        return Share(self, first) if await self.reserve(first) else None

    async def reserve(self, octets: int) -> bool:
        """Reserve `octets`, waiting at most `PATIENCE` seconds; False when there is no room."""
        if self.used + octets <= self.total and not self._waiters:
            self.used += octets
            return True
        if octets > self.total:
            return False
        loop = asyncio.get_running_loop()
        give_up = loop.time() + PATIENCE
        while True:
            left = give_up - loop.time()
            if left <= 0:
                return False
            waiter = loop.create_future()
            self._waiters.append(waiter)
            try:
                async with asyncio.timeout(left):
                    await waiter
            except TimeoutError:
                pass
            finally:
                self._waiters.remove(waiter)
            if self.used + octets <= self.total:
                self.used += octets
                return True

    def give(self, octets: int) -> None:
        """Return `octets`; those who wait look again."""
        self.used -= octets
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)

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

    async def take(self, octets: int) -> bool:
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

"""Who of this process waits for one tenant's batch, first come first served.

The line itself is in Redis, over all workers; here only the first one asks there, the others wait
for their turn to. Knows nothing of Redis.
"""

from __future__ import annotations

import asyncio
from collections import deque


class Place:
    """One who waits."""

    __slots__ = ("_awake",)

    def __init__(self) -> None:
        self._awake = asyncio.Event()

    def wake(self) -> None:
        """Have `rest` end now."""
        self._awake.set()

    async def rest(self, seconds: float) -> None:
        """Wait so long, or until woken."""
        try:
            async with asyncio.timeout(seconds):
                await self._awake.wait()
        except TimeoutError:
            pass
        self._awake.clear()


class LocalLine:
    """The places of one tenant, in order."""

    __slots__ = ("_places",)

    def __init__(self) -> None:
        self._places: deque[Place] = deque()

    def __len__(self) -> int:
        return len(self._places)

    def join(self) -> Place:
        """A place behind all others."""
        place = Place()
        self._places.append(place)
        return place

    def is_first(self, place: Place) -> bool:
        """True when it is this one's turn to ask."""
        return self._places[0] is place

    def leave(self, place: Place) -> None:
        """Give the place up; who is first then asks at once."""
        was_first = self.is_first(place)
        self._places.remove(place)
        if was_first:
            self.wake()

    def wake(self) -> None:
        """A batch may have come free: let the first one ask at once."""
        if self._places:
            self._places[0].wake()

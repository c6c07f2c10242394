"""Wakes whoever waits for a server to be there, or to be another than it was.

    seen = news.count
    ...                         # work by what is known now
    await news.after(seen, 1.0) # back at once when something has happened since `seen`

What happens during the work is not missed: it is counted. Used from one event loop.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress


class News:
    """Counts what has happened."""

    def __init__(self) -> None:
        self.count = 0
        self._next = asyncio.Event()

    def tell(self) -> None:
        """It has happened once more."""
        self.count += 1
        waited_for, self._next = self._next, asyncio.Event()
        waited_for.set()

    async def after(self, count: int, seconds: float) -> None:
        """Back when more than `count` have happened, or after so many seconds."""
        if self.count == count:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._next.wait()

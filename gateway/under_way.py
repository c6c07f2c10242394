"""Work that is due and takes its time, such as mail: so many pieces at once, a task for each.

`UnderWay` is asked for a round again and again by a job. What a piece raises ends the round with
it; the others go on. One slow next hop keeps no more waiting than there are places.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

FAREWELL = 10.0
"""Seconds that pieces under way are given when the process ends."""

T = TypeVar("T")


class UnderWay(Generic[T]):
    """`due` gives the next pieces, as many as it is told; `attend` does one; `name` tells them
    apart. A round waits `pause` seconds at most for what it has begun."""

    def __init__(
        self,
        at_once: int,
        due: Callable[[int], Sequence[T]],
        name: Callable[[T], int],
        attend: Callable[[T], Awaitable[None]],
        pause: float,
    ) -> None:
        self._at_once = at_once
        self._due = due
        self._name = name
        self._attend = attend
        self._pause = pause
        self._tasks: dict[int, asyncio.Task[None]] = {}

    async def round(self) -> int:
        """Begin what is due; how many pieces came to an end."""
        ended = 0
        is_more = True
        while is_more:
            waiting = self._due(2 * self._at_once)
            for piece in waiting:
                if len(self._tasks) < self._at_once and self._name(piece) not in self._tasks:
                    self._tasks[self._name(piece)] = asyncio.ensure_future(self._attend(piece))
            if not self._tasks:
                break
            done, _ = await asyncio.wait(self._tasks.values(), timeout=self._pause)
            self._tasks = {n: task for n, task in self._tasks.items() if task not in done}
            errors = [error for task in done if (error := task.exception()) is not None]
            if errors:
                raise errors[0]
            ended += len(done)
            is_more = bool(done) and len(waiting) > self._at_once
        return ended

    async def close(self) -> None:
        """Let what is under way end, for a while."""
        if self._tasks:
            await asyncio.wait(self._tasks.values(), timeout=FAREWELL)
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

"""Background work that must not die unnoticed: what raises is recorded and started again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from gateway.events import Emit, Event
from policies.ports import Clock

PAUSE = 1.0
"""Seconds between a failure and the next try."""


async def keep_running(
    name: str, work: Callable[[], Awaitable[None]], emit: Emit, clock: Clock
) -> None:
    """Run `work` to its end; each exception becomes a `task.failed` event and another try."""
    while True:
        try:
            await work()
            return
        except Exception as fault:  # whatever it is, windows and ledger must go on being saved
            detail: dict[str, object] = {"task": name, "error": repr(fault)}
            emit(Event("task.failed", clock(), detail=detail))
        await asyncio.sleep(PAUSE)

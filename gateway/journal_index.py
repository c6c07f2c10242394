"""The job that keeps the journal's index in step, in the web process.

`index_job` gives a `Job` that reads on every second, slice by slice in a thread, and rests after
each as long as it took, so that pages never wait for more than half of the time. A long way
behind (a first start, an erasure) it says when it has caught up. Raises StoreUnavailable.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic

from gateway.jobs import Job
from gateway.records.event_index import EventIndex

PAUSE = 1.0
WORTH_TELLING = 16 * 2**20
"""Octets read in one go that are an event of their own; less is everyday and says nothing."""


def index_job(index: EventIndex, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> Job:
    """The job over `index`."""

    async def catch_up() -> int:
        total = 0
        while True:
            began = monotonic()
            read = await asyncio.to_thread(index.advance)
            if not read:
                return total if total >= WORTH_TELLING else 0
            total += read
            await sleep(monotonic() - began)

    return Job("journal indexed", PAUSE, catch_up)

"""The job that keeps the journal's index in step, in the web process.

`index_job` gives a `Job` that reads on every second, slice by slice in a thread, and rests after
each as long as it took, so that pages never wait for more than half of the time. A long way
behind (a first start, an erasure) it says when it has caught up. Raises StoreUnavailable, and then
tries again a minute later, so that a full disk does not fill the journal with its complaints.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic

from gateway.errors import StoreUnavailable
from gateway.jobs import Job
from gateway.records.event_index import EventIndex

PAUSE = 1.0
REST_AFTER_FAILURE = 60.0
WORTH_TELLING = 16 * 2**20
"""Octets read in one go that are an event of their own; less is everyday and says nothing."""


def index_job(index: EventIndex, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> Job:
    """The job over `index`."""

    rests_until = 0.0

    async def catch_up() -> int:
        nonlocal rests_until
        total = 0
        while (began := monotonic()) >= rests_until:
            try:
                read = await asyncio.to_thread(index.advance)
            except StoreUnavailable:
                rests_until = began + REST_AFTER_FAILURE
                raise
            if not read:
                return total if total >= WORTH_TELLING else 0
            total += read
            await sleep(monotonic() - began)
        return 0

    return Job("journal indexed", PAUSE, catch_up)

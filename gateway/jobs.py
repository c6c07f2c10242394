"""Jobs that run now and then, apart from the SMTP loop; `gateway.jobs_host` has them all.

A `Job` is a name, a pause and an async function that says how much it did. `run_jobs` runs each
after its pause, for ever; what was done is an event `job.done`, a store that could not serve (like
any fault in a job) is `job.failed`, told once until it changes, and the job comes again after the
next pause. The ledger and the journal clear up after themselves where they are written.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.errors import StoreUnavailable
from gateway.events import Emit, Event
from gateway.records.chains import HEAD_EVENT, heads
from gateway.records.database import Database
from gateway.records.upkeep import shrink_log
from policies.ports import Clock

LOG_OCTETS = 64 * 2**20
"""What the write-ahead log may keep after a busy time."""


@dataclass(frozen=True, slots=True)
class Job:
    """Runs every `pause` seconds; `run` gives how much was done (rows, octets), 0 for nothing."""

    name: str
    pause: float
    run: Callable[[], Awaitable[int]]


def log_job(database: Path) -> Job:
    """Keeps the write-ahead log of a SQLite file short."""

    async def shrink() -> int:
        return await asyncio.to_thread(shrink_log, database, LOG_OCTETS)

    return Job("database log shortened", 600.0, shrink)


def head_job(database: Database, emit: Emit, clock: Clock) -> Job:
    """Notes in the journal where every hash chain ends: a chain cut off later lacks its head."""

    def read() -> dict[str, object]:
        with database.reading() as connection:
            return dict(heads(connection))

    async def note() -> int:
        emit(Event(HEAD_EVENT, clock(), detail=await asyncio.to_thread(read)))
        return 0

    return Job("heads of the hash chains noted", 3600.0, note)


async def run_jobs(
    jobs: Sequence[Job],
    emit: Emit,
    clock: Clock,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Run all of them, each at its own pace, until cancelled."""

    async def repeat(job: Job) -> None:
        trouble = ""
        while True:
            await sleep(job.pause)
            detail: dict[str, object] = {"job": job.name}
            try:
                done = await job.run()
            except Exception as error:  # whatever it is, the other jobs go on
                what = str(error) if isinstance(error, StoreUnavailable) else repr(error)
                if what != trouble:
                    emit(Event("job.failed", clock(), detail=detail | {"error": what}))
                trouble = what
                continue
            trouble = ""
            if done:
                emit(Event("job.done", clock(), detail=detail | {"amount": done}))

    await asyncio.gather(*(repeat(job) for job in jobs))

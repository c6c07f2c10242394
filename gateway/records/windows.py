"""The checkpoint of what fast state must not forget: window buckets and current mailings.

Saved amounts are absolute, so saving one twice is harmless. Raises StoreUnavailable.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, delete, insert, select

from gateway.records.database import Database
from gateway.records.tables import mailings, windows
from gateway.state.mailings import LONGEST, Mailing
from gateway.state.table import Bucket
from policies.ports import Clock

PURGE_EVERY = 3600.0
"""Seconds between removals of what counts no more."""


class WindowRecords:
    """Buckets and mailings of the one SMTP process, or of all that share a Redis."""

    def __init__(self, database: Database, clock: Clock = time.time) -> None:
        self._database = database
        self._clock = clock
        self._purged_at = 0.0

    async def load(self) -> tuple[list[Bucket], list[Mailing]]:
        """Everything saved; those whose time is over are the caller's to drop."""
        # Read in a thread: leases are renewed meanwhile, and a thousand tenants have much saved.
        return await asyncio.to_thread(self._load)

    def _load(self) -> tuple[list[Bucket], list[Mailing]]:
        with self._database.reading() as connection:
            return (
                [
                    Bucket(row.key, row.seconds, row.start, row.amount)
                    for row in connection.execute(select(windows))
                ],
                [
                    Mailing(row.stream, row.id, row.started_at, row.last_at)
                    for row in connection.execute(select(mailings))
                ],
            )

    async def save(self, buckets: Sequence[Bucket], current: Sequence[Mailing]) -> None:
        """Replace the buckets and mailings of the same name, in one commit."""
        now = self._clock()

        def work(connection: Connection) -> None:
            if buckets:
                _replace_buckets(connection, buckets)
            if current:
                _replace_mailings(connection, current)
            if now - self._purged_at >= PURGE_EVERY:
                # A bucket is never wider than its window, so it is over by twice the length.
                connection.execute(
                    delete(windows).where(windows.c.start + 2 * windows.c.seconds < now)
                )
                connection.execute(delete(mailings).where(mailings.c.started_at < now - LONGEST))
                self._purged_at = now

        await self._database.write(work)


def _replace_buckets(connection: Connection, buckets: Sequence[Bucket]) -> None:
    connection.execute(
        delete(windows).where(
            windows.c.key == bindparam("k"),
            windows.c.seconds == bindparam("s"),
            windows.c.start == bindparam("b"),
        ),
        [{"k": bucket.key, "s": bucket.seconds, "b": bucket.start} for bucket in buckets],
    )
    connection.execute(
        insert(windows),
        [
            {
                "key": bucket.key,
                "seconds": bucket.seconds,
                "start": bucket.start,
                "amount": bucket.amount,
            }
            for bucket in buckets
        ],
    )


def _replace_mailings(connection: Connection, current: Sequence[Mailing]) -> None:
    connection.execute(
        delete(mailings).where(mailings.c.stream == bindparam("s")),
        [{"s": mailing.stream} for mailing in current],
    )
    connection.execute(
        insert(mailings),
        [
            {
                "stream": mailing.stream,
                "id": mailing.id,
                "started_at": int(mailing.started_at),
                "last_at": int(mailing.last_at),
            }
            for mailing in current
        ],
    )

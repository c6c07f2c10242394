"""The look-up at RCPT over PostgreSQL: one query for all groups that wait.

`policies.ports.Standings`, as of the last commit of any node. Groups that are asked about in one
turn of the event loop, or while a query is on its way, share the next one; every row carries its
key, and each group takes the rows of its own keys only, so that no answer can reach another's
question. Raises StoreUnavailable when PostgreSQL cannot answer in time, and when the index is not
known to be complete.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Sequence

from gateway.errors import StoreUnavailable
from gateway.records.look_up import Asking, Row
from gateway.records.postgres_reader import PostgresReader
from gateway.words import Address
from policies.ports import Clock
from policies.terms import StreamTerms
from suppression.keys import Keyring
from suppression.standing import Standing

_ROWS = "SELECT key, scope, code, entry, ends FROM standing_index WHERE key = ANY(%b)"
_NUMBER = "SELECT number FROM streams WHERE tenant = %s AND name = ''"
_Found = dict[bytes, list[Row]]


class PostgresStandings:
    """Used on one event loop."""

    def __init__(
        self,
        reader: PostgresReader,
        keyring: Keyring,
        clock: Clock = time.time,
        observe: Callable[[float], None] = lambda _seconds: None,
    ) -> None:
        self._reader = reader
        self._asking = Asking(keyring, clock)
        self._observe = observe
        self._tenants: dict[str, int] = {}
        self._waiting: list[tuple[list[bytes], asyncio.Future[_Found]]] = []
        self._task: asyncio.Task[None] | None = None

    def adopt(self, keyring: Keyring) -> None:
        """Look up under this keyring from now on; it knows all generations of the last one."""
        self._asking.keyring = keyring

    async def look_up(self, stream: StreamTerms, group: Sequence[Address]) -> Sequence[Standing]:
        """One `Standing` for each address. Tells `observe` the seconds taken."""
        started = time.perf_counter()
        tenant = await self.number(stream.tenant)
        standings = None
        while standings is None:
            question = self._asking.question(stream, tenant, group)
            standings = self._asking.answer(question, await self._fetch(question.wanted))
        self._observe(time.perf_counter() - started)
        return standings

    async def number(self, tenant: str) -> int:
        """The tenant's scope; a tenant without a number has no entries, and -1 matches none."""
        known = self._tenants.get(tenant)
        if known is not None:
            return known
        rows = await self._reader.ask(_NUMBER, (tenant,))
        if not rows:
            return -1
        self._tenants[tenant] = int(rows[0][0])
        return int(rows[0][0])

    def is_ready(self) -> bool:
        """Whether the last question was answered."""
        return self._reader.is_connected

    def close(self) -> None:
        """Nothing of its own is open; the reader is closed by who made it."""

    async def _fetch(self, keys: list[bytes]) -> _Found:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[_Found] = loop.create_future()
        self._waiting.append((keys, future))
        if self._task is None:
            self._task = loop.create_task(self._serve(), name="standings")
        return await future

    async def _serve(self) -> None:
        try:
            while self._waiting:
                waiting, self._waiting = self._waiting, []
                wanted = list({key for keys, _ in waiting for key in keys})
                found: defaultdict[bytes, list[Row]] = defaultdict(list)
                problem: StoreUnavailable | None = None
                try:
                    for row in await self._reader.ask(_ROWS, (wanted,)):
                        found[row[0]].append((row[0], row[1], row[2], row[3], row[4]))
                except StoreUnavailable as error:
                    problem = error
                for keys, future in waiting:
                    if future.done():
                        continue  # its session has left
                    if problem is not None:
                        future.set_exception(StoreUnavailable(str(problem)))
                    else:
                        future.set_result({key: found[key] for key in keys if key in found})
        finally:
            self._task = None

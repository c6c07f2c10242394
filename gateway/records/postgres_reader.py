"""One connection to PostgreSQL that an event loop asks many small questions over.

    reader = PostgresReader(settings, identity)
    rows = await reader.ask("SELECT ...", (parameter, ...))

Questions are asked one after the other, by a task of the reader's own: a caller that is cancelled
or has waited too long misses its answer and disturbs nothing, and an answer only ever goes to the
future of its own question. A connection that is late or broken is closed and never used again; for
half a second after a failure everything fails at once. Raises StoreUnavailable, whatever is wrong.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import psycopg

from gateway.config.records import PostgresSettings
from gateway.errors import StoreUnavailable
from gateway.records.postgresql import parameters

PATIENCE = 2.0
"""Seconds for one answer, and for who waits for one."""
PAUSE = 0.5
"""Seconds without a try after a failure."""
_IDENTITY = "SELECT value FROM meta WHERE name = 'database:id'"
_Row = tuple[Any, ...]


class PostgresReader:
    """Used on one event loop. `identity` is what the database calls itself in `meta`."""

    def __init__(self, settings: PostgresSettings, identity: str) -> None:
        self._settings = settings
        self._identity = identity
        self._connection: psycopg.AsyncConnection[_Row] | None = None
        self._queue: deque[tuple[str, Sequence[object], asyncio.Future[list[_Row]]]] = deque()
        self._task: asyncio.Task[None] | None = None
        self._again_at = 0.0
        self._trouble = ""

    @property
    def is_connected(self) -> bool:
        """Whether the last question was answered."""
        return self._connection is not None

    async def ask(self, query: str, values: Sequence[object] = ()) -> list[_Row]:
        """The rows of one statement."""
        loop = asyncio.get_running_loop()
        if self._connection is None and loop.time() < self._again_at:
            raise StoreUnavailable(self._trouble)
        future: asyncio.Future[list[_Row]] = loop.create_future()
        self._queue.append((query, values, future))
        if self._task is None:
            self._task = loop.create_task(self._serve(), name="records reader")
        try:
            async with asyncio.timeout(PATIENCE):
                return await future
        except TimeoutError:
            raise StoreUnavailable("records: no answer in time") from None

    async def close(self) -> None:
        """End the connection; whoever waits gets StoreUnavailable."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._fail("records: closed")
        await self._disconnect()

    async def _serve(self) -> None:
        try:
            while self._queue:
                query, values, future = self._queue.popleft()
                if future.done():
                    continue  # its caller has left
                try:
                    rows = await self._execute(query, values)
                except (psycopg.Error, OSError, TimeoutError, StoreUnavailable) as error:
                    await self._disconnect()
                    self._queue.appendleft((query, values, future))
                    self._fail(f"records: {error}")
                else:
                    if not future.done():
                        future.set_result(rows)
        finally:
            self._task = None

    async def _execute(self, query: str, values: Sequence[object]) -> list[_Row]:
        if self._connection is None:
            self._connection = await self._connect()
        connection = self._connection
        # Cancelling would wait for the server, which may be stopped: its socket is shut instead.
        timer = asyncio.get_running_loop().call_later(PATIENCE, _cut, connection)
        try:
            cursor = await connection.execute(query.encode(), values, prepare=True, binary=True)
            return await cursor.fetchall()
        finally:
            timer.cancel()

    async def _connect(self) -> psycopg.AsyncConnection[_Row]:
        given = parameters(self._settings)
        async with asyncio.timeout(2 * PATIENCE):
            connection = await psycopg.AsyncConnection.connect(autocommit=True, **given)
        timer = asyncio.get_running_loop().call_later(PATIENCE, _cut, connection)
        try:
            row = await (await connection.execute(_IDENTITY)).fetchone()
            if row is None or row[0] != self._identity:
                raise StoreUnavailable("not the database that the records were in")
        except BaseException:
            await connection.close()
            raise
        finally:
            timer.cancel()
        return connection

    async def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(psycopg.Error, OSError):
                await connection.close()

    def _fail(self, trouble: str) -> None:
        """Tell all that wait, and those who ask in the next moment."""
        self._trouble = trouble
        self._again_at = asyncio.get_running_loop().time() + PAUSE
        queue, self._queue = self._queue, deque()
        for _, _, future in queue:
            if not future.done():
                future.set_exception(StoreUnavailable(trouble))


def _cut(connection: psycopg.AsyncConnection[_Row]) -> None:
    """Have whoever waits on this connection meet its end."""
    with suppress(psycopg.Error, OSError), socket.socket(fileno=os.dup(connection.fileno())) as end:
        end.shutdown(socket.SHUT_RDWR)

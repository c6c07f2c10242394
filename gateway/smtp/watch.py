"""Keeps time for all customer connections: one sweep a second instead of a timer per wait.

Also counts them, in all and per client address, refuses what is too many, and drains them at
shutdown (docs: operations). Takes the limits as plain numbers; decides nothing about mail.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

from gateway import replies
from gateway.smtp.connection import Connection, Overdue, Waiting
from gateway.smtp.engine import State

SWEEP = 1.0
"""Seconds between two sweeps; the precision of every session time limit."""


class Watch:
    """Every open connection. `is_pressed` says whether slow senders must hurry."""

    def __init__(self, is_pressed: Callable[[], bool]) -> None:
        self._connections: set[Connection] = set()
        self._per_client: dict[str, int] = {}
        self._is_pressed = is_pressed
        self._timer: asyncio.TimerHandle | None = None
        self._cut_at = 0.0
        self.max_connections = 2000
        self.max_per_client = 50
        self.is_draining = False

    def __len__(self) -> int:
        return len(self._connections)

    def __iter__(self) -> Iterator[Connection]:
        return iter(self._connections)

    def add(self, connection: Connection) -> None:
        """A connection is open; it counts until `remove`. Safe to call twice."""
        if connection in self._connections:
            return
        self._connections.add(connection)
        self._per_client[connection.client] = self._per_client.get(connection.client, 0) + 1

    def remove(self, connection: Connection) -> None:
        """A connection is closed. Safe to call twice."""
        if connection not in self._connections:
            return
        self._connections.discard(connection)
        left = self._per_client[connection.client] - 1
        if left:
            self._per_client[connection.client] = left
        else:
            del self._per_client[connection.client]

    def is_full_for(self, client: str) -> bool:
        """True when the connection just added for `client` is one too many."""
        return (
            len(self._connections) > self.max_connections
            or self._per_client.get(client, 0) > self.max_per_client
        )

    def is_flooded_by(self, client: str) -> bool:
        """True when so many are open that one more cannot even be told so inside TLS."""
        return (
            len(self._connections) > 2 * self.max_connections
            or self._per_client.get(client, 0) > 2 * self.max_per_client
        )

    def start(self) -> None:
        """Begin sweeping."""
        self._timer = asyncio.get_running_loop().call_later(SWEEP, self._sweep)

    def stop(self) -> None:
        """End sweeping."""
        if self._timer is not None:
            self._timer.cancel()

    def drain(self, grace: float) -> None:
        """Send idle sessions away now, transactions before their dot after `grace` seconds."""
        self.is_draining = True
        self._cut_at = asyncio.get_running_loop().time() + grace
        for connection in list(self._connections):
            if connection.waiting is Waiting.COMMAND and connection.engine.state in (
                State.NEW,
                State.READY,
                State.AUTH,
            ):
                connection.expire(replies.SHUTDOWN)

    def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(SWEEP, self._sweep)
        now = loop.time()
        pressed = self._is_pressed() or len(self._connections) > 0.8 * self.max_connections
        for connection in list(self._connections):
            overdue = connection.check(now, pressed)
            if overdue is not None:
                self._end(connection, overdue)
            elif self.is_draining and now > self._cut_at:
                connection.expire(replies.SHUTDOWN)

    def _end(self, connection: Connection, overdue: Overdue) -> None:
        match overdue:
            case Overdue.SILENCE:
                connection.expire(replies.TIMEOUT)
            case Overdue.BATCH:
                connection.expire(replies.BATCH_IDLE.fill(seconds=f"{connection.batch_idle:g}"))
            case Overdue.ANSWER:
                connection.answer_by = 0.0
                if connection.on_answer_due is not None:
                    connection.on_answer_due()
            case Overdue.READER:
                connection.abort()

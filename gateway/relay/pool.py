"""The connections held to one next hop: lent to one transaction at a time, kept, retired.

`decide` is the whole policy of lending, a pure function over counts; `Pool` carries it out. Who
finds all connections lent waits in line, and for those in line a connection is taken back from a
transaction that only waits for its customer (docs/decisions/relay-taking-back.md). One coarse timer
sweeps the deadlines of all connections, busy and idle, so that no exchange needs a timer of its
own. Health and the choice among next hops are in `hops`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from enum import Enum, auto
from time import monotonic

from gateway.relay.connection import Connection, End, Unusable
from gateway.relay.engine import Offers, Place
from gateway.relay.outcome import HopReply, Trouble
from gateway.relay.settings import NextHopSettings, tls_context

SWEEP_SECONDS = 1.0
LINE_SECONDS = 30.0
"""How long to wait in line: less than customers' software waits for a reply to RCPT."""
REST_SECONDS = 1.0
"""A lent connection that rested for so long may be taken back; quick customers are never robbed."""


class Step(Enum):
    """What to do for one who asks for a connection."""

    REUSE = auto()
    """Take the connection that was idle for the shortest time."""
    OPEN = auto()
    REPLACE = auto()
    """Retire the connection that was idle longest, and open one in its place."""
    WAIT = auto()


def decide(held: int, idle: int, limit: int, in_line: int, fresh: bool) -> Step:
    """The next step, given connections `held` in all, those of them `idle`, and who waits before.

    `fresh` asks for a connection that no earlier transaction used.
    """
    if in_line:
        return Step.WAIT
    if idle and not fresh:
        return Step.REUSE
    if held < limit:
        return Step.OPEN
    return Step.REPLACE if idle else Step.WAIT


class Busy(Unusable):
    """All connections stayed lent for too long; says nothing about the next hop's health."""


class Pool:
    """At most `settings.max_connections` to one next hop. `offers` are those last announced.

    A pool is closed by `close`: idle connections leave at once, lent ones when given back.
    """

    def __init__(self, settings: NextHopSettings) -> None:
        """Raises ConfigurationError when the TLS settings cannot be used."""
        self.settings = settings
        self.offers: Offers | None = None
        self._context = tls_context(settings)
        self._held: set[Connection] = set()
        self._opening: set[Connection] = set()
        self._leaving: set[Connection] = set()
        self._idle: list[Connection] = []
        self._line: deque[tuple[asyncio.Future[Connection | None], bool]] = deque()
        self._promised = 0
        self._resetting = 0
        self._resting: dict[Connection, tuple[float, Callable[[], None]]] = {}
        self._is_closed = False
        self._timer: asyncio.TimerHandle | None = None
        times = settings.timeouts
        self._interval = min(
            SWEEP_SECONDS, *(t / 4 for t in (times.greeting, times.command, times.data, times.dot))
        )

    def __repr__(self) -> str:
        return f"<Pool {self.settings.name} {self.held} held, {len(self._idle)} idle>"

    @property
    def held(self) -> int:
        """Connections open or opening, without those that have said QUIT."""
        return len(self._held) + self._promised

    @property
    def idle(self) -> int:
        """Connections nobody uses now."""
        return len(self._idle)

    @property
    def waiting(self) -> int:
        """Transactions that wait in line."""
        return len(self._line)

    def take(self) -> Connection | None:
        """An idle connection at once, or None: the way of nearly every message."""
        if self._idle and not self._line:
            connection = self._idle.pop()
            connection.deadline = float("inf")
            return connection
        return None

    async def acquire(self, fresh: bool = False) -> Connection:
        """A connection of this hop's; raises `Unusable` when none can be had.

        Waiting in line ends with `Busy` after `LINE_SECONDS`.
        """
        until = monotonic() + LINE_SECONDS
        step = decide(
            self.held, len(self._idle), self.settings.max_connections, len(self._line), fresh
        )
        match step:
            case Step.REUSE:
                connection = self._idle.pop()
                connection.deadline = float("inf")
                return connection
            case Step.REPLACE:
                self._retire(self._idle.pop(0))
            case Step.WAIT:
                if (lent := await self._wait_in_line(fresh, until)) is not None:
                    return lent
                self._promised -= 1
            case Step.OPEN:
                pass
        while True:
            try:
                return await self._open()
            except Unusable as error:
                # A next hop with a lower limit of its own answers 421 to one connection too many.
                if error.trouble is not Trouble.AWAY or not self._held or fresh:
                    raise
            # What was given back in the meantime lies idle: nobody would come to end the wait.
            lent = self.take() or await self._wait_in_line(fresh, until)
            if lent is not None:
                return lent
            self._promised -= 1

    def rest(self, connection: Connection, give_back: Callable[[], None]) -> None:
        """A lent connection waits for the customer; `give_back` may be called until `wake`."""
        self._resting[connection] = (monotonic(), give_back)

    def wake(self, connection: Connection) -> None:
        """Its transaction goes on with it."""
        self._resting.pop(connection, None)

    def release(self, connection: Connection) -> None:
        """Give a connection back, whatever state it is in; it is reset or retired as needed."""
        self._resting.pop(connection, None)
        if connection.ending is not None:
            return
        if connection.is_spent or self._is_closed:
            self._retire(connection)
        elif connection.is_dirty:
            connection.resets += 1
            self._resetting += 1
            connection.submit(
                (b"RSET\r\n", Place.RSET),
                self.settings.timeouts.command,
                lambda replies: self._was_reset(connection, replies),
            )
        else:
            self._keep(connection)

    def close(self) -> None:
        """Retire all that is idle now, and the rest as it comes back."""
        self._is_closed = True
        while self._idle:
            self._retire(self._idle.pop())

    def abort(self) -> None:
        """End every connection, also those in use."""
        self.close()
        for connection in [*self._held, *self._leaving]:
            connection.end(End.DROPPED, "shutdown")

    async def _open(self) -> Connection:
        connection = Connection(self.settings, self._ended)
        self._held.add(connection)
        self._opening.add(connection)
        self._arm()
        try:
            await connection.open(self._context)
        except BaseException as error:
            if not isinstance(error, Unusable):
                self._opening.discard(connection)
            connection.end(End.DROPPED, str(error))
            raise
        finally:
            self._opening.discard(connection)
        self.offers = connection.offers
        return connection

    async def _wait_in_line(self, fresh: bool, until: float) -> Connection | None:
        """A connection, or None with the promise of room for one more; `Busy` at `until`."""
        place: asyncio.Future[Connection | None] = asyncio.get_running_loop().create_future()
        entry = (place, fresh)
        self._line.append(entry)
        self._take_back()
        try:
            async with asyncio.timeout(until - monotonic()):
                return await place
        except BaseException as error:
            if entry in self._line:
                self._line.remove(entry)
            elif place.done() and not place.cancelled():  # given in the very moment of leaving
                self._give_up(place.result())
            if isinstance(error, TimeoutError):
                raise Busy(Trouble.BUSY, "all connections stayed busy") from error
            raise

    def _take_back(self) -> None:
        """For those in line, the connections that rested longest."""
        latest = monotonic() - REST_SECONDS
        while self._resting and len(self._line) > self._resetting:
            connection, (since, give_back) = next(iter(self._resting.items()))
            if since > latest:
                break
            del self._resting[connection]
            give_back()

    def _give_up(self, lent: Connection | None) -> None:
        if lent is not None:
            self.release(lent)
        else:
            self._promised -= 1
            self._make_room()

    def _keep(self, connection: Connection) -> None:
        while self._line:
            place, fresh = self._line[0]
            if fresh:
                self._retire(connection)
                return
            self._line.popleft()
            if not place.done():
                place.set_result(connection)
                return
        connection.deadline = monotonic() + self.settings.idle_seconds
        self._idle.append(connection)

    def _was_reset(self, connection: Connection, replies: list[HopReply]) -> None:
        connection.is_dirty = False
        self._resetting -= 1
        if replies and replies[0].is_positive and not self._is_closed:
            self._keep(connection)
        elif connection.ending is None:
            self._retire(connection)

    def _retire(self, connection: Connection) -> None:
        self._held.discard(connection)
        self._leaving.add(connection)
        connection.quit()
        self._make_room()

    def _ended(self, connection: Connection) -> None:
        self._leaving.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        if connection in self._held:
            self._held.discard(connection)
            # One that was not let in leaves no room, as long as there are others.
            if connection not in self._opening or not self._held:
                self._make_room()

    def _make_room(self) -> None:
        while self._line and self.held < self.settings.max_connections:
            place, _ = self._line.popleft()
            if not place.done():
                self._promised += 1
                place.set_result(None)

    def _arm(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._interval, self._sweep)

    def _sweep(self) -> None:
        self._timer = None
        now = monotonic()
        for connection in [*self._held, *self._leaving]:
            if connection.deadline > now:
                continue
            if connection in self._idle:
                self._idle.remove(connection)
                self._retire(connection)
            else:
                connection.end(End.SILENT)
        self._take_back()
        if self._held or self._leaving:
            self._arm()

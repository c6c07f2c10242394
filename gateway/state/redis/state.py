"""All fast state of one process in Redis: how it is asked, what transactions hold, rate windows.

state = RedisState.open(settings, "node-a", 1, saved, tenants)
await state.start()          # connects, makes the tenants' hashes, renews every second
state.holds                  # policies.claims.Holds
state.rates                  # policies.ports.RateWindows
state.checkpoint.run()       # in the leader of the jobs: windows to the records
await state.calls.do("GET", state.keys.blocks)
await state.close()
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress

from gateway.config.redis import RedisSettings
from gateway.errors import StoreUnavailable
from gateway.state.redis.calls import Calls
from gateway.state.redis.checkpoint import RedisCheckpoint
from gateway.state.redis.clock import ServerClock
from gateway.state.redis.healing import LEASE, Healing, Saved
from gateway.state.redis.holds import RedisHolds
from gateway.state.redis.keys import Keys
from gateway.state.redis.marks import Marks
from gateway.state.redis.rates import RedisRateWindows
from policies.ports import Clock

PAUSE = 0.1
"""Seconds before what has failed begins again."""
LISTEN_EVERY = 1.0
"""Seconds between two looks at the server's clock."""


class RedisState:
    """One process's part of the state that all share."""

    def __init__(
        self,
        settings: RedisSettings,
        owner: str,
        saved: Saved,
        tenants: Callable[[], Iterable[str]],
        on_blocks: Callable[[bytes | None], None],
        is_ended: Callable[[str], bool],
        clock: Clock | None,
        lease: float,
    ) -> None:
        server_clock = ServerClock()
        self.calls = Calls(settings)
        self.keys = Keys(settings.prefix)
        self.clock: Clock = clock or server_clock
        """What windows go by: Unix seconds."""
        self._server_clock = server_clock
        marks = Marks(self.calls, self.keys, on_blocks)
        self._healing = Healing(self.calls, self.keys, marks, saved, self.clock, lease)
        self.holds = RedisHolds(
            self.calls, self.keys, marks, self._healing, self.clock, owner, tenants, is_ended, lease
        )
        self.rates = RedisRateWindows(self.calls, self.keys, self.clock)
        self.checkpoint = RedisCheckpoint(self.calls, self.keys, marks, saved, tenants)
        self._tasks: list[asyncio.Task[None]] = []

    @classmethod
    def open(
        cls,
        settings: RedisSettings,
        node: str,
        worker: int,
        saved: Saved,
        tenants: Callable[[], Iterable[str]] = tuple,
        on_blocks: Callable[[bytes | None], None] = lambda _version: None,
        is_ended: Callable[[str], bool] = lambda _mailing: False,
        clock: Clock | None = None,
        lease: float = LEASE,
    ) -> RedisState:
        """Nothing is connected yet. Raises ConfigurationError.

        `tenants` names those whose hashes are to be ready before their first MAIL. `on_blocks` is
        told the block version (see `Keys.blocks`) that came with each MAIL. `is_ended` says of a
        mailing whether a case has ended it. Windows go by `clock` (Unix seconds); default: the
        server's, so that all nodes agree. What is not renewed for `lease` seconds is another's.
        """
        owner = f"{node}-{worker}".replace(".", "-")
        return cls(settings, owner, saved, tenants, on_blocks, is_ended, clock, lease)

    async def start(self) -> None:
        """Connect and make the tenants' hashes; a server that is away is no error, what is asked
        then is StoreUnavailable."""
        await self.calls.start()
        self._listen()
        with suppress(StoreUnavailable):
            await self.holds.look()
        work = {
            "redis renewals": self.holds.renew,
            "redis mending": self.holds.mend,
            "redis clock": self._keep_time,
        }
        self._tasks = [asyncio.create_task(_for_ever(work[name], name), name=name) for name in work]

    async def close(self) -> None:
        """Give up all connections; what transactions still hold ends with its lease."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.holds.close()
        await self._healing.close()
        await self.calls.close()

    def is_ready(self) -> bool:
        """True when every server that is needed is connected."""
        return self.calls.is_ready()

    def describe(self) -> dict[str, object]:
        """Servers and their states, for `status`."""
        return self.calls.describe()

    def _listen(self) -> None:
        for wire in self.calls.wires():
            if wire.ahead is not None:
                self._server_clock.hear(wire.ahead)

    async def _keep_time(self) -> None:
        while True:
            await asyncio.sleep(LISTEN_EVERY)
            self._listen()


async def _for_ever(work: Callable[[], Coroutine[None, None, None]], name: str) -> None:
    """Begin again whatever happens: who renews no lease has lost them all, and all to come."""
    while True:
        try:
            await work()
        except Exception as fault:  # that of one session must not be that of all
            problem = {"message": f"{name} failed and goes on", "exception": fault}
            asyncio.get_running_loop().call_exception_handler(problem)
        await asyncio.sleep(PAUSE)

"""The set of stores that a configuration asks for: chosen here alone, for all processes.

| configured | records | look-up at RCPT, blocks | fast state | ledger's claims |
|---|---|---|---|---|
| neither | SQLite | the file | memory | none needed |
| `redis` | SQLite | the file | Redis | Redis |
| `redis` and `postgresql` | PostgreSQL | index in Redis, then the records | Redis | Redis |

`gateway.records.opening` opens the records for whoever reads or writes them, `look_ups` beside it
chooses look-ups, `open_stores` gives an SMTP worker all it needs, and `gateway.shared_jobs` is what
the jobs' leader does for shared ones. What is for Redis or PostgreSQL is only imported where they
are configured. Raises ConfigurationError and StoreUnavailable.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress

from gateway.checkpoint import Checkpoint
from gateway.config.model import GatewayConfig
from gateway.errors import StoreUnavailable
from gateway.ledger.flights import Flights
from gateway.processes import Process
from gateway.records.database import Database
from gateway.records.ledger import SqliteLedgerStore
from gateway.records.look_ups import LookUps, open_look_ups
from gateway.records.windows import WindowRecords
from gateway.state.clock import steady_clock
from gateway.state.holds import MemoryHolds
from gateway.state.rates import MemoryRateWindows
from gateway.state.table import WindowTable
from policies.claims import Holds
from policies.ports import Clock, RateWindows
from suppression.keys import Keyring

Tenants = Callable[[], Iterable[str]]
"""The names of the tenants that are configured now."""
Work = tuple[str, Callable[[], Awaitable[None]]]
"""A name, and what goes on for as long as the process lives."""


class Stores:
    """What one SMTP worker works with. `start` and `close` on the loop that uses it."""

    holds: Holds
    rates: RateWindows
    look_ups: LookUps
    flights: Flights | None = None
    checkpoint: Checkpoint | None = None
    """Saves fast state that is this process's own; what is shared the jobs' leader saves."""
    work: Sequence[Work] = ()

    def __init__(self, database: Database) -> None:
        self._database = database
        self.ledger = SqliteLedgerStore(database)

    async def start(self) -> None:
        """Take up what was saved, and connect. Raises StoreUnavailable."""
        await self.look_ups.start()

    async def close(self) -> None:
        """Save what is left, and let go of everything but the records."""
        await self.look_ups.close()

    def are_there(self) -> dict[str, bool]:
        """Which stores would answer now, by the names of `gateway.node.STORES`."""
        return {"database": self.look_ups.standings.is_ready(), "state": True}

    def describe(self) -> dict[str, object]:
        """What they are and how they stand, for `consentry status`."""
        return {"records": self._database.store.name, "state": "memory"}


def open_stores(
    config: GatewayConfig,
    process: Process,
    database: Database,
    keyring: Keyring,
    steady: Clock | None,
    tenants: Tenants,
    observe: Callable[[float], None],
    answered: Callable[[int, int], None],
) -> Stores:
    """The stores of the worker `process`.

    Windows go by `steady` (Unix seconds, never jumps); when it is not given, by a clock that all
    who share them have in common. `observe` hears the seconds of each look-up, `answered` for how
    many addresses index and records have answered.
    """
    if config.redis is None:
        steady = steady or steady_clock()
        look_ups = open_look_ups(config, database, keyring, None, steady, observe, answered)
        return _OwnStores(database, look_ups, steady)
    return _SharedStores(config, process, database, keyring, steady, tenants, observe, answered)


class _OwnStores(Stores):
    """Fast state in this process's memory, saved to the records every second."""

    def __init__(self, database: Database, look_ups: LookUps, steady: Clock) -> None:
        super().__init__(database)
        table = WindowTable(steady)
        holds = MemoryHolds(table, look_ups.blocks.is_ended)
        self.holds, self.rates, self.look_ups = holds, MemoryRateWindows(table), look_ups
        self._saved = self.checkpoint = Checkpoint(holds, WindowRecords(database, steady))
        self.work = (("checkpoint", self._saved.run),)

    async def start(self) -> None:
        await self._saved.restore()
        await super().start()

    async def close(self) -> None:
        with suppress(StoreUnavailable):
            await self._saved.save()
        await super().close()


class _SharedStores(Stores):
    """Fast state in Redis; what is away when it is asked is StoreUnavailable then."""

    def __init__(
        self,
        config: GatewayConfig,
        process: Process,
        database: Database,
        keyring: Keyring,
        steady: Clock | None,
        tenants: Tenants,
        observe: Callable[[float], None],
        answered: Callable[[int, int], None],
    ) -> None:
        # Loaded where there is Redis only.
        from gateway.records.index_publisher import IndexPublisher
        from gateway.state.redis.flights import RedisFlights
        from gateway.state.redis.state import RedisState

        assert config.redis is not None  # noqa: S101 - looked at by who makes one
        super().__init__(database)
        self._state = RedisState.open(
            config.redis,
            config.node,
            process.number,
            WindowRecords(database),
            tenants,
            # By the time that anybody tells or asks, the look-ups are there.
            lambda version: self.look_ups.hear(version),
            lambda mailing: self.look_ups.blocks.is_ended(mailing),
            steady,
        )
        calls, keys = self._state.calls, self._state.keys
        self.holds, self.rates = self._state.holds, self._state.rates
        self.look_ups = open_look_ups(
            config, database, keyring, calls, observe=observe, answered=answered
        )
        if isinstance(database.publisher, IndexPublisher):
            self.look_ups.listen(database.publisher)
        start = secrets.token_hex(8)
        stored = self.ledger.load
        flights = RedisFlights(calls, keys, config.node, process.number, start, stored)
        self.flights = self._flights = flights
        self.work = (("flights", flights.run),)

    async def start(self) -> None:
        await self._state.start()
        await super().start()

    async def close(self) -> None:
        await self._flights.close()
        await super().close()
        await self._state.close()

    def are_there(self) -> dict[str, bool]:
        return {**super().are_there(), "state": self._state.is_ready()}

    def describe(self) -> dict[str, object]:
        return {**super().describe(), "state": self._state.describe()}

"""The stores that every contract test in this folder runs against.

A further one is a `Stores` made by a function of its own and its name among `STORES`; those with
several processes have folders of their own. Time passes
in windows and mailings only as `Stores.clock` is moved; waits in line take real time.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field

import pytest

from gateway.state.holds import MemoryHolds
from gateway.state.rates import MemoryRateWindows
from gateway.state.redis.state import RedisState
from gateway.state.table import WindowTable
from policies.claims import Claim, Granted, Hold, Holds
from policies.ports import RateWindows
from tests.contract.state.redis.acl import Server, restricted
from tests.contract.state.redis.conftest import Records, at_once

NOON = 1_800_000_000.0
PATIENCE = 60.0
"""Seconds after which a state that never comes fails a test."""


@dataclass
class Clock:
    """Unix seconds that pass only when told to."""

    now: float = NOON

    def __call__(self) -> float:
        return self.now


def nobody(_waiting: bool) -> None:
    """A holder that does not care who waits."""


def unlost() -> None:
    """A holder whose batch nobody takes."""


@dataclass
class Stores:
    """One implementation of the fast state, with what tests do to it all the time."""

    holds: Holds
    rates: RateWindows
    clock: Clock
    ended: set[str] = field(default_factory=set)
    """Mailings that a case has ended."""

    def open(
        self,
        tenant: str = "acme",
        stream: str = "weekly",
        on_contended: Callable[[bool], None] = nobody,
    ) -> Hold:
        """The hold of a transaction that begins now."""
        return self.holds.open(tenant, f"{tenant}/{stream}", self.clock(), on_contended, unlost)

    async def claimed(self, *claims: Claim, tenant: str = "acme") -> tuple[Hold, list[Granted]]:
        """A transaction's hold that has claimed this, and what it was granted."""
        hold = self.open(tenant)
        return hold, list(await hold.claim(claims))

    async def octets(self, tenant: str = "acme") -> int:
        """Octets of the last 24 h, those set aside included."""
        (usage,) = await self.holds.usage([tenant])
        return usage.octets

    async def until(self, tenant: str = "acme", **wanted: int) -> None:
        """Wait until so many batches are `open`, or so many are `waiting`."""
        async with asyncio.timeout(PATIENCE):
            while True:
                (usage,) = await self.holds.usage([tenant])
                if all(getattr(usage, name) == count for name, count in wanted.items()):
                    return
                await asyncio.sleep(0.001)


@asynccontextmanager
async def memory(_request: pytest.FixtureRequest) -> AsyncIterator[Stores]:
    """In this process's memory."""
    clock, ended = Clock(), set[str]()
    table = WindowTable(clock)
    holds = MemoryHolds(table, ended.__contains__)
    yield Stores(holds, MemoryRateWindows(table), clock, ended)


@asynccontextmanager
async def redis(server: Server) -> AsyncIterator[Stores]:
    """In a Redis, as one process of several sees it that have run for a while."""
    clock, ended = Clock(), set[str]()
    async with restricted(server) as settings:
        state = RedisState.open(
            settings,
            "node",
            1,
            Records(),
            tenants=lambda: ("acme", "other"),
            is_ended=ended.__contains__,
            clock=clock,
        )
        await state.start()
        await at_once(state, "acme", "other")
        try:
            yield Stores(state.holds, state.rates, clock, ended)
        finally:
            await state.close()


def over(server: str) -> Callable[[pytest.FixtureRequest], AbstractAsyncContextManager[Stores]]:
    """Over the server that this fixture gives."""
    return lambda request: redis(request.getfixturevalue(server))


STORES: dict[str, Callable[[pytest.FixtureRequest], AbstractAsyncContextManager[Stores]]] = {
    "memory": memory,
    "redis-standalone": over("redis_server"),
    "redis-sentinel": over("redis_set"),
    "redis-cluster": over("redis_cluster"),
}


@pytest.fixture(params=list(STORES))
async def stores(request: pytest.FixtureRequest) -> AsyncIterator[Stores]:
    async with STORES[request.param](request) as made:
        yield made


@pytest.fixture
def clock(stores: Stores) -> Clock:
    return stores.clock

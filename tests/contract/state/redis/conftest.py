"""Processes' states over real Redis servers, with leases short enough for a test to see them end.

`states` makes them: `states(server, "acme")` is one whose tenants may have batches at once, as
those of a gateway that has run for a while.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, Protocol

import pytest

from gateway.config.redis import RedisSettings
from gateway.errors import StoreUnavailable
from gateway.state.mailings import Mailing
from gateway.state.redis.state import RedisState
from gateway.state.table import Bucket
from policies.claims import BatchClaim, Claim, Granted, Hold

LEASE = 1.2
PATIENCE = 5.0
"""Seconds that a call may take, however slow the machine; `hurry` is for calls that shall fail."""
NOON = 1_800_000_000.0
T = Any


class Server(Protocol):
    """A server of tests/servers."""

    def settings(self, **more: Any) -> dict[str, Any]:
        """The gateway's `redis` section."""


class Records:
    """What the records would have saved."""

    def __init__(self) -> None:
        self.buckets: dict[tuple[str, int, int], Bucket] = {}
        self.mailings: dict[str, Mailing] = {}
        self.loads = 0

    async def load(self) -> tuple[list[Bucket], list[Mailing]]:
        self.loads += 1
        return list(self.buckets.values()), list(self.mailings.values())

    async def save(self, buckets: Sequence[Bucket], current: Sequence[Mailing]) -> None:
        self.buckets |= {(one.key, one.seconds, one.start): one for one in buckets}
        self.mailings |= {one.stream: one for one in current}


class States(Protocol):
    """Makes started states."""

    async def __call__(self, server: Server, *tenants: str, **more: Any) -> RedisState:
        """One more process; `more` are options of `RedisState.open` and of the settings."""


@pytest.fixture
def records() -> Records:
    return Records()


@pytest.fixture
async def states(records: Records) -> AsyncIterator[States]:
    running: list[RedisState] = []

    async def make(server: Server, *tenants: str, **more: Any) -> RedisState:
        node = more.pop("node", f"node{len(running)}")
        is_fresh = more.pop("is_fresh", False)
        options = {"lease": LEASE, "saved": records, "tenants": lambda: tenants}
        for name in ("clock", "is_ended", "on_blocks", "lease", "saved", "tenants"):
            if name in more:
                options[name] = more.pop(name)
        patience = more.pop("timeout", PATIENCE)  # longer than an operator may set
        settings = RedisSettings(**server.settings(**more)).model_copy(update={"timeout": patience})
        state = RedisState.open(settings, node, 1, **options)
        running.append(state)
        await state.start()
        if not is_fresh:
            await at_once(state, *tenants)
        return state

    yield make
    for state in running:
        await state.close()


async def at_once(state: RedisState, *tenants: str) -> None:
    """Let batches of these tenants be granted now, as a lease after a loss."""
    await state.calls.all(
        [("HSET", state.keys.tenant(tenant).holds, "ready", 0) for tenant in tenants]
    )


def hurry(state: RedisState, seconds: float = 0.2) -> None:
    """Have the connections that are open now wait for answers no longer than that."""
    for wire in state.calls.wires():
        wire._timeout = seconds
        if wire._timer is not None:  # set for what was asked before
            wire._timer.cancel()
            wire._timer = None


def no_one(_waiting: bool = False) -> None:
    """Whom nothing concerns."""


def open_hold(
    state: RedisState,
    tenant: str = "acme",
    on_contended: Callable[[bool], None] = no_one,
    on_lost: Callable[[], None] = no_one,
) -> Hold:
    """The hold of a new transaction."""
    return state.holds.open(tenant, f"{tenant}/news", NOON, on_contended, on_lost)


async def claim_batch(
    state: RedisState, tenant: str = "acme", wait: float = 0.0, limit: int = 1, **more: T
) -> tuple[Hold, Granted]:
    """A new transaction that asks for a batch."""
    hold = open_hold(state, tenant, **more)
    claims: Sequence[Claim] = [BatchClaim(limit, wait)]
    return hold, (await hold.claim(claims))[0]


async def until(holds_true: Callable[[], Awaitable[bool] | bool], seconds: float = 60.0) -> None:
    """Return as soon as it holds true; a store that is away does not end the wait."""
    async with asyncio.timeout(seconds):
        while True:
            try:
                found = holds_true()
                if found if isinstance(found, bool) else await found:
                    return
            except StoreUnavailable:
                pass
            await asyncio.sleep(0.02)

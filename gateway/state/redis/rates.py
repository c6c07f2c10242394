"""Rolling counts in Redis: implements `policies.ports.RateWindows`.

A key that names a tenant is counted in the tenant's slot, where claims count it, too; any other
(AUTH failures) in a slot of its own, under a digest of it, and ends by itself.
"""

from __future__ import annotations

from typing import cast

from gateway.state.redis.calls import Calls
from gateway.state.redis.keys import Keys, tenant_of
from gateway.state.redis.scripts import load
from policies.ports import Clock, Shortage

RATE = load("rate")


class RedisRateWindows:
    """Rate windows of all processes together."""

    def __init__(self, calls: Calls, keys: Keys, clock: Clock) -> None:
        self._calls = calls
        self._keys = keys
        self._clock = clock

    async def take(self, key: str, count: int, limit: int, seconds: int) -> Shortage | None:
        """Count `count` under `key`, or say what is short and count nothing."""
        used, kind, free_at = await self._ask(key, seconds, count, limit)
        if not kind:
            return None
        return Shortage(used, limit, float(free_at) if kind == 1 else None)

    async def count(self, key: str, seconds: int) -> int:
        """How many were counted in the last `seconds`."""
        return (await self._ask(key, seconds, 0, ""))[0]

    async def add(self, key: str, count: int, seconds: int) -> int:
        """Count without a limit; the window's new total."""
        return (await self._ask(key, seconds, count, ""))[0]

    async def _ask(self, key: str, seconds: int, count: int, limit: int | str) -> list[int]:
        tenant, name = tenant_of(key), f"rate:{key}"
        if tenant is None:
            keys = [self._keys.anonymous(key, seconds)]
            name = ""
        else:
            held = self._keys.tenant(tenant)
            keys = [held.window(name, seconds), held.dirty]
        words = [self._clock(), seconds, count, limit, name]
        return cast("list[int]", await self._calls.run(RATE, keys, words))

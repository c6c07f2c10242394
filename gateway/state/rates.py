"""Rolling counts in this process's memory.

Implements `policies.ports.RateWindows` over a `WindowTable`. A key has one window for each length
it is asked about. Never suspends, so that each call is atomic.
"""

from __future__ import annotations

from gateway.state.table import WindowTable
from policies.claims import Granted
from policies.ports import Shortage

NONE_OR_ONE = (Granted(0), Granted(1))
"""What is granted in full nearly always, made once."""


class MemoryRateWindows:
    """Rate windows over a `WindowTable`."""

    def __init__(self, table: WindowTable) -> None:
        self._table = table

    async def take(self, key: str, count: int, limit: int, seconds: int) -> Shortage | None:
        """Count `count` under `key`, or say what is short and count nothing."""
        window = self._table.window(f"rate:{key}", seconds)
        used = window.total
        if used + count <= limit:
            self._table.add(f"rate:{key}", seconds, count)
            return None
        if count > limit:
            return Shortage(used, limit, None)
        return Shortage(used, limit, window.free_at(self._table.clock(), used + count - limit))

    def fit(self, key: str, units: int, limit: int, seconds: int) -> Granted:
        """Count as many of `units` as fit; with none, only say whether there is room for one."""
        window = self._table.window(f"rate:{key}", seconds)
        room = limit - window.total
        if 0 < room >= units:
            if units:
                self._table.add(f"rate:{key}", seconds, units)
            return NONE_OR_ONE[units] if units < 2 else Granted(units)
        taken = max(0, min(units, room))
        if taken:
            self._table.add(f"rate:{key}", seconds, taken)
        used, free_at = window.total, None
        if limit >= 1:
            free_at = window.free_at(self._table.clock(), used + 1 - limit)
        return Granted(taken, Shortage(used, limit, free_at))

    async def count(self, key: str, seconds: int) -> int:
        """How many were counted in the last `seconds`."""
        return self._table.window(f"rate:{key}", seconds).total

    async def add(self, key: str, count: int, seconds: int) -> int:
        """Count without a limit; the window's new total."""
        return self._table.add(f"rate:{key}", seconds, count)

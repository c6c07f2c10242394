"""Rolling 24 h byte windows in this process's memory, with reservations.

Implements `policies.ports.ByteWindows`. Reservations live only in memory: what was in flight when
a process died was not settled and counts for nothing. Never suspends, so that each call is atomic.
"""

from __future__ import annotations

from gateway.state.table import WindowTable
from policies.ports import Shortage
from policies.terms import DAY


class MemoryByteWindows:
    """Byte windows over a `WindowTable`."""

    def __init__(self, table: WindowTable) -> None:
        self._table = table
        self._reserved: dict[str, int] = {}

    async def reserve(self, key: str, octets: int, limit: int) -> MemoryReservation | Shortage:
        """Set `octets` aside under `key`, or say what is short."""
        shortage = self._shortage(key, octets, octets, limit)
        if shortage is not None:
            return shortage
        self._set_aside(key, octets)
        return MemoryReservation(self, key, octets, limit)

    async def used(self, key: str) -> int:
        """Octets used in the last 24 h, reservations included."""
        return self._table.window(f"bytes:{key}", DAY).total + self._reserved.get(key, 0)

    def _shortage(self, key: str, more: int, whole: int, limit: int) -> Shortage | None:
        """What is short for `more` octets that would make a reservation of `whole`."""
        window = self._table.window(f"bytes:{key}", DAY)
        used = window.total + self._reserved.get(key, 0)
        if used + more <= limit:
            return None
        if whole > limit:
            return Shortage(used, limit, None)
        return Shortage(used, limit, window.free_at(self._table.clock(), used + more - limit))

    def _set_aside(self, key: str, octets: int) -> None:
        reserved = self._reserved.get(key, 0) + octets
        if reserved:
            self._reserved[key] = reserved
        else:
            self._reserved.pop(key, None)

    def _settle(self, key: str, reserved: int, octets: int) -> None:
        self._set_aside(key, -reserved)
        self._table.add(f"bytes:{key}", DAY, octets)


class MemoryReservation:
    """Octets set aside in a `MemoryByteWindows`."""

    __slots__ = ("_key", "_limit", "_octets", "_settled", "_windows")

    def __init__(self, windows: MemoryByteWindows, key: str, octets: int, limit: int) -> None:
        self._windows = windows
        self._key = key
        self._octets = octets
        self._limit = limit
        self._settled = False

    async def grow(self, octets: int) -> Shortage | None:
        """Make it `octets` in all; a shortage, or less than it is, leaves it as it was."""
        more = octets - self._octets
        if more <= 0 or self._settled:
            return None
        shortage = self._windows._shortage(self._key, more, octets, self._limit)
        if shortage is None:
            self._windows._set_aside(self._key, more)
            self._octets = octets
        return shortage

    async def settle(self, octets: int) -> None:
        """Replace it by the octets really used, once."""
        if not self._settled:
            self._settled = True
            self._windows._settle(self._key, self._octets, octets)

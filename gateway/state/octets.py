"""Rolling 24 h windows of octets in this process's memory, with what is set aside of them.

What is set aside lives only in memory: what was in flight when a process died was not settled and
counts for nothing. Never suspends, so that each call is atomic.
"""

from __future__ import annotations

from gateway.state.rates import NONE_OR_ONE
from gateway.state.table import WindowTable
from policies.claims import Granted, OctetsClaim
from policies.ports import Shortage
from policies.terms import DAY


class OctetWindows:
    """Octets by key, over a `WindowTable`."""

    def __init__(self, table: WindowTable) -> None:
        self._table = table
        self._set_aside: dict[str, int] = {}

    def used(self, key: str) -> int:
        """Octets used in the last 24 h, those set aside included."""
        return self._table.window(f"bytes:{key}", DAY).total + self._set_aside.get(key, 0)

    def claim(self, claim: OctetsClaim, units: int, held: int | None) -> tuple[Granted, int | None]:
        """As many of `units` as fit for a transaction that has set `held` aside (None: claimed
        nothing so far); with it, what it has set aside from now on."""
        already = held or 0
        highest = already + claim.limit - self.used(claim.key)
        if held is not None and held > highest:
            highest = held
        whole = claim.base + units * claim.each
        if whole <= highest:
            granted = NONE_OR_ONE[units] if units < 2 else Granted(units)
            return granted, self._raise(claim.key, already, whole)
        fitting, now = 0, held
        if claim.base <= highest:
            fitting = (highest - claim.base) // claim.each
            now = self._raise(claim.key, already, claim.base + fitting * claim.each)
        wanted = claim.base + (fitting + 1) * claim.each if units else claim.base
        return Granted(fitting, self._shortage(claim, wanted, now or 0)), now

    def settle(self, key: str, held: int, octets: int) -> int:
        """Replace what was set aside by the octets really used; what the window holds then."""
        self._set(key, -held)
        self._table.add(f"bytes:{key}", DAY, octets)
        return self.used(key)

    def _shortage(self, claim: OctetsClaim, whole: int, held: int) -> Shortage:
        used, limit = self.used(claim.key), claim.limit
        if whole > limit:
            return Shortage(used, limit, None)
        window = self._table.window(f"bytes:{claim.key}", DAY)
        excess = used + whole - held - limit
        return Shortage(used, limit, window.free_at(self._table.clock(), excess))

    def _raise(self, key: str, held: int, whole: int) -> int:
        if whole <= held:
            return held
        self._set(key, whole - held)
        return whole

    def _set(self, key: str, more: int) -> None:
        octets = self._set_aside.get(key, 0) + more
        if octets:
            self._set_aside[key] = octets
        else:
            self._set_aside.pop(key, None)

"""What transactions hold, in this process's memory.

Implements `policies.claims.Holds` over the tenants' lines, the octet and rate windows, and the
mailings. Only a wait in line ever suspends, so that each claim is atomic. Nothing held here can be
lost while the process lives: `check` never raises.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gateway.errors import StoreUnavailable
from gateway.state.line import Lease, Line
from gateway.state.mailings import Mailings
from gateway.state.octets import OctetWindows
from gateway.state.rates import NONE_OR_ONE, MemoryRateWindows
from gateway.state.table import WindowTable
from policies.claims import BatchClaim, Claim, CountClaim, Granted, OctetsClaim, Usage
from policies.ports import Shortage


class MemoryHolds:
    """The holds of every transaction of this process."""

    def __init__(
        self, table: WindowTable, is_ended: Callable[[str], bool] = lambda _mailing: False
    ) -> None:
        """`is_ended` says of a mailing whether a case has ended it."""
        self.table = table
        self.mailings = Mailings()
        self.is_ended = is_ended
        self.octets = OctetWindows(table)
        self.rates = MemoryRateWindows(table)
        self._lines: dict[str, Line] = {}

    def open(
        self,
        tenant: str,
        stream: str,
        now: float,
        on_contended: Callable[[bool], None],
        on_lost: Callable[[], None],
    ) -> MemoryHold:
        """The hold of a transaction that begins at `now`; `on_lost` is never called."""
        return MemoryHold(self, tenant, stream, now, on_contended)

    def line(self, tenant: str) -> Line:
        """The tenant's line, made on first use."""
        line = self._lines.get(tenant)
        if line is None:
            line = self._lines[tenant] = Line()
        return line

    async def usage(self, tenants: Sequence[str]) -> Sequence[Usage]:
        """What each of these tenants has now."""
        return [
            Usage(len(line.held), len(line.waiting), self.octets.used(tenant))
            for tenant in tenants
            for line in (self._lines.get(tenant) or Line(),)
        ]


class MemoryHold:
    """What one transaction holds."""

    __slots__ = (
        "_holds",
        "_is_settled",
        "_lease",
        "_now",
        "_on_contended",
        "_set_aside",
        "_stream",
        "_tenant",
        "mailing",
    )

    def __init__(
        self,
        holds: MemoryHolds,
        tenant: str,
        stream: str,
        now: float,
        on_contended: Callable[[bool], None],
    ) -> None:
        self._holds = holds
        self._tenant = tenant
        self._stream = stream
        self._now = now
        self._on_contended = on_contended
        self._lease: Lease | None = None
        self._set_aside: dict[str, int] = {}
        self._is_settled = False
        self.mailing = ""

    async def claim(self, claims: Sequence[Claim]) -> Sequence[Granted]:
        """One answer for each claim, through the first that is refused."""
        if self._is_settled:
            raise StoreUnavailable("the transaction is over: nothing can be claimed for it")
        holds = self._holds
        if not self.mailing:
            self.mailing = holds.mailings.mailing_id(self._stream, self._now, holds.is_ended)
        answers = []
        most: int | None = None
        for claim in claims:
            if isinstance(claim, BatchClaim):
                granted = self._batch(claim) or await self._wait(claim)
            else:
                units = claim.units if most is None else min(claim.units, most)
                if isinstance(claim, CountClaim):
                    granted = holds.rates.fit(claim.key, units, claim.limit, claim.seconds)
                else:
                    granted = self._octets(claim, units)
            answers.append(granted)
            if granted.shortage is not None and not claim.is_observed:
                if not granted.units:
                    break
                most = granted.units
        return answers

    def note(self, key: str, count: int, seconds: int) -> None:
        """Count something without a limit, at once."""
        self._holds.table.add(f"rate:{key}", seconds, count)

    def check(self) -> None:
        """Nothing: a batch held in memory is nobody else's."""

    async def settle(self, octets: int) -> dict[str, int]:
        """Give everything back, once; what the windows of octets hold then."""
        if self._is_settled:
            return {}
        self._is_settled = True
        try:
            windows = self._holds.octets
            return {key: windows.settle(key, held, octets) for key, held in self._set_aside.items()}
        finally:
            if self._lease is not None:
                self._lease.release()

    def _batch(self, claim: BatchClaim) -> Granted | None:
        if self._lease is None:
            line = self._holds.line(self._tenant)
            self._lease = line.take(claim.limit, self._on_contended)
        return None if self._lease is None else NONE_OR_ONE[1]

    async def _wait(self, claim: BatchClaim) -> Granted:
        line, has_waited = self._holds.line(self._tenant), claim.wait > 0
        if has_waited:
            self._lease = await line.wait(claim.limit, claim.wait, self._on_contended)
        if self._lease is not None:
            return Granted(1, has_waited=True)
        return Granted(0, Shortage(len(line.held), claim.limit, None), has_waited)

    def _octets(self, claim: OctetsClaim, units: int) -> Granted:
        granted, held = self._holds.octets.claim(claim, units, self._set_aside.get(claim.key))
        if held is not None:
            self._set_aside[claim.key] = held
        return granted

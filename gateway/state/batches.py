"""Leases on a tenant's open transactions, in this process's memory.

Implements `policies.ports.Batches`: first come, first served; whoever finds no room waits in line
on a future. A waiter that is cancelled (its client hung up) leaves the line, and a lease granted in
that same moment goes to the next. Holders are told once when somebody starts to wait and once when
nobody does any more.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(eq=False, slots=True)
class MemoryLease:
    """One open batch of a tenant."""

    _line: _Line
    _on_contended: Callable[[bool], None]
    _knows: bool = False

    async def release(self) -> None:
        """Give it back and let the next in line have it. Further calls do nothing."""
        self._line.give_back(self)

    def tell(self, contended: bool) -> None:
        """Tell the holder that the line started or ended, unless it knows."""
        if contended is not self._knows:
            self._knows = contended
            self._on_contended(contended)


@dataclass(eq=False, slots=True)
class _Waiter:
    future: asyncio.Future[MemoryLease | None]
    limit: int
    on_contended: Callable[[bool], None]

    def give_up(self) -> None:
        if not self.future.done():
            self.future.set_result(None)


@dataclass(eq=False, slots=True)
class _Line:
    """One tenant's leases and those who wait for one."""

    held: list[MemoryLease] = field(default_factory=list)
    waiting: deque[_Waiter] = field(default_factory=deque)

    def grant(self, on_contended: Callable[[bool], None]) -> MemoryLease:
        lease = MemoryLease(self, on_contended)
        self.held.append(lease)
        return lease

    def give_back(self, lease: MemoryLease) -> None:
        if lease in self.held:
            self.held.remove(lease)
            self.advance()

    def leave(self, waiter: _Waiter) -> None:
        if waiter in self.waiting:
            self.waiting.remove(waiter)
            self.advance()

    def advance(self) -> None:
        """Grant what can be granted from the head of the line, then tell the holders."""
        while self.waiting and (
            self.waiting[0].future.done() or len(self.held) < self.waiting[0].limit
        ):
            waiter = self.waiting.popleft()
            if not waiter.future.done():
                waiter.future.set_result(self.grant(waiter.on_contended))
        self.tell()

    def tell(self) -> None:
        for lease in self.held:
            lease.tell(bool(self.waiting))


class MemoryBatches:
    """Batches of every tenant of this process."""

    def __init__(self) -> None:
        self._lines: dict[str, _Line] = {}

    async def acquire(
        self, tenant: str, limit: int, wait: float, on_contended: Callable[[bool], None]
    ) -> MemoryLease | None:
        """A lease at once or after waiting in line at most `wait` seconds, else None."""
        line = self._lines.setdefault(tenant, _Line())
        if not line.waiting and len(line.held) < limit:
            return line.grant(on_contended)
        if wait <= 0:
            return None
        return await self._wait(line, limit, wait, on_contended)

    def open(self, tenant: str) -> int:
        """How many leases of the tenant are held now."""
        line = self._lines.get(tenant)
        return len(line.held) if line else 0

    def lines(self) -> dict[str, tuple[int, int]]:
        """For every tenant with an open batch: how many are open and how many wait."""
        return {
            tenant: (len(line.held), len(line.waiting))
            for tenant, line in self._lines.items()
            if line.held
        }

    async def _wait(
        self, line: _Line, limit: int, wait: float, on_contended: Callable[[bool], None]
    ) -> MemoryLease | None:
        loop = asyncio.get_running_loop()
        waiter = _Waiter(loop.create_future(), limit, on_contended)
        line.waiting.append(waiter)
        line.tell()
        timer = loop.call_later(wait, waiter.give_up)
        try:
            return await waiter.future
        except asyncio.CancelledError:
            # The lease may have come in the same turn of the loop: nobody would ever release it.
            if not waiter.future.cancelled() and (lease := waiter.future.result()):
                await lease.release()
            raise
        finally:
            timer.cancel()
            line.leave(waiter)

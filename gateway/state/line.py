"""One tenant's leases on open transactions and the line before them, in this process's memory.

First come, first served; whoever finds no room waits in line on a future. A waiter that is
cancelled (its client hung up) leaves the line, and a lease granted in that same moment goes to the
next. Holders are told once when somebody starts to wait and once when nobody does any more.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(eq=False, slots=True)
class Lease:
    """One open batch of a tenant."""

    _line: Line
    _on_contended: Callable[[bool], None]
    _knows: bool = False

    def release(self) -> None:
        """Give it back and let the next in line have it. Further calls do nothing."""
        self._line.give_back(self)

    def tell(self, contended: bool) -> None:
        """Tell the holder that the line started or ended, unless it knows."""
        if contended is not self._knows:
            self._knows = contended
            self._on_contended(contended)


@dataclass(eq=False, slots=True)
class _Waiter:
    future: asyncio.Future[Lease | None]
    limit: int
    on_contended: Callable[[bool], None]

    def give_up(self) -> None:
        if not self.future.done():
            self.future.set_result(None)


@dataclass(eq=False, slots=True)
class Line:
    """One tenant's leases and those who wait for one."""

    held: list[Lease] = field(default_factory=list)
    waiting: deque[_Waiter] = field(default_factory=deque)

    def take(self, limit: int, on_contended: Callable[[bool], None]) -> Lease | None:
        """A lease when there is room among `limit` and nobody waits, else None."""
        if self.waiting or len(self.held) >= limit:
            return None
        return self._grant(on_contended)

    async def wait(
        self, limit: int, seconds: float, on_contended: Callable[[bool], None]
    ) -> Lease | None:
        """A lease after waiting in line at most so many seconds, else None."""
        loop = asyncio.get_running_loop()
        waiter = _Waiter(loop.create_future(), limit, on_contended)
        self.waiting.append(waiter)
        self._tell()
        timer = loop.call_later(seconds, waiter.give_up)
        try:
            return await waiter.future
        except asyncio.CancelledError:
            # The lease may have come in the same turn of the loop: nobody would ever release it.
            if not waiter.future.cancelled() and (lease := waiter.future.result()):
                lease.release()
            raise
        finally:
            timer.cancel()
            self._leave(waiter)

    def give_back(self, lease: Lease) -> None:
        """End a lease; nothing when it has ended."""
        if lease in self.held:
            self.held.remove(lease)
            self._advance()

    def _grant(self, on_contended: Callable[[bool], None]) -> Lease:
        lease = Lease(self, on_contended)
        self.held.append(lease)
        return lease

    def _leave(self, waiter: _Waiter) -> None:
        if waiter in self.waiting:
            self.waiting.remove(waiter)
            self._advance()

    def _advance(self) -> None:
        """Grant what can be granted from the head of the line, then tell the holders."""
        while self.waiting and (
            self.waiting[0].future.done() or len(self.held) < self.waiting[0].limit
        ):
            waiter = self.waiting.popleft()
            if not waiter.future.done():
                waiter.future.set_result(self._grant(waiter.on_contended))
        self._tell()

    def _tell(self) -> None:
        for lease in self.held:
            lease.tell(bool(self.waiting))

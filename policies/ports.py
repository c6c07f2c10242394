"""What policies need from the outside, each as small as its user: clocks, counters, look-ups.

Implementations: `gateway.state` (windows) and `gateway.records` (blocks, standings). All raise
`StoreUnavailable` when they cannot answer. Keys are free text chosen by the caller.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.words import Address
from policies.terms import StreamTerms
from suppression.standing import Standing


@dataclass(frozen=True, slots=True)
class Shortage:
    """A window that has no room: `used` of `limit`, enough room again at `free_at` (Unix s).

    `free_at` is None when the request alone exceeds `limit`.
    """

    used: int
    limit: int
    free_at: float | None


class RateWindows(Protocol):
    """Rolling counts over any window length."""

    async def take(self, key: str, count: int, limit: int, seconds: int) -> Shortage | None:
        """Count `count` under `key`, or say what is short and count nothing."""

    async def count(self, key: str, seconds: int) -> int:
        """How many were counted in the last `seconds`."""

    async def add(self, key: str, count: int, seconds: int) -> int:
        """Count without a limit; the new total of the window."""


class Standings(Protocol):
    """What the records say about addresses, one batched look-up for a group of recipients."""

    async def look_up(self, stream: StreamTerms, group: Sequence[Address]) -> Sequence[Standing]:
        """One `Standing` for each address, in order."""


@dataclass(frozen=True, slots=True)
class Block:
    """A block in force on a sender domain; `*` when the tenant's service is ended.

    `items` is how many requirements of its case are open, `tracking` what a link names the case by.
    """

    case: str
    domain: str
    reason: str
    items: int = 0
    tracking: bytes = b""


class Blocks(Protocol):
    """Blocks in force, as fresh as the last commit of any process."""

    async def find(self, tenant: str, domain: str) -> Block | None:
        """The block on `domain` (A-label) for this tenant, if any."""

    async def lifts(self, tenant: str) -> int:
        """How many blocks of this tenant's have been lifted: what came before counts no more."""

    def is_stale(self) -> bool:
        """Whether news of a change has come since the last `find`; never waits."""

    def share(self, tenant: str) -> int:
        """Percent of its usual volume that the tenant may send: 100 but on probation. As fresh as
        the last `find`; never waits."""


CasePage = Callable[[str, bytes], str]
"""The address of a tenant's own page about a case, by its tracking number; "" when there is none.
"""

Clock = Callable[[], float]
"""Unix seconds."""

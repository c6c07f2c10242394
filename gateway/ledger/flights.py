"""Who deals with an entry of the ledger when several processes may: the port, as plain values.

A customer's retry can reach another worker or node than the one that sent, or died sending, the
first copy. So before a plan sends anything it claims its entries, and it lets them go when the
records say all that a retry must know. The embedded default has one process and no `Flights`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import Enum
from typing import Protocol


class Found(Enum):
    """What was known about one entry when it was claimed."""

    FREE = "-"
    """Nobody deals with it and nothing is kept: it is ours."""
    OURS = "M"
    """It was ours before."""
    OVER = "E"
    """It is ours, and free: after its owner had died another process has brought it to an end."""
    STORED = "S"
    """It is ours, and the records may have it: ask them before anything is sent."""
    UNKNOWN = "U"
    """It is ours, and whoever had it died: a copy may have gone out unless the records say more."""
    BUSY = "B"
    """Another process deals with it: it is not ours."""


class Flights(Protocol):
    """The entries that this process deals with; coroutines suspend, the rest is quick."""

    async def claim(self, keys: Sequence[bytes], wait: float) -> Sequence[Found]:
        """Own these entries, which differ: one answer each, in order.

        While another live process has one, none is owned and it is asked again, up to `wait`
        seconds; only then is `BUSY` an answer. Raises `StoreUnavailable`, and owns none more then.
        """

    def check(self, keys: Sequence[bytes]) -> None:
        """Raise `StoreUnavailable` when another may take us for dead and send `keys` itself."""

    def end(self, key: bytes, is_stored: bool) -> None:
        """Let an entry go with the next `flush`; `is_stored`: the records may have it."""

    def give_back(self, keys: Iterable[bytes]) -> None:
        """With the next `flush` all is as it was before these were claimed: nothing was sent."""

    async def take_up(self, keys: Sequence[bytes]) -> Sequence[Found]:
        """`claim` for what an earlier start of this process left; waits for no other process."""

    async def flush(self) -> None:
        """Tell the others what was let go. Raises `StoreUnavailable`; it is told later then."""

    async def beat(self) -> None:
        """Say that we live. Raises `StoreUnavailable`."""

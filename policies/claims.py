"""What a transaction may hold of what is limited: values to ask with, values that answer, ports.

A policy says what a stage needs as `Claim`s; the pipeline asks for those of all policies of the
stage with one `Hold.claim`, which is one round trip when the state is shared, and each policy then
judges its own `Granted`. Claims are granted in their order; those after the first that is not
granted in full get no more units than it did, unless it is only observed. Octets are those of
stamped messages, seconds and instants are Unix seconds. Implementations (`gateway.state`) raise
`StoreUnavailable` when they cannot answer; a claim that failed so has taken nothing that `settle`
does not give back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from policies.ports import Shortage


@dataclass(frozen=True, slots=True)
class BatchClaim:
    """One of a tenant's `limit` open transactions, waited for in line at most `wait` seconds.

    Its `Shortage` has the number of open ones as `used`. Held until `settle`.
    """

    limit: int
    wait: float
    is_observed: bool = False


@dataclass(frozen=True, slots=True)
class OctetsClaim:
    """Octets of any 24 h under `key`: `base + units * each` in all, never less than before.

    As many units as fit are granted. Set aside until `settle` says what was really used.
    """

    key: str
    base: int
    each: int
    units: int
    limit: int
    is_observed: bool = False


@dataclass(frozen=True, slots=True)
class CountClaim:
    """`units` counted under `key` in a rolling window of `seconds`, as many as fit.

    With no units it only asks whether there is room for one; what is counted is not given back.
    """

    key: str
    units: int
    limit: int
    seconds: int
    is_observed: bool = False


Claim = BatchClaim | OctetsClaim | CountClaim


@dataclass(frozen=True, slots=True)
class Granted:
    """What came of one claim: so many units, and what was short when they are not all.

    A claim never reached because an earlier one was refused has no units and no shortage.
    """

    units: int
    shortage: Shortage | None = None


class Hold(Protocol):
    """All that one transaction holds, from its MAIL until it is settled."""

    @property
    def mailing(self) -> str:
        """The id of the mailing it belongs to; "" as long as that is not known."""

    async def claim(self, claims: Sequence[Claim]) -> Sequence[Granted]:
        """One answer for each claim, in order."""

    def note(self, key: str, count: int, seconds: int) -> None:
        """Count something without a limit; it is counted with the next claim or when settled."""

    def check(self) -> None:
        """Raise `StoreUnavailable` when a batch that was granted may be another's by now.

        Called right before a copy's last octets go out. Never waits.
        """

    async def settle(self, octets: int) -> dict[str, int]:
        """Give everything back; `octets` were used. What every window of octets that was claimed
        holds now, by key. Further calls do nothing and give nothing."""


class Holds(Protocol):
    """Makes the holds of all transactions of this process."""

    def open(
        self,
        tenant: str,
        stream: str,
        now: float,
        on_contended: Callable[[bool], None],
        on_lost: Callable[[], None],
    ) -> Hold:
        """The hold of a transaction of `stream` (`tenant/name`) that begins at `now`.

        `on_contended` is told when somebody starts to wait for its batch and when nobody does any
        more; `on_lost` when the batch could not be renewed: nothing more may go out.
        """

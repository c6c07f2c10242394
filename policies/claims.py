"""What a transaction may hold of what is limited: values to ask with, values that answer, ports.

A policy says what a stage needs as `Claim`s; the pipeline asks for those of all policies of the
stage with one `Hold.claim`, which is one round trip when the state is shared, and each policy then
judges its own `Granted`. Claims are granted in their order; those after one that is not granted in
full get no more units than it did, and after one that is refused none is asked, unless it is only
observed. Octets are those of stamped messages, instants Unix seconds. Implementations
(`gateway.state`) raise `StoreUnavailable` when they cannot answer; a claim that failed so has taken
nothing that `settle` does not give back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.errors import StoreUnavailable
from policies.ports import Shortage


@dataclass(frozen=True, slots=True)
class BatchClaim:
    """One of a tenant's `limit` open transactions, waited for in line at most `wait` seconds.

    One unit. Its `Shortage` has the number of open ones as `used`, and no `free_at`. Held until
    `settle`.
    """

    limit: int
    wait: float
    is_observed: bool = False


@dataclass(frozen=True, slots=True)
class OctetsClaim:
    """Octets of any 24 h under `key`: `base + units * each` in all, never less than before.

    As many units as fit are granted; with none, `base` fits or is refused. What this transaction
    has set aside already always fits; a first claim of nothing needs a window that is not over its
    limit. Set aside until `settle` says what was really used. `is_sent` says that they
    go out now: should this process die, whoever else counts takes all of them for used.
    """

    key: str
    base: int
    each: int
    units: int
    limit: int
    is_observed: bool = False
    is_sent: bool = False


@dataclass(frozen=True, slots=True)
class CountClaim:
    """`units` counted under `key` in a rolling window of `seconds`, as many as fit.

    With no units it only asks whether there is room for one, and is refused when there is none.
    What is counted is not given back. The windows are those of `RateWindows`, under the same keys.
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

    `shortage` is that of one unit more than was granted (of `base`, when no units were asked for),
    after what was granted is taken. Refused is what has a shortage and no units. `has_waited` says
    that a batch was not free at once.
    """

    units: int
    shortage: Shortage | None = None
    has_waited: bool = False


@dataclass(frozen=True, slots=True)
class Usage:
    """What a tenant has now: open batches, who waits for one, and octets of the last 24 h under
    its own name, those set aside included."""

    open: int
    waiting: int
    octets: int


class Hold(Protocol):
    """All that one transaction holds, from its MAIL until it is settled."""

    @property
    def mailing(self) -> str:
        """The id of the mailing it belongs to; "" before the first claim."""

    async def claim(self, claims: Sequence[Claim]) -> Sequence[Granted]:
        """One answer for each claim, in order, through the first that is refused for good.

        That is one with a shortage and no units that is not only observed: the answers end with it.
        """

    def note(self, key: str, count: int, seconds: int) -> None:
        """Count something without a limit; it is counted with the next claim or when settled."""

    def check(self) -> None:
        """Raise `StoreUnavailable` when a batch that was granted may be another's by now.

        Called right before a copy's last octets go out. Never waits.
        """

    async def settle(self, octets: int) -> dict[str, int]:
        """Give everything back; `octets` were used. What every window of octets that was claimed
        holds now, by key, what others have set aside included. Further calls do nothing and give
        nothing; a claim afterwards raises `StoreUnavailable`."""


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

    async def usage(self, tenants: Sequence[str]) -> Sequence[Usage]:
        """What each of these tenants has now, in order: for the status, never on the mail path."""


class _Nothing:
    """The hold of what is only judged: a transaction that will never be."""

    mailing = ""

    async def claim(self, claims: Sequence[Claim]) -> Sequence[Granted]:
        raise StoreUnavailable("nothing can be claimed for what is only judged")

    def note(self, key: str, count: int, seconds: int) -> None:
        raise StoreUnavailable("nothing can be counted for what is only judged")

    def check(self) -> None:
        """Nothing was granted."""

    async def settle(self, octets: int) -> dict[str, int]:
        return {}


NOTHING: Hold = _Nothing()
"""Holds nothing and is granted nothing."""

"""One message's plan: which recipients to send to, and what becomes of each copy.

Made by `Ledger.plan`. The delivery code opens a `Flight` for each copy, passes its `before_dot` to
the relay and records the outcomes, however late; then the plan ends, by `seen()` when a command
came after the 250, by `unseen()` in every other case. Once ended no further copy can go out, but
copies that already have still correct the ledger. Calls are plain and quick; only
`Flight.ready` and `change` suspend.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from enum import Enum, auto
from types import TracebackType
from typing import TYPE_CHECKING

from gateway.errors import ConsentryError, JournalUnwritable
from gateway.ledger.entry import Entry
from gateway.relay.outcome import HopReply, Outcome, State, Trouble

if TYPE_CHECKING:
    from gateway.ledger.ledger import Ledger

NOT_SENT = Outcome(State.DEFERRED, HopReply(451, "4.4.2", "not sent in time", Trouble.BROKE_OFF))
IN_FLIGHT = Outcome(State.IN_FLIGHT, HopReply(451, "4.4.2", "no answer yet", Trouble.BROKE_OFF))
LOST = Outcome(State.UNKNOWN, HopReply(451, "4.4.2", "the relay broke down", Trouble.BROKE_OFF))
TOLD = Outcome(State.TAKEN, HopReply(250, "2.0.0", "the sender was told that it was refused"))


class TooLate(ConsentryError):
    """The customer was already told to try again, so this copy must not go out any more."""


class Step(Enum):
    """What to do about one recipient."""

    SEND = auto()
    SEND_AGAIN = auto()
    """An earlier copy's fate is unknown: the event says that this may be a double."""
    SKIP = auto()
    """Taken or refused before, or named twice in this message."""
    LEAVE = auto()
    """An earlier copy is still in flight; the customer must try later."""


class Plan:
    """What to do for each recipient of one message, and what came of it; indexes are theirs."""

    __slots__ = (
        "_begun", "_change", "_flights", "_has_kept", "_ledger", "_mine", "_outcomes", "is_ended",
        "is_unwritable", "keys", "ref", "steps",
    )  # fmt: skip

    def __init__(self, ledger: Ledger, ref: str, keys: list[bytes]) -> None:
        self.ref = ref
        self.keys = keys
        self.steps: list[Step] = []
        self.is_ended = False
        self.is_unwritable = False
        """An intent could not be written: the customer gets 452 4.3.1 [STORAGE]."""
        self._ledger = ledger
        self._mine: set[bytes] = set()
        self._outcomes: dict[bytes, Outcome] = {}
        self._begun: set[bytes] = set()
        self._flights = 0
        self._has_kept = False
        self._change: asyncio.Event | None = None

    def __repr__(self) -> str:
        return f"<Plan {self.ref} {[step.name for step in self.steps]} ended={self.is_ended}>"

    def to_send(self) -> list[int]:
        """The indexes of the recipients to send to."""
        wanted = (Step.SEND, Step.SEND_AGAIN)
        return [index for index, step in enumerate(self.steps) if step in wanted]

    def flight(self, indexes: Iterable[int]) -> Flight:
        """One copy for these recipients; use it in a `with`, so that it always gets an outcome."""
        return Flight(self, [self.keys[index] for index in indexes])

    def outcomes(self) -> list[Outcome]:
        """What is known now about each recipient, in order; never sent counts as deferred."""
        known, begun = self._outcomes, self._begun
        return [known.get(key) or (IN_FLIGHT if key in begun else NOT_SENT) for key in self.keys]

    def bounced(self) -> None:
        """The DSN for the refused recipients was taken, so a retry need not send another."""
        told = [key for key in self._owned() if self._outcomes[key].state is State.REFUSED]
        self._ledger.intents.outcome(self.ref, told, [TOLD] * len(told))
        for key in told:
            self._outcomes[key] = TOLD
            self._keep(key, TOLD)

    def seen(self) -> None:
        """A command came after the 250, so the customer has it: the message's entries end."""
        owned = self._owned()
        for key in owned:
            del self._ledger.owners[key]
            self._ledger.forget(key)
        self._ledger.left(owned)
        self._end()

    def unseen(self) -> None:
        """No 250 was given, or the connection ended first: a retry may come. Harmless if ended."""
        if self.is_ended:
            return
        done = [key for key in self._owned() if key in self._outcomes or key not in self._begun]
        for key in done:
            self.hand_over(key)
            del self._ledger.owners[key]
        self._ledger.left(done)
        self._end()

    # ---- for the ledger -------------------------------------------------------------------

    def claim(self) -> list[bytes]:
        """Own every entry that is not in flight elsewhere; the keys now owned."""
        owners = self._ledger.owners
        for key in self.keys:
            if key in self._mine:
                self.steps.append(Step.SKIP)
            elif self._ledger.in_flight(key):
                self.steps.append(Step.LEAVE)
                self._outcomes[key] = IN_FLIGHT
            else:
                if key in owners:
                    owners[key].hand_over(key)
                owners[key] = self
                self._mine.add(key)
                self.steps.append(Step.SEND)
        return list(self._mine)

    def leave(self, key: bytes) -> None:
        """Another process deals with it."""
        del self._ledger.owners[key]
        self._mine.discard(key)
        self.steps[self.keys.index(key)] = Step.LEAVE
        self._outcomes[key] = IN_FLIGHT
        self.wake()

    def adopt(self, entry: Entry) -> None:
        """Go by what an earlier try left."""
        index = self.keys.index(entry.key)
        if entry.state is State.UNKNOWN:
            self.steps[index] = Step.SEND_AGAIN
        else:
            self.steps[index] = Step.SKIP
            self._outcomes[entry.key] = entry.outcome

    def hand_over(self, key: bytes) -> None:
        """Keep what only this plan knows: its own taken copies (all else is kept at once)."""
        if key in self._begun and self._outcomes[key].state is State.TAKEN:
            self._keep(key, self._outcomes[key])

    def has_settled(self, key: bytes) -> bool:
        """False while the copy is still to come or in flight."""
        return key in self._outcomes

    async def change(self) -> None:
        """Wait until something was settled or let go."""
        if self._change is None:
            self._change = asyncio.Event()
        await self._change.wait()

    def wake(self) -> None:
        """Tell those who wait in `change`."""
        if self._change is not None:
            self._change.set()
            self._change = None

    # ---- for flights ----------------------------------------------------------------------

    def begin(self, keys: Sequence[bytes]) -> None:
        """Write the intent. Raises `JournalUnwritable`."""
        try:
            self._ledger.intents.intend(self.ref, keys)
        except JournalUnwritable:
            self.is_unwritable = True
            raise
        self._begun.update(keys)

    def check(self, keys: Sequence[bytes]) -> None:
        """Raise `StoreUnavailable` when another process may be about to send these."""
        if self._ledger.flights is not None:
            self._ledger.flights.check(keys)

    async def begin_early(self, keys: Sequence[bytes]) -> bool:
        """With fsync, write the intent now and wait for the disk; False without."""
        intents = self._ledger.intents
        if not intents.fsync:
            return False
        self.begin(keys)
        try:
            await intents.synced()
        except JournalUnwritable:
            self.is_unwritable = True
            raise
        return True

    def take_off(self) -> None:
        """A copy is under way."""
        self._flights += 1

    def land(self, keys: Sequence[bytes], outcomes: Sequence[Outcome]) -> None:
        """A copy's outcomes are here, perhaps long after the customer was told to try again."""
        if not self._begun.isdisjoint(keys):
            self._ledger.intents.outcome(self.ref, keys, outcomes)
        owners = self._ledger.owners
        for key, outcome in zip(keys, outcomes, strict=True):
            if owners.get(key) is not self:
                continue
            self._outcomes[key] = outcome
            if outcome.state in (State.REFUSED, State.UNKNOWN) or (
                outcome.state is State.TAKEN and self.is_ended
            ):
                self._keep(key, outcome)
            if self.is_ended or outcome.state is State.DEFERRED:
                del owners[key]
                self._ledger.left((key,))
        self._flights -= 1
        self._close_if_over()

    def _owned(self) -> list[bytes]:
        owners = self._ledger.owners
        return [key for key in self._mine if owners.get(key) is self]

    def _keep(self, key: bytes, outcome: Outcome) -> None:
        self._has_kept = True
        self._ledger.keep(key, self.ref, outcome)

    def _end(self) -> None:
        self.is_ended = True
        self._close_if_over()

    def _close_if_over(self) -> None:
        self.wake()
        if self.is_ended and not self._flights:
            if self._has_kept:
                self._ledger.over(self.ref)
            else:
                self._ledger.intents.end(self.ref)


class Flight:
    """One copy on its way. Leaving the `with` unrecorded counts as unknown once it was begun."""

    __slots__ = ("_is_begun", "_is_recorded", "_keys", "_plan")

    def __init__(self, plan: Plan, keys: list[bytes]) -> None:
        self._plan = plan
        self._keys = keys
        self._is_begun = False
        self._is_recorded = False

    def __enter__(self) -> Flight:
        self._plan.take_off()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not self._is_recorded:
            self.record([LOST if self._is_begun else NOT_SENT] * len(self._keys))

    async def ready(self) -> None:
        """Before the copy is started: with fsync, get its intent on stable storage; else nothing.

        Raises `JournalUnwritable`; the copy must then not be started.
        """
        self._is_begun = await self._plan.begin_early(self._keys)

    def before_dot(self) -> None:
        """Write the intent.

        Raises `JournalUnwritable`, `StoreUnavailable` or `TooLate`: the dot must not go out.
        """
        if self._plan.is_ended:
            raise TooLate(self._plan.ref)
        self._plan.check(self._keys)
        if not self._is_begun:
            self._plan.begin(self._keys)
            self._is_begun = True

    def record(self, outcomes: Sequence[Outcome]) -> None:
        """What became of the copy's recipients, in the order of the indexes given to `flight`."""
        self._is_recorded = True
        self._plan.land(self._keys, outcomes)

"""Customer, gateway and next hop in any order, killed at any point: counted on both sides.

The model counts the copies the next hop took of each mail for each recipient. Never is a 250 given
without a copy (or a bounce) for each, never does a second copy go out unflagged. A mail
with the same bytes is a new mail once the customer has seen the 250 of the one before.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from errno import ENOSPC
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from gateway.errors import JournalUnwritable, StoreUnavailable
from gateway.ledger.entry import Entry
from gateway.ledger.intents import Intents
from gateway.ledger.ledger import Ledger
from gateway.ledger.plan import Flight, Plan, Step, TooLate
from gateway.ledger.verdict import conclude
from gateway.relay.answers import reply_for
from gateway.relay.outcome import HopReply, Outcome, State

RECIPIENTS = ("a", "b")
OUTCOMES = {
    State.TAKEN: Outcome(State.TAKEN, HopReply(250, "2.0.0", "ok")),
    State.REFUSED: Outcome(State.REFUSED, HopReply(550, "5.1.1", "no such user")),
    State.DEFERRED: Outcome(State.DEFERRED, HopReply(450, "4.2.0", "later")),
    State.UNKNOWN: Outcome(State.UNKNOWN, HopReply(451, "", "silent")),
}


FATES = [State.TAKEN, State.TAKEN, State.TAKEN, State.REFUSED, State.DEFERRED]
OFTEN = st.sampled_from([True, True, True, False])


class Disk(Intents):
    """An intent file on a disk that can be full: half of a write arrives, then an error."""

    is_full = False

    def _append(self, data: bytes) -> None:
        if self.is_full:
            os.write(self._fd, data[: len(data) // 2])
            raise OSError(ENOSPC, "No space left on device")
        super()._append(data)

    def kill(self) -> None:
        """Let the file go without writing what is buffered, as a killed process does."""
        if self._fd >= 0:
            os.close(self._fd)


class Store:
    """A durable store that can be away."""

    def __init__(self) -> None:
        self.entries: dict[bytes, Entry] = {}
        self.is_away = False

    def _ask(self) -> None:
        if self.is_away:
            raise StoreUnavailable("away")

    async def load(self) -> Iterable[bytes]:
        return list(self.entries)

    async def find(self, keys: Sequence[bytes]) -> Sequence[Entry]:
        self._ask()
        return [self.entries[key] for key in keys if key in self.entries]

    async def save(self, entries: Sequence[Entry]) -> None:
        self._ask()
        self.entries.update({entry.key: entry for entry in entries})

    async def end(self, keys: Sequence[bytes]) -> None:
        self._ask()
        for key in keys:
            self.entries.pop(key, None)

    async def purge(self, before: float) -> int:
        return 0


Copy = tuple[int, str, int]
"""Edition of the mail, recipient, and how often it was sent to it and seen before."""


@dataclass(eq=False)
class Attempt:
    """One submission of a mail on a connection of its own; `copies` has one for each recipient."""

    number: int
    plan: Plan
    copies: list[Copy]
    waiting: list[int]
    is_accepted: bool = False


@dataclass(eq=False)
class Air:
    """One copy whose dot went out; `fate` is what the next hop did with it."""

    flight: Flight
    fate: State


class Machine(RuleBasedStateMachine):
    """See the module's docstring."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = Path(tempfile.mkdtemp())
        self.store = Store()
        self.disk = Disk(self.folder, octets=400)
        self.ledger = Ledger(self.store, self.disk, lambda: 0.0)
        self.refs = 0
        self.attempts: list[Attempt] = []
        self.air: list[Air] = []
        self.edition = 0
        self.is_unsure = False
        self.seen: Counter[str] = Counter()
        self.taken: Counter[Copy] = Counter()
        self.told: set[Copy] = set()

    def teardown(self) -> None:
        self.disk.kill()
        shutil.rmtree(self.folder)
        self.loop.close()

    @invariant()
    def nothing_is_stuck(self) -> None:
        """Entries are owned only while somebody deals with them."""
        assert self.attempts or self.air or not self.ledger.owners

    # ---- the customer -----------------------------------------------------------------------

    @rule(count=st.integers(1, 2))
    def submit(self, count: int) -> None:
        """The customer sends the mail, anew or again."""
        names = RECIPIENTS[:count]
        digest = b"%32d" % self.edition
        self.refs += 1
        try:
            plan = self.loop.run_until_complete(
                self.ledger.plan(f"ref{self.refs}", "acme/weekly", "", digest, names, 0.0)
            )
        except StoreUnavailable:
            return
        copies = [(self.edition, name, self.seen[name]) for name in names]
        self.attempts.append(Attempt(self.refs, plan, copies, plan.to_send()))

    @rule(
        count=st.integers(1, 2),
        fates=st.lists(st.sampled_from(FATES), min_size=2, max_size=2),
        is_heard=OFTEN,
        is_answered=OFTEN,
        is_bounce_taken=OFTEN,
    )
    def submit_in_one_go(
        self,
        count: int,
        fates: list[State],
        is_heard: bool,
        is_answered: bool,
        is_bounce_taken: bool,
    ) -> None:
        """The usual order without a break: sent, heard, answered."""
        before = len(self.attempts)
        self.submit(count)
        for attempt in self.attempts[before:]:
            while attempt.waiting:
                self.send_one(attempt, fates.pop())
                while is_heard and self.air:
                    self.hear(self.air.pop(), is_heard)
            if is_answered:
                self.answer_customer(attempt, is_bounce_taken)

    def last_is_accepted(self) -> bool:
        last = self.attempts[-1] if self.attempts else None
        return last is not None and last.is_accepted and last.number == self.refs

    @precondition(lambda self: self.last_is_accepted())
    @rule()
    def next_command(self) -> None:
        """The 250 was seen. Who retries has given up earlier connections, so it is the last's."""
        attempt = self.attempts.pop()
        for other in list(self.attempts):
            self.drop(other)
        attempt.plan.seen()
        self.seen.update(name for _edition, name, _seen in attempt.copies)
        self.is_unsure = True

    @precondition(lambda self: self.attempts)
    @rule(data=st.data())
    def hang_up(self, data: st.DataObject) -> None:
        """The connection ends, before a reply or after a 250."""
        self.drop(data.draw(st.sampled_from(self.attempts)))

    def drop(self, attempt: Attempt) -> None:
        attempt.plan.unseen()
        self.attempts.remove(attempt)

    # ---- the gateway and the next hop -------------------------------------------------------

    @precondition(lambda self: any(a.waiting for a in self.attempts))
    @rule(data=st.data(), fate=st.sampled_from(FATES), is_in_time=OFTEN)
    def send(self, data: st.DataObject, fate: State, is_in_time: bool) -> None:
        """One copy's dot goes out."""
        attempt = data.draw(st.sampled_from([a for a in self.attempts if a.waiting]))
        self.send_one(attempt, fate, is_in_time)

    def send_one(self, attempt: Attempt, fate: State, is_in_time: bool = True) -> None:
        """The next hop does something with the copy, unheard so far."""
        index = attempt.waiting.pop(0)
        flight = attempt.plan.flight([index]).__enter__()
        if not is_in_time:
            self.drop(attempt)
        try:
            flight.before_dot()
        except (JournalUnwritable, TooLate):
            flight.__exit__(None, None, None)
            return
        assert is_in_time
        self.air.append(Air(flight, fate))
        if fate is State.TAKEN:
            copy = attempt.copies[index]
            is_flagged = attempt.plan.steps[index] is Step.SEND_AGAIN
            assert is_flagged or not self.taken[copy], "a double that is not flagged"
            self.taken[copy] += 1

    @precondition(lambda self: self.air)
    @rule(data=st.data(), is_heard=OFTEN)
    def answer(self, data: st.DataObject, is_heard: bool) -> None:
        """The next hop's answer arrives, or it is lost."""
        air = data.draw(st.sampled_from(self.air))
        self.air.remove(air)
        self.hear(air, is_heard)

    def hear(self, air: Air, is_heard: bool) -> None:
        air.flight.record([OUTCOMES[air.fate if is_heard else State.UNKNOWN]])

    @precondition(lambda self: any(not a.is_accepted for a in self.attempts))
    @rule(data=st.data(), is_bounce_taken=OFTEN)
    def reply(self, data: st.DataObject, is_bounce_taken: bool) -> None:
        """The customer gets its reply now; what is still in flight goes on without it."""
        attempt = data.draw(st.sampled_from([a for a in self.attempts if not a.is_accepted]))
        self.answer_customer(attempt, is_bounce_taken)

    def answer_customer(self, attempt: Attempt, is_bounce_taken: bool) -> None:
        answer = conclude(attempt.plan.outcomes(), reply_for, has_sender=True)
        if answer.reply.code != 250 or (answer.bounce and not is_bounce_taken):
            self.drop(attempt)
            return
        if answer.bounce:
            attempt.plan.bounced()
            self.told |= {attempt.copies[refusal.index] for refusal in answer.bounce}
        attempt.is_accepted = True
        for copy in attempt.copies:
            assert self.taken[copy] or copy in self.told, "a 250 without a copy"

    # ---- trouble ----------------------------------------------------------------------------

    @rule()
    def tick(self) -> None:
        """The background writer comes round."""
        with suppress(JournalUnwritable, StoreUnavailable):
            self.loop.run_until_complete(self.ledger.persist())
            self.is_unsure = False

    @rule(has_room=OFTEN, is_there=OFTEN)
    def trouble(self, has_room: bool, is_there: bool) -> None:
        """The disk fills or is emptied, the store goes away or comes back."""
        self.disk.is_full, self.store.is_away = not has_room, not is_there

    @rule()
    def kill(self) -> None:
        """kill -9 and a new start.

        An end that was not written yet may be lost, which makes the customer's next mail with the
        same bytes look like a retry; so the model then sends another edition.
        """
        self.disk.kill()
        self.attempts.clear()
        self.air.clear()
        self.store.is_away = False
        self.disk = Disk(self.folder, octets=400)
        self.ledger = Ledger(self.store, self.disk, lambda: 0.0)
        self.loop.run_until_complete(self.ledger.open())
        self.edition += self.is_unsure
        self.is_unsure = False


Machine.TestCase.settings = settings(max_examples=200, stateful_step_count=50, deadline=None)
TestLedgerMachine = Machine.TestCase

"""The ledger: a customer's retry sends only what is missing, and never a double unflagged.

`Ledger.plan` tells for each recipient of a message whether to send it; the `Plan` it gives is the
one place where copies are begun, recorded and ended (see `plan.py`). The latest plan that deals
with an entry owns it, in memory; what is not a plain success, or whose 250 was not surely seen,
is kept in the durable store for 5 days. A plain success touches no store and leaves nothing
behind. `run()` writes in the background, 20 times a second, whatever has gathered; until then the
intent file stands in, so no reply has to wait for it. Where other processes may get the retry, an
entry is claimed in `Flights` first, and let go when the records say what is so. `plan` raises
`StoreUnavailable` when a retry cannot be checked; it does not decide the reply (`verdict.py`) and
sends nothing itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from typing import assert_never

from gateway.errors import JournalUnwritable, StoreUnavailable
from gateway.ledger.entry import KEEP_SECONDS, Entry, LedgerStore, entry_keys
from gateway.ledger.flights import Flights, Found
from gateway.ledger.intents import Intents
from gateway.ledger.plan import LOST, Plan
from gateway.relay.outcome import Outcome, State
from policies.ports import Clock

WRITE_EVERY, PURGE_EVERY = 0.05, 3600.0
"""Seconds."""


class Ledger:
    """The entries of one process. `open()` first, `run()` as a task, `close()` last."""

    def __init__(
        self, store: LedgerStore, intents: Intents, clock: Clock, flights: Flights | None = None
    ) -> None:
        """`flights` only where other processes may get a customer's retry."""
        self.intents = intents
        self.flights = flights
        self.owners: dict[bytes, Plan] = {}
        self._store = store
        self._clock = clock
        self._stored: set[bytes] = set()
        self._unsaved: dict[bytes, Entry] = {}
        self._ended: set[bytes] = set()
        self._over: list[str] = []
        self._left: set[bytes] = set()
        """Entries that a plan here has let go, while `flights` has them still."""
        self._replayed: list[bytes] = []

    async def open(self) -> int:
        """Take up what earlier processes left; how many copies' fate a crash left open.

        Raises `StoreUnavailable`, and `OSError` when the intent file cannot be read.
        """
        self._stored = set(await self._store.load())
        found = self.intents.replay()
        for ref, key, state, reply in found:
            self._unsaved[key] = Entry(key, state, ref, self._clock(), reply)
            self._over.append(ref)
        if self.flights is not None:
            self._replayed = list(self._unsaved)
            with suppress(StoreUnavailable, JournalUnwritable):
                await self.flights.beat()
                await self.persist()
        return len(found)

    async def plan(
        self,
        ref: str,
        stream: str,
        sender: str,
        digest: bytes,
        recipients: Sequence[str],
        wait: float,
    ) -> Plan:
        """What to do about each recipient; waits up to `wait` seconds for copies in flight.

        `stream` is `tenant/stream`, `sender` "" for `<>`, `digest` is `Message.digest`. Every plan
        must be ended by `seen()` or `unseen()`. Raises `StoreUnavailable`.
        """
        plan = Plan(self, ref, entry_keys(stream, sender, digest, recipients))
        if not self.owners.keys().isdisjoint(plan.keys):
            wait = await self._until_settled(plan.keys, wait)
        owned = plan.claim()
        unknown: set[bytes] = set()
        try:
            if self.flights is not None:
                owned, unknown = await self._claim(self.flights, plan, owned, wait)
            doubtful = []
            for key in owned:
                if key in self._unsaved:
                    plan.adopt(self._unsaved[key])
                    unknown.discard(key)
                elif key in self._stored or key in unknown:
                    doubtful.append(key)
            if doubtful:
                await self._ask_store(plan, doubtful, unknown)
        except BaseException:
            if self.flights is not None:
                self.flights.give_back(unknown)
            plan.unseen()
            raise
        return plan

    async def run(self) -> None:
        """Write what gathers, for ever; trouble with disk or store is tried again."""
        since_purge = 0.0
        while True:
            await asyncio.sleep(WRITE_EVERY)
            since_purge += WRITE_EVERY
            with suppress(StoreUnavailable, JournalUnwritable):
                await self.persist()
                if since_purge >= PURGE_EVERY:
                    since_purge = 0.0
                    await self.purge()

    async def close(self) -> None:
        """Write what is left. Raises `StoreUnavailable` or `JournalUnwritable`."""
        try:
            await self.persist()
        finally:
            self.intents.close()

    async def persist(self) -> None:
        """Bring file and store up to date, and tell others what is over; one caller at a time.

        Raises `JournalUnwritable` or `StoreUnavailable`; what was not written is kept for later.
        """
        if self._replayed and self.flights is not None:
            await self._take_up(self.flights)
        try:
            await self._save()
        finally:
            if self.flights is not None:
                await self._let_go(self.flights)

    async def purge(self) -> None:
        """Drop the entries that no retry will ask for any more; never beside `persist`."""
        await self._store.purge(self._clock() - KEEP_SECONDS)
        self._stored = set(await self._store.load()) - self._ended

    # ---- for plans ------------------------------------------------------------------------

    def keep(self, key: bytes, ref: str, outcome: Outcome) -> None:
        """A retry will have to know this."""
        reply = outcome.reply if outcome.state is State.REFUSED else None
        self._unsaved[key] = Entry(key, outcome.state, ref, self._clock(), reply)

    def forget(self, key: bytes) -> None:
        """The customer has seen the 250: the same bytes again are a new mail."""
        if self._unsaved.pop(key, None) is not None or key in self._stored:
            self._stored.discard(key)
            self._ended.add(key)

    def over(self, ref: str) -> None:
        """Close `ref` in the intent file as soon as what was kept of it is saved."""
        self._over.append(ref)

    def left(self, keys: Iterable[bytes]) -> None:
        """A plan deals with these no more: other processes may as soon as the records are right."""
        if self.flights is not None:
            self._left.update(keys)

    # ---- inside ---------------------------------------------------------------------------

    async def _claim(
        self, flights: Flights, plan: Plan, keys: Sequence[bytes], wait: float
    ) -> tuple[list[bytes], set[bytes]]:
        """The keys that no other process deals with, and those of them whose owner died."""
        mine, unknown = [], set()
        for key, found in zip(keys, await flights.claim(keys, wait), strict=True):
            match found:
                case Found.BUSY:
                    plan.leave(key)
                    continue
                case Found.STORED:
                    self._stored.add(key)
                case Found.UNKNOWN:
                    unknown.add(key)
                case Found.FREE | Found.OURS | Found.OVER:
                    pass
                case never:
                    assert_never(never)
            mine.append(key)
        return mine, unknown

    async def _ask_store(self, plan: Plan, keys: Sequence[bytes], unknown: set[bytes]) -> None:
        """Go by the entries; what has none is over, or `unknown` when its owner died."""
        entries = {entry.key: entry for entry in await self._store.find(keys)}
        for key in keys:
            if key in entries:
                self._stored.add(key)
                plan.adopt(entries[key])
            else:
                self._stored.discard(key)
                if key in unknown:
                    self.keep(key, plan.ref, LOST)
                    plan.adopt(self._unsaved[key])
        unknown.clear()
        plan.wake()

    async def _save(self) -> None:
        """Bring file and store up to date."""
        self.intents.flush()
        if not (self._unsaved or self._ended or self._over):
            return
        entries, ended, over = dict(self._unsaved), self._ended, self._over
        self._ended, self._over = set(), []
        try:
            if ended:
                await self._store.end(list(ended))
            if entries:
                await self._store.save(list(entries.values()))
        except BaseException:
            self._ended |= ended
            self._over = over + self._over
            raise
        for key, entry in entries.items():
            if self._unsaved.get(key) is entry:
                del self._unsaved[key]
            if key not in self._ended:
                self._stored.add(key)
        for ref in over:
            self.intents.end(ref)
        self.intents.flush()

    async def _let_go(self, flights: Flights) -> None:
        """Tell others of entries that nobody here deals with and the records are right about."""
        waiting = self._unsaved.keys() | self._ended
        for key in self._left - waiting:
            if key not in self.owners:
                flights.end(key, key in self._stored)
        self._left &= waiting
        await flights.flush()

    async def _take_up(self, flights: Flights) -> None:
        """Own what an earlier process of ours left, unless others have dealt with it since."""
        stored = []
        keys = [key for key in self._replayed if key in self._unsaved and key not in self.owners]
        for key, found in zip(keys, await flights.take_up(keys), strict=True):
            if found in (Found.BUSY, Found.OVER):
                self._unsaved.pop(key, None)
            elif found is Found.STORED and self._unsaved[key].state is State.UNKNOWN:
                stored.append(key)
        if stored:
            for known in await self._store.find(stored):
                self._unsaved.pop(known.key, None)
                self._stored.add(known.key)
        self.left(self._replayed)
        self._replayed = []

    async def _until_settled(self, keys: Collection[bytes], wait: float) -> float:
        """Wait until no plan here is about to settle one of `keys`; the seconds that are left."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + wait
        with suppress(TimeoutError):
            async with asyncio.timeout_at(deadline):
                while busy := next((p for k in keys if (p := self.in_flight(k))), None):
                    await busy.change()
        return max(0.0, deadline - loop.time())

    def in_flight(self, key: bytes) -> Plan | None:
        """The plan that is about to settle `key`, if any."""
        owner = self.owners.get(key)
        return owner if owner is not None and not owner.has_settled(key) else None

"""Flights in Redis: which worker of which node deals with an entry of the ledger.

    flights = RedisFlights(calls, keys, node, worker, start, store.load)
    ledger = Ledger(store, intents, clock, flights)     # opens, claims, ends
    keep_running("flights", flights.run, ...)           # says once a second that we live

Entries are spread over sixteen slots; each slot is one hash, so that it is there as a whole or not
at all, and nothing in it can be evicted:

| field | value |
|---|---|
| `=<entry>` | `F...` in flight; since when the records may have it (`S<when>`), it is unknown |
| | (`U<when>`), or it is over although it was unknown (`E<when>`) |
| `@<node>/<worker>` | which start of that worker lives, and until when |
| `#epoch`, `#opens`, `#life` | whose data this is, when it opens, when it began |
| `#whole` | whether `S` is complete |

An owner that has not said for `ALIVE` seconds that it lives is dead, and at once when the same
worker has started again: its flights are then *unknown*. When Redis has lost its data, or another
server took over, nobody is granted anything for `CLOSED` seconds, while the living say again what
they have; from then on the records answer for what has no mark, until all their entries have been
marked again. `start` is a word that no other start of this worker has.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from time import monotonic
from typing import Any

import hiredis

from gateway.errors import StoreUnavailable
from gateway.ledger.entry import KEEP_SECONDS
from gateway.ledger.flights import Found
from gateway.state.redis.calls import Calls
from gateway.state.redis.keys import SHARDS, Keys
from gateway.state.redis.scripts import Script, load
from gateway.state.redis.wire import Arg
from policies.ports import Clock

Items = Mapping[bytes, tuple[int, str]]
"""By entry: the number of its claim, and a letter."""
Asked = Mapping[int, Sequence[Arg]]
"""Arguments of a script by shard."""

ALIVE, CLOSED, BEAT_EVERY = 10.0, 3.0, 1.0
MARGIN = 0.5
"""Seconds before `ALIVE` is over that nothing is sent any more."""
FIRST_LOOK, LAST_LOOK = 0.05, 0.5
"""Seconds between two looks at an entry that another has."""
LAST_WAIT = 2.0
"""Seconds that a stopping worker waits for what the records are just asked."""
_SEEDED_AT_ONCE = 500
_MOVED = -1


@dataclass(frozen=True, slots=True)
class Heard:
    """Answers by shard, and why some are missing."""

    answers: dict[int, Any]
    problem: StoreUnavailable | None

    def all(self) -> dict[int, Any]:
        """Every answer; raises the problem if there was one."""
        if self.problem is not None:
            raise self.problem
        return self.answers


class RedisFlights:
    """The entries that this worker deals with, asked on the loop of `calls`."""

    def __init__(
        self,
        calls: Calls,
        keys: Keys,
        node: str,
        worker: int,
        start: str,
        stored: Callable[[], Awaitable[Iterable[bytes]]],
        alive: float = ALIVE,
        closed: float = CLOSED,
        clock: Clock = monotonic,
    ) -> None:
        """`stored` gives the keys of all entries in the records; `clock` never jumps."""
        self._calls = calls
        self._slots = [keys.flights(shard) for shard in range(SHARDS)]
        self._owner, self._start = f"{node}/{worker}", start
        self._stored = stored
        self._alive, self._closed = alive, round(closed * 1000)
        self._clock = clock
        self._alive_until = [0.0] * SHARDS
        self._numbers = count(1)
        self._held: dict[bytes, tuple[int, str]] = {}
        """Number of the claim and what it found, of every entry that is ours."""
        self._ends: dict[bytes, tuple[int, str]] = {}
        """What is let go: number, and what is left of it; kept until Redis has heard it."""
        self._flushing = asyncio.Lock()
        self._seeding: asyncio.Task[None] | None = None
        self._claim = load("flight_claim", wants_epoch=True)
        self._end = load("flight_end")
        self._beat = load("flight_beat", wants_epoch=True)
        self._seed = load("flight_seed", wants_epoch=True)

    # ---- for the ledger -----------------------------------------------------------------------

    async def claim(self, keys: Sequence[bytes], wait: float) -> Sequence[Found]:
        """See `gateway.ledger.flights.Flights`."""
        return await self._own(keys, wait, waits=True)

    def check(self, keys: Sequence[bytes]) -> None:
        """See `gateway.ledger.flights.Flights`."""
        now = self._clock()
        for key in keys:
            if now >= self._alive_until[_shard(key)]:
                raise StoreUnavailable("Redis: others may take this worker for dead")

    def end(self, key: bytes, is_stored: bool) -> None:
        """See `gateway.ledger.flights.Flights`."""
        if held := self._held.pop(key, None):
            self._ends[key] = (held[0], "S" if is_stored else "-")

    def give_back(self, keys: Iterable[bytes]) -> None:
        """See `gateway.ledger.flights.Flights`."""
        for key in keys:
            if held := self._held.pop(key, None):
                self._ends[key] = (held[0], "=")

    async def take_up(self, keys: Sequence[bytes]) -> Sequence[Found]:
        """See `gateway.ledger.flights.Flights`."""
        return await self._own(keys, self._closed / 1000 + LAST_LOOK, waits=False)

    async def flush(self) -> None:
        """See `gateway.ledger.flights.Flights`."""
        async with self._flushing:
            ends = dict(self._ends)
            about = (self._owner, self._start)
            asked = {shard: (*about, *words) for shard, words in _words(ends).items()}
            heard = await self._hear(self._end, asked)
            for key, end in ends.items():
                if _shard(key) in heard.answers and self._ends.get(key) is end:
                    del self._ends[key]
            heard.all()

    async def beat(self) -> None:
        """See `gateway.ledger.flights.Flights`."""
        now = self._clock()
        life: tuple[Arg, ...] = (self._owner, self._start, round(self._alive * 1000), KEEP_SECONDS)
        held = _words(self._held)
        heard = await self._ask(
            self._beat, {shard: (*life, *held.get(shard, ())) for shard in range(SHARDS)}
        )
        due: dict[int, bytes] = {}
        for shard, (_left, which) in heard.answers.items():
            self._alive_until[shard] = now + self._alive - MARGIN
            if which:
                due[shard] = which
        if due and (self._seeding is None or self._seeding.done()):
            self._seeding = asyncio.get_running_loop().create_task(self._mark(due))
        heard.all()

    async def run(self) -> None:
        """Beat for ever, and at once when a server is back: its pause after a loss begins so.

        Trouble is tried again.
        """
        news = self._calls.news
        while True:
            seen = news.count
            with suppress(StoreUnavailable):
                await self.beat()
            await news.after(seen, BEAT_EVERY)

    @property
    def held(self) -> int:
        """How many entries are ours now."""
        return len(self._held)

    @property
    def untold(self) -> list[bytes]:
        """Entries that were let go and that Redis has not heard of yet."""
        return list(self._ends)

    async def close(self) -> None:
        """End what is under way; what asks the records gets a moment to have its answer."""
        if self._seeding is not None:
            await asyncio.wait((self._seeding,), timeout=LAST_WAIT)
            self._seeding.cancel()
            await asyncio.gather(self._seeding, return_exceptions=True)

    async def seeded(self) -> None:
        """Wait until what this worker was told to mark is marked, or has failed to be."""
        if self._seeding is not None:
            await self._seeding

    # ---- inside -------------------------------------------------------------------------------

    async def _own(self, keys: Sequence[bytes], wait: float, waits: bool) -> Sequence[Found]:
        """Claim until no other has one of them, or for `wait` seconds; see `claim`."""
        # What is ours already is the ledger's own affair: it knows more than Redis does.
        wanted = [key for key in keys if key not in self._held]
        if not self._ends.keys().isdisjoint(wanted):
            await self.flush()
        deadline, pause = self._clock() + wait, FIRST_LOOK
        letters: Mapping[bytes, str] = {}
        while wanted:
            self.check(wanted)
            is_over = self._clock() >= deadline
            is_last = is_over or not waits
            letters, opens = await self._try(wanted, is_last)
            is_busy = Found.BUSY.value in letters.values()
            if not opens and (is_last or not is_busy):
                break
            self.give_back(letters)
            await self.flush()
            if is_over:
                raise StoreUnavailable("Redis: flights are being gathered after a loss")
            left = max(0.0, deadline - self._clock())
            await asyncio.sleep(min(max(pause, opens / 1000), left))
            pause = min(2 * pause, LAST_LOOK)
        return [Found(letters.get(key, Found.OURS)) for key in keys]

    async def _try(self, keys: Sequence[bytes], is_last: bool) -> tuple[dict[bytes, str], int]:
        """A letter for each key that was looked at, and the ms until closed slots open."""
        number = next(self._numbers)
        groups = _by_shard(keys)
        about: tuple[Arg, ...] = (self._owner, self._start, number, int(is_last))
        try:
            asked = {shard: (*about, *group) for shard, group in groups.items()}
            answers = (await self._ask(self._claim, asked)).all()
        except BaseException:
            # Perhaps it was carried out: whatever was there before is to be there again.
            self._ends |= dict.fromkeys(keys, (number, "="))
            raise
        letters: dict[bytes, str] = {}
        opens = 0
        for shard, (left, *found) in answers.items():
            opens = max(opens, left)
            texts = [letter.decode() for letter in found]
            letters |= dict(zip(groups[shard], texts, strict=False))
            if is_last or "B" not in texts:
                taken = zip(groups[shard], texts, strict=False)
                self._held |= {key: (number, letter) for key, letter in taken if letter != "B"}
        return letters, opens

    async def _mark(self, lives: Mapping[int, bytes]) -> None:
        """Mark what the records have, while it is this life of each shard; whoever is told to do so
        next begins anew."""
        with suppress(StoreUnavailable):
            groups = _by_shard(await self._stored())
            for shard, life in lives.items():
                group = groups.get(shard, [])
                for first in range(0, len(group) or 1, _SEEDED_AT_ONCE):
                    part = group[first : first + _SEEDED_AT_ONCE]
                    is_last = first + _SEEDED_AT_ONCE >= len(group)
                    await self._calls.run(
                        self._seed, [self._slots[shard]], [life, int(is_last), *part]
                    )

    async def _ask(self, script: Script, asked: Asked) -> Heard:
        """Answers of a script that first looks whose data this is.

        The epoch is learnt anew when it is not as the server was when we connected.
        """
        heard = await self._hear(script, {s: (0, self._closed, *asked[s]) for s in asked})
        moved = [shard for shard, answer in heard.answers.items() if answer[0] == _MOVED]
        if not moved:
            return heard
        await asyncio.gather(*(self._calls.learn(self._slots[shard]) for shard in moved))
        again = await self._hear(script, {s: (1, self._closed, *asked[s]) for s in moved})
        return Heard(heard.answers | again.answers, heard.problem or again.problem)

    async def _hear(self, script: Script, asked: Asked) -> Heard:
        """The answer of each shard to its call; all go out together."""
        calls = [
            self._calls.send_script(script, [self._slots[shard]], words)
            for shard, words in asked.items()
        ]
        answers: dict[int, Any] = {}
        problem = None
        if len(calls) > 1:
            await asyncio.gather(*calls, return_exceptions=True)
        for shard, call in zip(asked, calls, strict=True):
            try:
                answer = await call
            except StoreUnavailable as trouble:
                problem = trouble
            else:
                if isinstance(answer, hiredis.ReplyError):
                    problem = StoreUnavailable(f"Redis: {answer}")
                else:
                    answers[shard] = answer
        return Heard(answers, problem)


def _shard(key: bytes) -> int:
    return key[0] % SHARDS


def _by_shard(keys: Iterable[bytes]) -> dict[int, list[bytes]]:
    groups: dict[int, list[bytes]] = {}
    for key in keys:
        groups.setdefault(_shard(key), []).append(key)
    return groups


def _words(items: Items) -> dict[int, list[Arg]]:
    """Entry, number and letter of each item, one after the other, by shard."""
    return {
        shard: [word for key in keys for word in (key, *items[key])]
        for shard, keys in _by_shard(items).items()
    }

"""What one transaction holds in Redis: a batch, octets set aside, counts, its mailing.

Implements `policies.claims.Hold`. A claim is one script in the tenant's slot and, with the first
one, the platform's marks in the same write. A batch is good until `good_until` by our monotonic
clock, which is sooner than Redis lets another have it. Whoever waits is in the line in Redis; of
this process only the first asks there, every `POLL` seconds or when a batch came free here.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from gateway.errors import StoreUnavailable
from gateway.state.redis.scripts import load
from gateway.state.redis.wire import Arg, NotDone
from policies.claims import BatchClaim, Claim, CountClaim, Granted, OctetsClaim
from policies.ports import Shortage
from policies.terms import DAY

if TYPE_CHECKING:  # which makes these
    from gateway.state.redis.holds import RedisHolds, TenantHolds

POLL = 0.02
"""Seconds between two questions of the first in line."""
MOST_TRIES = 4
DONE, WAIT, BROKEN, NOT_YET = range(4)
NOT_RENEWED = "the batch could not be renewed in time"
FIRST_ANSWER = 6
"""Where the answers to claims begin; each has four numbers."""

CLAIM = load("claim", wants_epoch=True)
SETTLE = load("settle", wants_epoch=True)
LEAVE = load("leave")

Note = tuple[str, int, int]
"""Window's name, count, seconds."""


class RedisHold:
    """All that one transaction holds."""

    __slots__ = (
        "_holds",
        "_is_sent",
        "_is_unsure",
        "_knows_contended",
        "_life",
        "_lost",
        "_notes",
        "_now",
        "_octets",
        "_on_contended",
        "_on_lost",
        "_stream",
        "_tenant",
        "good_until",
        "has_batch",
        "id",
        "is_settled",
        "mailing",
    )

    def __init__(
        self,
        holds: RedisHolds,
        tenant: TenantHolds,
        id: str,
        stream: str,
        now: float,
        on_contended: Callable[[bool], None],
        on_lost: Callable[[], None],
    ) -> None:
        self.id = id
        self.mailing = ""
        self.has_batch = False
        self.good_until = 0.0
        """By `time.monotonic`."""
        self._holds = holds
        self._tenant = tenant
        self._stream = stream
        self._now = now
        self._on_contended = on_contended
        self._on_lost = on_lost
        self._octets: dict[str, int] = {}
        self._notes: list[Note] = []
        self._is_unsure = False
        self._life = 0
        self.is_settled = False
        self._is_sent = False
        self._knows_contended = False
        self._lost = False

    # ---- what policies.claims.Hold says --------------------------------------------------------

    async def claim(self, claims: Sequence[Claim]) -> Sequence[Granted]:
        """One answer for each claim, in order, through the first that is refused for good."""
        if self.is_settled:
            raise StoreUnavailable("the transaction is over: nothing can be claimed for it")
        if self._lost:
            raise StoreUnavailable(NOT_RENEWED)
        if not claims and self.mailing:
            return ()
        state = DONE
        try:
            state, answers = await self._ask(claims)
            if state == WAIT:
                answers += await self._wait(_rest(claims, answers))
        except BaseException as problem:
            # What was granted to one who does not know of it would be nobody's for a lease's time.
            is_known = isinstance(problem, NotDone) and state == DONE and not self._is_unsure
            if not is_known and any(isinstance(claim, BatchClaim) for claim in claims):
                self._leave()
            raise
        return answers

    def note(self, key: str, count: int, seconds: int) -> None:
        """Count something without a limit, with the next claim or when settled."""
        name = f"rate:{key}"
        for place, (noted, before, length) in enumerate(self._notes):
            if (noted, length) == (name, seconds):
                self._notes[place] = (name, before + count, seconds)
                return
        self._notes.append((name, count, seconds))

    def check(self) -> None:
        """Raise `StoreUnavailable` when a batch that was granted may be another's by now."""
        if self.has_batch and (self._lost or time.monotonic() >= self.good_until):
            raise StoreUnavailable(NOT_RENEWED)

    async def settle(self, octets: int) -> dict[str, int]:
        """Give everything back; what every window of octets that was claimed holds now, by key."""
        if self.is_settled:
            return {}
        self.is_settled = True
        if not (self.has_batch or self._octets or self._notes or self._is_unsure):
            return {}
        self._tenant.forget(self)
        settlement = Settlement(
            self._tenant, self.id, self._life, octets, tuple(self._octets), self._notes
        )
        return await self._holds.settle(settlement)

    # ---- what `holds` asks and says ------------------------------------------------------------

    @property
    def record(self) -> str:
        """What it has, as the scripts write it; "" when that may be another's by now."""
        if self.has_batch and time.monotonic() >= self.good_until:
            return ""
        lines = [f"{octets} {name}" for name, octets in self._octets.items()]
        return "\n".join([f"{int(self.has_batch)}{'!' * self._is_sent}", *lines])

    def tell(self, contended: bool) -> None:
        """Tell that the line started or ended, unless that is known."""
        if self.has_batch and contended is not self._knows_contended:
            self._knows_contended = contended
            self._on_contended(contended)

    def renewed(self, sent: float, life: int) -> None:
        """Its lease was renewed, in this life of its tenant's hash, by what was sent at `sent`
        (monotonic)."""
        self._life = life
        self.good_until = max(self.good_until, sent + self._holds.good_for)

    def lose_if_late(self) -> None:
        """Lose its batch when its lease was not renewed in time."""
        if not self.is_settled and time.monotonic() >= self.good_until:
            self.lose()

    def lose(self) -> None:
        """Its batch may be another's: say so, once, and claim it no longer."""
        if self.has_batch and not self._lost:
            self._lost = True
            self._tenant.forget(self)
            self._on_lost()

    # ---- inside --------------------------------------------------------------------------------

    async def _ask(
        self, claims: Sequence[Claim], until: float = 0.0, in_line: bool = False
    ) -> tuple[int, list[Granted]]:
        """What the script says to these claims: DONE or WAIT, and answers."""
        loop = asyncio.get_running_loop()
        batch = next((claim for claim in claims if isinstance(claim, BatchClaim)), None)
        if not until:
            until = loop.time() + (batch.wait if batch else 0.0)
        tries = 0
        while True:
            notes, self._notes = self._notes, []
            try:
                sent, answer = await self._send(claims, notes, until > loop.time(), in_line)
            except BaseException as problem:
                # While Redis is away nothing is to be told later of all that could not begin.
                self._is_unsure = self._is_unsure or not isinstance(problem, NotDone)
                self._notes = notes + self._notes
                raise
            match answer[0]:
                case 2:  # BROKEN
                    self._notes = notes + self._notes
                    tries += 1
                    if tries == MOST_TRIES:
                        raise StoreUnavailable("Redis: what is held changes hands")
                    await self._holds.heal(self._tenant)
                    if self._lost:
                        raise StoreUnavailable(NOT_RENEWED)
                case 3:  # NOT_YET
                    self._notes = notes + self._notes
                    left = until - loop.time()
                    if left <= 0:
                        raise StoreUnavailable("Redis: no batch yet, it has just lost what it held")
                    await asyncio.sleep(min(cast(int, answer[4]) / 1000 + 0.001, left))
                case _:
                    is_first = not self.mailing
                    answers = self._take(claims, sent, answer)
                    if is_first and self._tenant.ended(self._stream):
                        self.mailing = ""
                        await self._name()
                    return cast(int, answer[0]), answers

    async def _name(self) -> None:
        """Have another mailing begin: a case has ended the one at hand."""
        sent, answer = await self._send((), (), False, False)
        if answer[0] != DONE:
            raise StoreUnavailable("Redis: what is held changes hands")
        self._take((), sent, answer)

    async def _send(
        self, claims: Sequence[Claim], notes: Sequence[Note], wants_to_wait: bool, in_line: bool
    ) -> tuple[float, list[object]]:
        """The script's answer and when (monotonic) it was sent."""
        holds, keys = self._holds, self._tenant.keys
        is_first = not self.mailing
        windows = [keys.holds, keys.leases, keys.line, keys.expired, keys.mailings, keys.dirty]
        words: list[Arg] = [
            holds.marks.generation,
            holds.clock(),
            holds.milliseconds,
            self.id,
            2 if self.has_batch or self._octets else int(in_line),
        ]
        if is_first:
            words += (self._stream, *self._tenant.mailings(self._stream, self._now))
        else:
            words += ("", "", "")
        words += (self._now, len(claims))
        for claim in claims:
            match claim:
                case OctetsClaim(key, base, each, units, limit, is_observed, is_sent):
                    name = f"bytes:{key}"
                    windows.append(keys.window(name, DAY))
                    kind = "s" if is_sent else "o"
                    words += (kind, name, base, each, units, limit, DAY, int(is_observed), 0)
                case CountClaim(key, units, limit, seconds, is_observed):
                    name = f"rate:{key}"
                    windows.append(keys.window(name, seconds))
                    words += ("c", name, 0, 0, units, limit, seconds, int(is_observed), 0)
                case BatchClaim(limit, wait, is_observed):
                    waits = int(wants_to_wait and wait > 0)
                    words += ("b", "", 0, 0, 1, limit, 0, int(is_observed), waits)
        for name, count, seconds in notes:
            windows.append(keys.window(name, seconds))
            words += (name, count, seconds)
        marks = holds.marks.ask() if is_first else None
        sent = time.monotonic()
        answer = cast("list[object]", await holds.calls.run(CLAIM, windows, words))
        if marks is not None:
            was_unsure, self._is_unsure = self._is_unsure, True
            if not await holds.marks.read(marks):
                return sent, [BROKEN]
            self._is_unsure = was_unsure
        return sent, answer

    def _take(
        self, claims: Sequence[Claim], sent: float, answer: Sequence[object]
    ) -> list[Granted]:
        """Take over what was granted; the answers to the claims that were reached."""
        numbers = cast("Sequence[int]", answer)
        answers = []
        for place, claim in enumerate(claims[: (len(numbers) - FIRST_ANSWER) // 4]):
            at = FIRST_ANSWER + 4 * place
            units, kind, used, free_at = numbers[at : at + 4]
            shortage = None
            if kind:
                shortage = Shortage(used, claim.limit, float(free_at) if kind == 1 else None)
            answers.append(Granted(units, shortage))
            match claim:
                case BatchClaim() if units:
                    self.has_batch = True
                case OctetsClaim() if units or not kind:
                    name = f"bytes:{claim.key}"
                    octets = claim.base + units * claim.each
                    self._octets[name] = max(octets, self._octets.get(name, 0))
                    self._is_sent = self._is_sent or claim.is_sent
                case _:
                    pass
        if self.has_batch or self._octets:
            self.good_until = max(self.good_until, sent + self._holds.good_for)
            self._life = cast(int, answer[5])
            self._tenant.keep(self)
        if not self.mailing:
            self.mailing = cast(bytes, answer[3]).decode()
            self._tenant.remember_mailing(self._stream, self.mailing)
        self._tenant.hear_waiting(numbers[2])
        return answers

    async def _wait(self, claims: Sequence[Claim]) -> list[Granted]:
        """The answers once the batch, the first claim, is granted or was waited for in vain."""
        loop = asyncio.get_running_loop()
        wait = cast(BatchClaim, claims[0]).wait
        until = loop.time() + wait
        line = self._tenant.line
        place = line.join()
        try:
            while True:
                if (left := until - loop.time()) > 0:
                    await place.rest(min(left, POLL) if line.is_first(place) else left)
                state, answers = await self._ask(claims, until, in_line=True)
                if state == DONE:
                    answers[0] = replace(answers[0], has_waited=True)
                    return answers
        finally:
            line.leave(place)

    def _leave(self) -> None:
        """Leave the line, and give back a batch that came meanwhile, without waiting for it."""
        keys = self._tenant.keys
        self.has_batch = False
        self._is_unsure = True
        if not self._octets:
            self._tenant.forget(self)
        held = [keys.holds, keys.leases, keys.line]
        left = self._holds.calls.send_script(LEAVE, held, [self.id])
        left.add_done_callback(self._tenant.hear_left)


class Settlement:
    """What is to be told at a transaction's end until Redis has surely heard it."""

    __slots__ = ("_life", "_notes", "_octets", "_tenant", "_windows", "id")

    def __init__(
        self,
        tenant: TenantHolds,
        id: str,
        life: int,
        octets: int,
        windows: tuple[str, ...],
        notes: Sequence[Note],
    ) -> None:
        self.id = id
        self._tenant = tenant
        self._octets = octets
        self._windows = windows
        self._notes = notes
        self._life = life
        """In which life of the tenant's hash Redis surely knew of the hold: where it is not there
        any more, an earlier try was carried out."""

    @property
    def tenant(self) -> TenantHolds:
        """Whose it is."""
        return self._tenant

    async def tell(self, holds: RedisHolds) -> dict[str, int]:
        """Tell it; what the windows hold now, by key. Raises StoreUnavailable."""
        keys = self._tenant.keys
        held = [keys.holds, keys.leases, keys.line, keys.expired, keys.dirty]
        held += [keys.window(name, DAY) for name in self._windows]
        held += [keys.window(name, seconds) for name, _, seconds in self._notes]
        notes: list[Arg] = [word for note in self._notes for word in note]
        for _ in range(MOST_TRIES):
            words: list[Arg] = [holds.marks.generation, holds.clock(), self.id, self._life]
            words += (self._octets, len(self._windows), *self._windows, *notes)
            answer = cast("list[int]", await holds.calls.run(SETTLE, held, words))
            if answer[0] != BROKEN:
                self._tenant.line.wake()
                used = zip(self._windows, answer[1:], strict=True)
                return {name.partition(":")[2]: octets for name, octets in used}
            await holds.heal(self._tenant)
        raise StoreUnavailable("Redis: what is held changes hands")


def _rest(claims: Sequence[Claim], answers: Sequence[Granted]) -> list[Claim]:
    """The claims not answered yet, capped by those that were not granted in full."""
    cap = None
    for claim, granted in zip(claims, answers, strict=False):
        if granted.shortage is not None and not claim.is_observed:
            cap = granted.units if cap is None else min(cap, granted.units)
    rest = claims[len(answers) :]
    if cap is None:
        return list(rest)
    return [
        claim if isinstance(claim, BatchClaim) else replace(claim, units=min(claim.units, cap))
        for claim in rest
    ]

"""What all transactions of this process hold in Redis; renews their leases every second.

Implements `policies.claims.Holds`. `look_after` runs for ever: it renews, tells holders of the
line, tells again what could not be told at an end, makes new tenants' hashes, and notices that the
server or its database has lost what was held before the first MAIL meets it.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import cast

from gateway.errors import StoreUnavailable
from gateway.state.redis.calls import Calls
from gateway.state.redis.healing import Healing
from gateway.state.redis.hold import BROKEN, RedisHold, Settlement
from gateway.state.redis.keys import Keys, TenantKeys
from gateway.state.redis.line import LocalLine
from gateway.state.redis.marks import Marks
from gateway.state.redis.rates import RATE
from gateway.state.redis.scripts import load
from gateway.state.redis.wire import Arg, Reply
from policies.claims import Usage
from policies.ports import Clock
from policies.terms import DAY

AT_ONCE = 500
"""How many tenants' hashes are made at a time."""

RENEW = load("renew", wants_epoch=True)


class TenantHolds:
    """What this process knows of one tenant."""

    __slots__ = (
        "_is_contended",
        "_is_ended",
        "_mailings",
        "_names",
        "kept",
        "keys",
        "line",
        "name",
    )

    def __init__(self, name: str, keys: TenantKeys, is_ended: Callable[[str], bool]) -> None:
        self.name = name
        self.keys = keys
        self.line = LocalLine()
        self.kept: dict[str, RedisHold] = {}
        """What has to be renewed, by id."""
        self._is_ended = is_ended
        self._mailings: dict[str, str] = {}
        self._names: dict[str, tuple[int, str]] = {}
        self._is_contended = False

    def keep(self, hold: RedisHold) -> None:
        """Renew it from now on."""
        self.kept[hold.id] = hold

    def forget(self, hold: RedisHold) -> None:
        """Renew it no more."""
        self.kept.pop(hold.id, None)

    def hear_waiting(self, waiting: int) -> None:
        """Tell the holders whether anybody waits for a batch, here or elsewhere."""
        self._is_contended = waiting > 0
        for hold in tuple(self.kept.values()):
            hold.tell(self._is_contended)

    def hear_left(self, left: asyncio.Future[Reply]) -> None:
        """Hear how many wait still, from one who does not any more."""
        if not left.cancelled() and left.exception() is None and isinstance(left.result(), int):
            self.hear_waiting(cast(int, left.result()))
            self.line.wake()

    def mailings(self, stream: str, now: float) -> tuple[str, str]:
        """A name for a mailing that might begin at `now`, like `261120-9f3c01ab`, and the stream's
        mailing if a case has ended it. The name stays until it is used: making one takes long."""
        day, name = int(now // DAY), self._names.get(stream)
        if name is None or name[0] != day or name[1] == self._mailings.get(stream):
            text = f"{time.strftime('%y%m%d', time.gmtime(now))}-{secrets.token_hex(4)}"
            name = self._names[stream] = (day, text)
        return name[1], self.ended(stream)

    def ended(self, stream: str) -> str:
        """The stream's mailing as last heard of, if a case has ended it; else ""."""
        mailing = self._mailings.get(stream, "")
        return mailing if mailing and self._is_ended(mailing) else ""

    def remember_mailing(self, stream: str, mailing: str) -> None:
        """Hear which mailing the stream is at."""
        self._mailings[stream] = mailing


class RedisHolds:
    """Makes the holds of all transactions of this process."""

    def __init__(
        self,
        calls: Calls,
        keys: Keys,
        marks: Marks,
        healing: Healing,
        clock: Clock,
        owner: str,
        tenants: Callable[[], Iterable[str]],
        is_ended: Callable[[str], bool],
        lease: float,
    ) -> None:
        """`owner` names this process among all, without a dot. A `lease` lasts so many seconds in
        Redis, counts here for 5/6 of them and is renewed three times in them."""
        self.calls = calls
        self.marks = marks
        self.clock = clock
        self._keys = keys
        self._healing = healing
        self._owner = f"{owner}-{secrets.token_hex(4)}"
        self.milliseconds = int(lease * 1000)
        self.good_for = lease * 5 / 6
        """Seconds after a renewal was sent that its lease may be relied upon."""
        self._every = lease * 0.3
        self._names = tenants
        self._is_ended = is_ended
        self._tenants: dict[str, TenantHolds] = {}
        self.unsettled: dict[str, Settlement] = {}
        """Ends that could not be told yet."""
        self._mending: set[asyncio.Task[None]] = set()
        self._made: set[str] = set()
        self._life: object = None
        self._count = 0

    def open(
        self,
        tenant: str,
        stream: str,
        now: float,
        on_contended: Callable[[bool], None],
        on_lost: Callable[[], None],
    ) -> RedisHold:
        """The hold of a transaction of `stream` (`tenant/name`) that begins at `now`."""
        self._count += 1
        name = f"{self._owner}.{self._count}"
        return RedisHold(self, self.tenant(tenant), name, stream, now, on_contended, on_lost)

    async def usage(self, tenants: Sequence[str]) -> Sequence[Usage]:
        """What each of these tenants has now, in order."""
        asked: list[asyncio.Future[Reply]] = []
        for name in tenants:
            keys, window, now = self._keys.tenant(name), f"bytes:{name}", self.clock()
            asked.append(self.calls.send("HMGET", keys.holds, "n", f"r:{window}"))
            asked.append(self.calls.send("ZCARD", keys.line))
            words: list[Arg] = [now, DAY, 0, "", window]
            held = [keys.window(window, DAY), keys.dirty]
            asked.append(self.calls.send_script(RATE, held, words))
        answers = iter(await asyncio.gather(*asked))
        usages = []
        for counts, waiting, used in zip(answers, answers, answers, strict=True):
            match counts, waiting, used:
                case [bytes() | None as opened, bytes() | None as aside], int(), [int(total), *_]:
                    usages.append(Usage(int(opened or 0), waiting, total + int(aside or 0)))
                case _:
                    raise StoreUnavailable(f"Redis: {counts!r} {waiting!r} {used!r}")
        return usages

    async def settle(self, settlement: Settlement) -> dict[str, int]:
        """Tell it now, or keep it until it could be told and raise."""
        try:
            return await settlement.tell(self)
        except BaseException:
            self.unsettled[settlement.id] = settlement
            raise

    async def heal(self, tenant: TenantHolds) -> None:
        """Make the tenant's hash whole and say what we hold. Raises StoreUnavailable."""
        await self._healing.heal(tenant.name)
        self._made.add(tenant.name)
        await self._renew(tenant)

    async def renew(self) -> None:
        """Renew all leases every second, for ever."""
        while True:
            await asyncio.gather(*(self._renew(tenant) for tenant in self._kept()))
            await asyncio.sleep(self._every)

    async def mend(self) -> None:
        """Notice when a server is back, and every second, what was lost; make it whole, for ever.

        The pause after a loss begins with the first who notices: nobody waits for it to be noticed.
        """
        news = self.calls.news
        while True:
            seen = news.count
            with suppress(StoreUnavailable):
                await self.look()
            await self._settle_again()
            await news.after(seen, self._every)

    async def close(self) -> None:
        """Tell what could not be told yet, if that is possible now, and end what is mended."""
        await self._settle_again()
        for task in tuple(self._mending):
            task.cancel()
        await asyncio.gather(*self._mending, return_exceptions=True)

    async def look(self) -> None:
        """Notice what was lost, and make every tenant's hash whole. Raises StoreUnavailable."""
        if self.calls.takes_unfit():
            await self.marks.renew()
        else:
            await self.marks.refresh()
        life = (self.calls.epochs(), self.marks.generation)
        if life != self._life:
            self._life = life
            self._made.clear()
        waiting = [name for name in self._names() if name not in self._made]
        problems: list[BaseException] = []
        for start in range(0, len(waiting), AT_ONCE):
            tenants = [self.tenant(name) for name in waiting[start : start + AT_ONCE]]
            healed = (self.heal(tenant) for tenant in tenants)
            done = await asyncio.gather(*healed, return_exceptions=True)
            problems += [problem for problem in done if problem is not None]
        if problems:
            raise problems[0]

    # ---- inside --------------------------------------------------------------------------------

    def tenant(self, name: str) -> TenantHolds:
        """What this process knows of one tenant."""
        tenant = self._tenants.get(name)
        if tenant is None:
            tenant = TenantHolds(name, self._keys.tenant(name), self._is_ended)
            self._tenants[name] = tenant
        return tenant

    def _kept(self) -> list[TenantHolds]:
        return [tenant for tenant in self._tenants.values() if tenant.kept]

    async def _renew(self, tenant: TenantHolds) -> None:
        """Renew what the tenant's transactions hold; those that cannot be are told in time."""
        kept = list(tenant.kept.values())
        if not kept:
            return
        keys = tenant.keys
        held = [keys.holds, keys.leases, keys.line, keys.expired]
        words: list[Arg] = [self.marks.generation, self.milliseconds, self._owner]
        for hold in kept:
            words += (hold.id, hold.record)
        sent = time.monotonic()
        try:
            answer = cast("list[int]", await self.calls.run(RENEW, held, words))
            if answer[0] == BROKEN:
                self._heal_later(tenant)
                raise StoreUnavailable("Redis: what is held changes hands")
        except StoreUnavailable:
            self._watch(kept)
            return
        lost = {kept[place - 1].id for place in answer[3:]}
        for hold in kept:
            if hold.id in lost:
                tenant.forget(hold)
                hold.lose()
            else:
                hold.renewed(sent, answer[1])
        tenant.hear_waiting(answer[2])

    def _heal_later(self, tenant: TenantHolds) -> None:
        """Heal it and renew then, without keeping other tenants waiting."""

        async def work() -> None:
            with suppress(StoreUnavailable):
                await self.heal(tenant)

        task = asyncio.create_task(work())
        self._mending.add(task)
        task.add_done_callback(self._mending.discard)

    def _watch(self, holds: Iterable[RedisHold]) -> None:
        """Look again at the moment when the first of them is good for nothing any more."""
        loop = asyncio.get_running_loop()
        for hold in holds:
            left = max(0.0, hold.good_until - time.monotonic())
            loop.call_later(left + 0.001, hold.lose_if_late)

    async def _settle_again(self) -> None:
        """Tell what could not be told; what fails again is kept, and keeps no other waiting."""
        unsettled = tuple(self.unsettled.values())
        for start in range(0, len(unsettled), AT_ONCE):
            part = unsettled[start : start + AT_ONCE]
            await asyncio.gather(*(self._tell_again(settlement) for settlement in part))

    async def _tell_again(self, settlement: Settlement) -> None:
        with suppress(StoreUnavailable):
            await settlement.tell(self)
            self.unsettled.pop(settlement.id, None)

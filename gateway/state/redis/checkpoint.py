"""Once a second, what changed in the tenants' windows and mailings goes from Redis to the records.

One process at a time does it, the leader of the jobs; a second one does no harm. Each tenant has a
set of what the records lack: a member is struck off once what was saved is still what is there.
Nothing is read of a hash that is not whole: it may have less than the records.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import cast

from gateway.errors import StoreUnavailable
from gateway.state.mailings import Mailing
from gateway.state.redis.calls import Calls
from gateway.state.redis.healing import Saved
from gateway.state.redis.keys import Keys
from gateway.state.redis.marks import Marks
from gateway.state.redis.scripts import load
from gateway.state.redis.wire import Arg
from gateway.state.table import Bucket
from gateway.state.window import BUCKETS

EVERY = 1.0
"""Seconds between checkpoints."""
AT_MOST = 500
"""How much of one tenant is saved at a time."""

UNSAVED = load("unsaved", wants_epoch=True)
SAVED = load("saved")


class RedisCheckpoint:
    """Saves what has changed."""

    def __init__(
        self,
        calls: Calls,
        keys: Keys,
        marks: Marks,
        saved: Saved,
        tenants: Callable[[], Iterable[str]],
    ) -> None:
        self._calls = calls
        self._keys = keys
        self._marks = marks
        self._saved = saved
        self._tenants = tenants

    async def save(self) -> None:
        """Save what has changed, of all tenants that can be read. Raises `StoreUnavailable` when
        one could not; nothing is forgotten by it."""
        reading = (self._changed(name) for name in self._tenants())
        read = await asyncio.gather(*reading, return_exceptions=True)
        parts = [part for part in read if isinstance(part, _Part)]
        if parts:
            await self._saved.save(
                [bucket for part in parts for bucket in part.buckets],
                [mailing for part in parts for mailing in part.mailings],
            )
            await asyncio.gather(*(self._calls.run(SAVED, part.keys, part.words) for part in parts))
        for problem in read:
            if isinstance(problem, BaseException):
                raise problem

    async def run(self) -> None:
        """Save every second, for ever."""
        while True:
            await asyncio.sleep(EVERY)
            with suppress(StoreUnavailable):
                await self.save()

    async def _changed(self, tenant: str) -> _Part | None:
        """What of a tenant the records lack, if anything."""
        keys = self._keys.tenant(tenant)
        found = await self._calls.do("SRANDMEMBER", keys.dirty, AT_MOST)
        if not found:
            return None
        members = [member.decode() for member in cast("list[bytes]", found)]
        streams = [member[2:] for member in members if member.startswith("m ")]
        marks = [_Mark(member) for member in members if not member.startswith("m ")]
        windows = [keys.window(mark.name, mark.seconds) for mark in marks]
        words: list[Arg] = [self._marks.generation, len(streams), *streams]
        words += [mark.number for mark in marks]
        held = [keys.holds, keys.leases, keys.mailings, *windows]
        answer = cast("list[bytes | int | None]", await self._calls.run(UNSAVED, held, words))
        if answer[0] != 0:
            return None
        texts = cast("list[bytes | None]", answer[1:])
        part = _Part([keys.dirty, keys.mailings, *windows])
        part.words.append(len(streams))
        for stream, text in zip(streams, texts, strict=False):
            part.words += (stream, text or b"")
            if text:
                name, started_at, last_at = text.decode().split(" ")
                part.mailings.append(Mailing(stream, name, float(started_at), float(last_at)))
        for mark, amount in zip(marks, texts[len(streams) :], strict=True):
            part.words += (mark.number, amount or b"", mark.member)
            if amount:
                part.buckets.append(Bucket(mark.name, mark.seconds, mark.start, int(amount)))
        return part


class _Mark:
    """A member of the set: `<seconds> <start> <window>`."""

    __slots__ = ("member", "name", "number", "seconds", "start")

    def __init__(self, member: str) -> None:
        seconds, start, self.name = member.split(" ", 2)
        self.member = member
        self.seconds, self.start = int(seconds), int(start)
        self.number = self.start // -(-self.seconds // BUCKETS)


class _Part:
    """What one tenant has to save, and how to strike it off afterwards."""

    __slots__ = ("buckets", "keys", "mailings", "words")

    def __init__(self, keys: list[bytes]) -> None:
        self.keys = keys
        self.words: list[Arg] = []
        self.buckets: list[Bucket] = []
        self.mailings: list[Mailing] = []

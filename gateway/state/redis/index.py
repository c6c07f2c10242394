"""The index of suppressions and consents in Redis: looked up, changed, and built beside itself.

`RedisIndex` knows shards, heads and buckets (`index_layout`); what stands in the records and which
changes are due, its callers know. A shard's head names the log that it follows (`identity`), its
generation, the last change it has (`n`, and the key that change noted) and how many buckets it has.
A shard without a head is not in use; one is written only when all its buckets are. Every method
may raise StoreUnavailable; what it was to change may then have been changed or not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

from gateway.errors import StoreUnavailable
from gateway.state.redis import scripts
from gateway.state.redis.calls import Calls
from gateway.state.redis.index_layout import FIELD, MARK, bucket_of, place_of, shard_of
from gateway.state.redis.keys import SHARDS, Keys
from gateway.state.redis.wire import Arg, Reply

HEAD, BUILDING, OLD = "head", "building", "old"
_FIELDS = ("identity", "generation", "n", "buckets", "key")
_LOCK_SECONDS = 30
_SLICE = 500
"""Commands that go out together when there are many: a millisecond of the server's time."""


@dataclass(frozen=True, slots=True)
class Head:
    """What a shard says of itself; `key` is what change `n` noted."""

    identity: str
    generation: str
    n: int
    buckets: int
    key: bytes


class RedisIndex:
    """The index under one prefix, asked on the loop of `calls`."""

    def __init__(self, calls: Calls, keys: Keys) -> None:
        self.calls = calls
        self._keys = keys
        self._known: list[Head | None] = [None] * SHARDS
        """Heads as they were when last met: they only say where to look."""
        self._look_up = scripts.load("index_look_up")
        self._apply = scripts.load("index_apply")
        self._swap = scripts.load("index_swap")

    # ---- looking up ---------------------------------------------------------------------------

    async def look_up(
        self, wanted: Collection[bytes], identity: str, n: int
    ) -> dict[bytes, bytes] | None:
        """The values of those of these keys that have one, by key.

        As of change `n` or a later one of the log `identity`. None when the index does not know: a
        shard that is concerned does not follow that log, has not come so far, is not whole, has
        just got another generation, or its server has just taken another's place.
        """
        by_shard: dict[int, list[bytes]] = {}
        for key in wanted:
            by_shard.setdefault(shard_of(key), []).append(key)
        asked = []
        epochs = self.calls.epochs()
        for shard, keys in by_shard.items():
            head = self._known[shard]
            names = [self._keys.index(shard, HEAD)]
            fields: list[bytes] = []
            generation = ""
            if head is not None:
                generation, buckets = head.generation, head.buckets
                base = self._keys.index(shard, generation)
                names += [b"%b:%x" % (base, bucket_of(key, buckets)) for key in keys]
                fields = [key[FIELD:] for key in keys]
            args: tuple[Arg, ...] = (identity, generation, n, *fields)
            asked.append(self.calls.send_script(self._look_up, names, args))
        answers = await asyncio.gather(*asked, return_exceptions=True)
        values: dict[bytes, bytes] = {}
        # Nothing is believed of a server that has just taken another's place.
        is_known = epochs == self.calls.epochs()
        for (shard, keys), answer in zip(by_shard.items(), answers, strict=True):
            if isinstance(answer, BaseException):
                raise answer
            is_right, *rest = _list(answer)
            if is_right != 1:
                self._known[shard] = _head(rest)
                is_known = False
                continue
            for key, value in zip(keys, rest, strict=True):
                if value is not None:
                    values[key] = _octets(value)
        return values if is_known else None

    async def heads(self, name: str = HEAD) -> list[Head | None]:
        """What each shard says of itself; `BUILDING`: what is being built of it."""
        answers = await self.calls.all(
            [("HMGET", self._keys.index(shard, name), *_FIELDS) for shard in range(SHARDS)]
        )
        return [_head(_list(answer)) for answer in answers]

    async def values(self, keys: Sequence[bytes], head: Head) -> list[bytes | None]:
        """The value of each of some keys of one shard, in its generation, however far it is."""
        answers = await self._sliced(
            [
                ("HGET", self._bucket(shard_of(key), head.generation, place.bucket), place.field)
                for key in keys
                for place in (place_of(key, head.buckets),)
            ]
        )
        return [None if answer is None else _octets(answer) for answer in answers]

    async def sizes(self, shard: int, head: Head) -> list[int]:
        """How many fields each bucket of a shard has, its mark included; 0 for one that is lost."""
        return [
            _int(answer)
            for answer in await self._sliced(
                [
                    ("HLEN", self._bucket(shard, head.generation, bucket))
                    for bucket in range(head.buckets)
                ]
            )
        ]

    # ---- changing -----------------------------------------------------------------------------

    async def apply(
        self,
        shard: int,
        head: Head,
        to: int,
        last: bytes,
        values: Mapping[bytes, bytes],
        name: str = HEAD,
    ) -> int:
        """Bring a shard from `head.n` or later to change `to`, which noted the key `last`.

        `values` are the whole values of all keys of this shard that changed meanwhile, "" for none.
        Gives the `n` of the shard, below `to` when it stands before `head.n`; -1 when it is of
        another generation or not in use. In these cases nothing is changed.
        """
        names = [self._keys.index(shard, name)]
        args: list[Arg] = [head.identity, head.generation, head.n, to, last]
        for key, value in values.items():
            place = place_of(key, head.buckets)
            names.append(self._bucket(shard, head.generation, place.bucket))
            args += (place.field, value)
        return _int(await self.calls.run(self._apply, names, args))

    async def drop(self, shard: int, name: str = HEAD) -> None:
        """Take a shard out of use, whatever it holds: the records answer until it is rebuilt."""
        await self.calls.do("HSET", self._keys.index(shard, name), "identity", "")

    async def tell_blocks(self, version: str) -> None:
        """Have the next MAIL of every worker meet that blocks are to be read again."""
        await self.calls.do("SET", self._keys.blocks, version)

    # ---- building -----------------------------------------------------------------------------

    async def lock(self, who: str) -> str:
        """Become the one who builds, for 30 s from now on or again; who is, when another."""
        key = self._keys.platform("builder")
        if await self.calls.do("SET", key, who, "NX", "EX", _LOCK_SECONDS) is not None:
            return who
        holder = await self.calls.do("GET", key)
        if holder == who.encode():
            await self.calls.do("EXPIRE", key, _LOCK_SECONDS)
        return "" if holder is None else _octets(holder).decode()

    async def unlock(self, who: str) -> None:
        """Let another build."""
        key = self._keys.platform("builder")
        if await self.calls.do("GET", key) == who.encode():
            await self.calls.do("DEL", key)

    async def begin(self, head: Head) -> None:
        """Make the empty buckets of a generation, and its heads, in no use yet."""
        await self._abandon()
        fields = _words(head)
        await self.calls.all(
            [("HSET", self._keys.index(shard, BUILDING), *fields) for shard in range(SHARDS)]
        )
        for shard in range(SHARDS):
            await self._sliced(
                [
                    ("HSET", self._bucket(shard, head.generation, bucket), MARK, b"")
                    for bucket in range(head.buckets)
                ]
            )

    async def fill(self, head: Head, values: Iterable[tuple[bytes, bytes]]) -> None:
        """Put values by key into a generation that is being built."""
        commands = []
        for key, value in values:
            place = place_of(key, head.buckets)
            bucket = self._bucket(place.shard, head.generation, place.bucket)
            commands.append(("HSET", bucket, place.field, value))
        await self._sliced(commands)

    async def swap(self, shard: int, head: Head) -> int:
        """Use what was built of a shard: 1 done, 0 when that in use has come further, -1 gone."""
        names = [self._keys.index(shard, name) for name in (HEAD, BUILDING, OLD)]
        return _int(await self.calls.run(self._swap, names, (head.identity, head.generation)))

    async def sweep(self) -> int:
        """Remove the buckets of generations that are in use no more; how many there were."""
        removed = 0
        for shard in range(SHARDS):
            key = self._keys.index(shard, OLD)
            answer = iter(_list(await self.calls.do("HGETALL", key)))
            for generation, buckets in zip(answer, answer, strict=True):
                name = _octets(generation).decode()
                count = int(_octets(buckets))
                await self._sliced(
                    [("UNLINK", self._bucket(shard, name, bucket)) for bucket in range(count)]
                )
                await self.calls.do("HDEL", key, name)
                removed += count
        return removed

    async def _abandon(self) -> None:
        """Give up what somebody was building, for `sweep` to remove."""
        for shard, head in enumerate(await self.heads(BUILDING)):
            if head is not None:
                old = (self._keys.index(shard, OLD), head.generation, head.buckets)
                await self.calls.do("HSET", *old)
                await self.calls.do("DEL", self._keys.index(shard, BUILDING))

    # ---- inside -------------------------------------------------------------------------------

    def _bucket(self, shard: int, generation: str, number: int) -> bytes:
        return self._keys.index(shard, f"{generation}:{number:x}")

    async def _sliced(self, commands: Sequence[tuple[Arg, ...]]) -> list[Reply]:
        answers: list[Reply] = []
        for start in range(0, len(commands), _SLICE):
            answers += await self.calls.all(commands[start : start + _SLICE])
        return answers


def _words(head: Head) -> list[Arg]:
    values: list[Arg] = [head.identity, head.generation, head.n, head.buckets, head.key]
    return [word for pair in zip(_FIELDS, values, strict=True) for word in pair]


def _head(answer: Sequence[Reply]) -> Head | None:
    """A head as HMGET gives it; None when there is none, or what is there is not ours."""
    if len(answer) != len(_FIELDS) or None in answer:
        return None
    identity, generation, n, buckets, key = (_octets(value) for value in answer)
    return Head(identity.decode(), generation.decode(), int(n), int(buckets), key)


def _octets(answer: Reply) -> bytes:
    return answer if isinstance(answer, bytes) else _wrong(answer)


def _int(answer: Reply) -> int:
    return answer if isinstance(answer, int) else _wrong(answer)


def _list(answer: Reply) -> list[Reply]:
    return answer if isinstance(answer, list) else _wrong(answer)


def _wrong(answer: Reply) -> NoReturn:
    raise StoreUnavailable(f"Redis: unexpected answer {answer!r}")

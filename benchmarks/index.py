"""What the index in Redis costs at ten million entries, beside a plain SET of the same keys.

One Redis of its own holds both: memory is the difference of `used_memory` an entry, a look-up is
what the gateway asks for a group of a hundred recipients (two spellings and two domains each, and
the marks), one in ten of them listed, by the gateway's own calls on one connection, the two in
turns. It must find just those. A tenth of the entries has a second row. Needs 2 GB of memory. Run
it from the project's folder: `make bench-index`, or `make bench-index BENCH="--entries 100000"` for
some seconds. Exit status 1 when the aim is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import sys
import time
from collections.abc import Coroutine, Iterable, Iterator
from dataclasses import asdict, dataclass
from hashlib import blake2b
from itertools import islice
from typing import TypeVar

from gateway.config.redis import RedisSettings
from gateway.records.index import GENERATION_KEY, attested_key
from gateway.state.redis.calls import Calls
from gateway.state.redis.index import Head, RedisIndex
from gateway.state.redis.index_layout import buckets_for, pack
from gateway.state.redis.keys import SHARDS, Keys
from gateway.state.redis.wire import Arg
from tests.servers.redis import RedisServer

T = TypeVar("T")
ENTRIES = 10_000_000
AIM = 24.0
"""Octets an entry."""
GROUP, GROUPS = 100, 500
SLICE = 20_000
IDENTITY = "benchmark"
PLAIN = b"plain"
MARKS = [(GENERATION_KEY, pack([(0, 0)])), (attested_key(1), pack([(1, 0)]))]


@dataclass(frozen=True, slots=True)
class Kept:
    """One way to keep the entries: seconds to load, octets an entry, look-ups in milliseconds."""

    name: str
    seconds: float
    octets: float
    median_ms: float
    p99_ms: float


def key_of(number: int, form: str = "exact") -> bytes:
    """A key like those of the records: 16 octets that look like chance."""
    return blake2b(b"%d %s" % (number, form.encode()), digest_size=16).digest()


def entries(count: int) -> Iterator[tuple[bytes, bytes]]:
    """Key and value of each entry; every tenth has a consent beside the suppression."""
    one, two = pack([(0, 18)]), pack([(0, 18), (7, 2)])
    for number in range(count):
        yield key_of(number), two if number % 10 == 0 else one


def batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """The items in lists of `size`, the last one shorter."""
    rest = iter(items)
    while part := list(islice(rest, size)):
        yield part


def groups(count: int) -> Iterator[tuple[list[bytes], int]]:
    """The keys of each group and how many of them are listed."""
    chance = random.Random(1)
    for _ in range(GROUPS):
        keys = [key for key, _ in MARKS]
        for place in range(GROUP):
            # Listed ones are known by the first form; the others by none.
            number = chance.randrange(count) + (0 if place % 10 == 0 else count)
            domain = chance.randrange(5000)
            keys += (key_of(number), key_of(number, "loose"))
            keys += (key_of(domain, "domain"), key_of(domain, "parent"))
        yield keys, GROUP // 10


async def measure(server: RedisServer, count: int) -> list[Kept]:
    """Load both, then ask them in turns."""
    settings = RedisSettings(**server.settings(timeout=2))
    calls = Calls(settings)
    await calls.start()
    index = RedisIndex(calls, Keys(settings.prefix))
    try:
        loaded = [
            ("index", *await _load(server, _index(index, count), count)),
            ("plain SET", *await _load(server, _set(calls, count), count)),
        ]
        times = await _times(index, calls, count)
    finally:
        await calls.close()
    return [
        Kept(*one, statistics.median(taken), statistics.quantiles(taken, n=100)[98])
        for one, taken in zip(loaded, times, strict=True)
    ]


async def _load(
    server: RedisServer, work: Coroutine[None, None, None], count: int
) -> tuple[float, float]:
    """Seconds that `work` takes, and octets an entry."""
    empty, began = _used(server), time.monotonic()
    await work
    return time.monotonic() - began, (_used(server) - empty) / count


async def _index(index: RedisIndex, count: int) -> None:
    head = Head(IDENTITY, "a1b2c3", 1, buckets_for(count), b"")
    await index.begin(head)
    await index.fill(head, MARKS)
    done = 0
    for part in batched(entries(count), SLICE):
        await index.fill(head, part)
        done += len(part)
        _progress("index", done, count)
    for shard in range(SHARDS):
        if await index.swap(shard, head) != 1:
            sys.exit("the index was not put in use")


async def _set(calls: Calls, count: int) -> None:
    done = 0
    for part in batched(entries(count), SLICE):
        commands: list[tuple[Arg, ...]] = [
            ("SADD", PLAIN, *(key for key, _ in some)) for some in batched(part, 500)
        ]
        await calls.all(commands)
        done += len(part)
        _progress("plain SET", done, count)


async def _times(index: RedisIndex, calls: Calls, count: int) -> tuple[list[float], list[float]]:
    """Milliseconds of each look-up in the index and in the set, every one checked."""

    async def in_index(keys: list[bytes]) -> int:
        found = await index.look_up(keys, IDENTITY, 1)
        return -1 if found is None else len(found) - len(MARKS)

    async def in_set(keys: list[bytes]) -> int:
        found = await calls.do("SMISMEMBER", PLAIN, *keys)
        return found.count(1) if isinstance(found, list) else -1

    await in_index(next(groups(count))[0])  # learns where buckets are
    times: tuple[list[float], list[float]] = [], []
    for keys, listed in groups(count):
        for find, taken in zip((in_index, in_set), times, strict=True):
            began = time.perf_counter()
            found = await find(keys)
            taken.append((time.perf_counter() - began) * 1000)
            if found != listed:
                sys.exit(f"{found} of {listed} listed recipients were found")
    return times


def _used(server: RedisServer) -> int:
    with server.client() as client:
        return int(client.info("memory")["used_memory"])


def _progress(what: str, done: int, of: int) -> None:
    if done % (SLICE * 50) == 0 or done == of:
        print(f"{what}: {done:,} of {of:,}", file=sys.stderr, flush=True)


def as_text(kept: list[Kept], count: int) -> str:
    """The figures for people."""
    lines = [
        f"{count:,} entries",
        "",
        "             load s   octets an entry   100 recipients: ms    p99",
    ]
    lines += [
        f"{one.name:12} {one.seconds:6,.1f} {one.octets:17.1f}"
        f" {one.median_ms:20.3f} {one.p99_ms:6.2f}"
        for one in kept
    ]
    verdict = "reached" if kept[0].octets <= AIM else "missed"
    return "\n".join([*lines, "", f"aim of {AIM:g} octets an entry: {verdict}"])


def main() -> int:
    """Measure and print; the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--entries", type=int, default=ENTRIES, help="default %(default)s")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args()
    if options.entries < 100_000:
        parser.error("100,000 entries or more, or what buckets cost shows most")
    with RedisServer() as server:
        kept = asyncio.run(measure(server, options.entries))
    if options.json:
        print(json.dumps([asdict(one) for one in kept], indent=1))
    else:
        print(as_text(kept, options.entries))
    return kept[0].octets > AIM


if __name__ == "__main__":
    sys.exit(main())

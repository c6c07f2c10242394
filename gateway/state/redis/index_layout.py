"""How the index of suppressions and consents is laid out in Redis: pure functions.

An entry is one key of `standing_index` with all its rows. The key's first octet names the shard,
four in its middle the bucket, its last seven are the field in that bucket; the value has five
octets a row: the scope (3) and the code (2). Entry numbers and ends are left out: they are asked of
the records before anybody is refused. A bucket is a hash of some 64 short fields, which Redis packs
into one piece of memory: 16 octets an entry, and what the bucket itself costs. Each bucket carries
`MARK`, so that one that has been lost never reads as an empty one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from gateway.state.redis.keys import SHARDS

MARK = b""
"""The field that every bucket has."""
PER_BUCKET = 64
"""Entries of a bucket when it is made. Redis packs hashes of up to 128 fields."""
MOST_PER_BUCKET = 88
"""On average: beyond, too many buckets outgrow 128, and the index is to be built anew."""
FEWEST_BUCKETS = 64
"""Of a shard, so that a small index can grow by hundreds of times what it began with."""
MOST_ROWS = 12
"""In one value: Redis packs values of up to 64 octets."""
MANY = b"\xff" * 5
"""Instead of more rows than that: ask the records."""
FIELD = 9
"""Where in a key its field begins."""
_ROW = 5
SCOPES = 1 << 24
"""Scopes are below; one below zero is stored as what is left to this."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where an entry is: shard, bucket and field."""

    shard: int
    bucket: int
    field: bytes


def shard_of(key: bytes) -> int:
    """The shard of a key, 0 to 15."""
    return key[0] % SHARDS


def bucket_of(key: bytes, buckets: int) -> int:
    """The bucket of a key, in a shard of so many."""
    return int.from_bytes(key[5:9]) % buckets


def place_of(key: bytes, buckets: int) -> Place:
    """Where the entry of a 16-octet key is, in a shard of so many buckets."""
    return Place(key[0] % SHARDS, bucket_of(key, buckets), key[FIELD:])


def buckets_for(entries: int) -> int:
    """How many buckets each shard of an index of so many entries gets."""
    return max(FEWEST_BUCKETS, -(-entries // (SHARDS * PER_BUCKET)))


def is_crowded(entries: int, buckets: int) -> bool:
    """Whether so many entries in all are too many for shards of so many buckets."""
    return entries > SHARDS * buckets * MOST_PER_BUCKET


def pack(rows: Iterable[tuple[int, int]]) -> bytes:
    """A value of rows (scope, code), sorted and each once. A scope below zero counts from 2**24."""
    distinct = sorted({(scope % SCOPES, code) for scope, code in rows})
    if len(distinct) > MOST_ROWS:
        return MANY
    return b"".join([scope.to_bytes(3) + code.to_bytes(2) for scope, code in distinct])


def unpack(value: bytes) -> list[tuple[int, int]]:
    """The rows (scope, code) of a value; ValueError when it is none. `MANY` has to be met before.

    A scope below zero comes as what it is modulo 2**24.
    """
    if len(value) % _ROW:
        raise ValueError("not a value of the index")
    return [
        (int.from_bytes(value[at : at + 3]), int.from_bytes(value[at + 3 : at + _ROW]))
        for at in range(0, len(value), _ROW)
    ]

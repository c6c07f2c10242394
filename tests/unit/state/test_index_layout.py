"""The layout of the index in Redis: where an entry is, and what its value says."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.records.index import GENERATION_KEY, attested_key
from gateway.state.redis.index_layout import (
    MANY,
    MOST_ROWS,
    PER_BUCKET,
    SCOPES,
    Place,
    buckets_for,
    is_crowded,
    pack,
    place_of,
    shard_of,
    unpack,
)
from gateway.state.redis.keys import SHARDS
from suppression.keys import Mac

rows = st.tuples(st.integers(0, SCOPES - 1), st.integers(0, 2**16 - 1))
keys = st.binary(min_size=16, max_size=16)


@given(st.lists(rows, max_size=MOST_ROWS))
def test_rows_come_back_sorted_and_once(given_rows: list[tuple[int, int]]) -> None:
    """A value says all of its rows, in five octets each, in one way only."""
    value = pack(given_rows)
    assert unpack(value) == sorted(set(given_rows))
    assert len(value) == 5 * len(set(given_rows))
    assert pack(reversed(given_rows)) == value


@settings(max_examples=20)
@given(st.sets(rows, min_size=MOST_ROWS + 1, max_size=20))
def test_too_many_rows_say_so(given_rows: set[tuple[int, int]]) -> None:
    """What Redis would not pack any more is a mark to ask the records."""
    assert pack(given_rows) == MANY


def test_marks_of_hashed_lists_have_room() -> None:
    """Scopes below zero are told apart from each other and from the index's own mark."""
    value = pack([(0, 0), (-1, 0), (-4, 0)])
    assert [SCOPES - scope for scope, _ in unpack(value) if scope] == [4, 1]


@given(st.binary(max_size=64).filter(lambda value: len(value) % 5 != 0))
def test_what_is_no_value_is_refused(value: bytes) -> None:
    """Damage is not read as something else."""
    with pytest.raises(ValueError, match="not a value"):
        unpack(value)


@given(keys, st.integers(1, 2**32))
def test_a_place_is_within_its_shard(key: bytes, buckets: int) -> None:
    """Every key has one place, whose field has seven octets."""
    place = place_of(key, buckets)
    assert place == Place(shard_of(key), place.bucket, key[9:])
    assert 0 <= place.shard < SHARDS
    assert 0 <= place.bucket < buckets


def test_places_of_a_key_are_told_apart() -> None:
    """Shard, bucket and field come from octets of their own."""
    key = bytes(range(16))
    places = {place_of(bytes([*key[:n], 99, *key[n + 1 :]]), 1000) for n in (0, 7, 12)}
    assert len(places | {place_of(key, 1000)}) == 4


def test_marks_have_places_of_their_own() -> None:
    """No two tenants' marks, nor the index's, fall together."""
    marks = [GENERATION_KEY, *(attested_key(number) for number in (-1, *range(2000), 2**24 - 1))]
    assert len({place_of(key, 64) for key in marks}) == len(marks)


def test_buckets_stay_within_what_redis_packs() -> None:
    """Made for so many entries, hardly any bucket has more than the 128 that Redis packs, also
    just before the index is crowded."""
    entries = 70_000
    buckets = buckets_for(entries)
    mac = Mac(b"secret")
    filled = Counter(
        (place.shard, place.bucket)
        for n in range(entries)
        for place in (place_of(mac(b"%d" % n)[:16], buckets),)
    )
    assert entries / len(filled) <= PER_BUCKET
    assert max(filled.values()) < 128
    assert not is_crowded(entries, buckets)
    assert is_crowded(entries * 3 // 2, buckets)

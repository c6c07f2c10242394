"""What goes from Redis to the records each second, and comes back after a loss."""

from __future__ import annotations

import pytest

from gateway.errors import StoreUnavailable
from policies.claims import BatchClaim, OctetsClaim
from tests.contract.state.redis.conftest import open_hold, until


async def use(state, octets: int) -> None:
    """One transaction that uses so many octets."""
    hold = open_hold(state)
    await hold.claim([BatchClaim(5, 0), OctetsClaim("acme", octets, 0, 0, 10**9)])
    await hold.settle(octets)


async def test_what_changed_is_saved_once_with_its_whole_amount(states, redis_server, records):
    """A bucket that changes again is saved again, one that does not is not."""
    state = await states(redis_server, "acme")
    await use(state, 100)
    await state.checkpoint.save()
    await use(state, 50)
    await state.checkpoint.save()
    (bucket,) = [one for one in records.buckets.values() if one.key == "bytes:acme"]
    assert (bucket.seconds, bucket.amount) == (86_400, 150)
    (mailing,) = records.mailings.values()
    assert mailing.stream == "acme/news"
    assert await state.calls.do("SCARD", state.keys.tenant("acme").dirty) == 0
    records.buckets.clear()
    await state.checkpoint.save()
    assert not records.buckets


async def test_a_save_that_failed_is_made_up_for(states, redis_server, records):
    """Records that are away delay the checkpoint and lose nothing of it."""
    state = await states(redis_server, "acme")
    await use(state, 100)
    save, records.save = records.save, _fails
    with pytest.raises(StoreUnavailable):
        await state.checkpoint.save()
    records.save = save
    await state.checkpoint.save()
    assert [one.amount for one in records.buckets.values() if one.key == "bytes:acme"] == [100]


async def _fails(buckets, current) -> None:
    raise StoreUnavailable("away")


async def test_a_tenant_that_cannot_be_read_keeps_no_other_from_being_saved(
    states, redis_server, records
):
    """A part of Redis that is away costs the checkpoints of what is there, and no others."""
    state = await states(redis_server, "bad", "worse", "acme")
    await use(state, 100)
    bad, worse = state.keys.tenant("bad"), state.keys.tenant("worse")
    redis_server.ask("SADD", bad.dirty, "m bad/news")
    broken = (bad.holds, worse.dirty)
    try:
        for key in broken:
            redis_server.ask("DEL", key)
            redis_server.ask("SET", key, "of no use")
        with pytest.raises(StoreUnavailable):
            await state.checkpoint.save()
    finally:
        redis_server.ask("DEL", *broken)
    assert [one.amount for one in records.buckets.values() if one.key == "bytes:acme"] == [100]


async def test_what_changes_while_it_is_saved_is_saved_again(states, redis_server, records):
    """A bucket is struck off only as it was saved."""
    state = await states(redis_server, "acme")
    await use(state, 100)
    save = records.save

    async def meanwhile(buckets, current) -> None:
        await save(buckets, current)
        await use(state, 50)

    records.save = meanwhile
    await state.checkpoint.save()
    records.save = save
    await state.checkpoint.save()
    assert [one.amount for one in records.buckets.values() if one.key == "bytes:acme"] == [150]


async def test_nothing_is_saved_of_a_hash_that_lost_something(states, redis_server, records):
    """What Redis has after a loss never overwrites more that the records have."""
    state = await states(redis_server, "acme")
    await use(state, 1000)
    await state.checkpoint.save()
    keys = state.keys.tenant("acme")
    (saved,) = [one for one in records.buckets.values() if one.key == "bytes:acme"]
    redis_server.ask("DEL", keys.holds)
    window = keys.window("bytes:acme", 86_400)
    redis_server.ask("HSET", window, "t", 5, saved.start // 300, 5)
    redis_server.ask("SADD", keys.dirty, f"86400 {saved.start} bytes:acme")
    await state.checkpoint.save()
    assert max(one.amount for one in records.buckets.values()) == 1000

    async def is_merged() -> bool:
        await use(state, 1)
        (usage,) = await state.holds.usage(["acme"])
        return usage.octets == 1001

    await until(is_merged)


async def test_a_mailing_goes_on_after_a_loss(states, redis_server, records):
    """The id of a mailing outlives the server."""
    state = await states(redis_server, "acme")
    hold = open_hold(state)
    await hold.claim([BatchClaim(5, 0)])
    await state.checkpoint.save()
    redis_server.ask("FLUSHALL")
    other = open_hold(state)
    await other.claim([BatchClaim(5, 10)])
    assert other.mailing == hold.mailing

"""Another server takes over: by Sentinel with writes lost, and slot by slot in a Cluster."""

from __future__ import annotations

import asyncio

import pytest

from gateway.errors import StoreUnavailable
from gateway.state.redis.keys import slot_number
from policies.claims import BatchClaim, OctetsClaim
from tests.contract.state.redis.conftest import (
    PATIENCE,
    at_once,
    claim_batch,
    hurry,
    open_hold,
    until,
)
from tests.servers.redis import RedisSet

LIMIT = 100_000


async def test_a_failover_that_lost_writes_breaks_no_limit(states, records):
    """The new primary knows neither the batch nor the octets: the holder keeps or loses its batch
    before another gets it, and the octets are back as the records saved them."""
    with RedisSet() as servers:
        one, two = [await states(servers, "acme") for _ in range(2)]
        primary = servers.primary
        (replica,) = [server for server in servers.servers if server is not primary]
        held = one.keys.tenant("acme").holds
        await until(lambda: replica.ask("HGET", held, "ready") == b"0")
        replica.pause()
        primary.ask("CLIENT", "KILL", "TYPE", "replica")  # from here on it hears of nothing
        hold = open_hold(one)
        await hold.claim([BatchClaim(1, 0), OctetsClaim("acme", 2000, 0, 0, LIMIT)])
        done = open_hold(one)
        await done.claim([OctetsClaim("acme", 5000, 0, 0, LIMIT)])
        await done.settle(5000)
        await one.checkpoint.save()
        hurry(one)
        hurry(two)
        primary.pause()
        replica.resume()
        for state in (one, two):
            with pytest.raises(StoreUnavailable):
                await claim_batch(state)
        await asyncio.to_thread(servers.wait_for_another, primary)

        async def next_has_it() -> bool:
            _, granted = await claim_batch(two, wait=1)
            if granted.units == 0 and not is_lost(hold):
                await hold.settle(0)  # it said in time what it has, and ends now
            return bool(granted.units)

        await until(next_has_it)
        assert is_lost(hold) or hold.is_settled
        (usage,) = await two.holds.usage(["acme"])
        assert usage.octets >= 5000
        primary.resume()


def is_lost(hold) -> bool:
    """Whether its batch is good for nothing any more."""
    try:
        hold.check()
    except StoreUnavailable:
        return True
    return False


async def test_a_failover_in_good_order_is_over_in_seconds(states, redis_set):
    """Calls go to the new primary by themselves."""
    state = await states(redis_set, "acme")
    await state.rates.add("delivered:acme", 3, 60)
    before = redis_set.primary
    key = state.keys.tenant("acme").window("rate:delivered:acme", 60)
    await until(lambda: all(one.ask("EXISTS", key) for one in redis_set.servers))
    await asyncio.to_thread(redis_set.failover)

    def has_moved() -> bool:
        return state.is_ready() and str(before.port) not in str(state.describe())

    await until(has_moved)
    assert await state.rates.count("delivered:acme", 60) == 3


async def test_a_slot_that_moves_to_another_master_is_followed(states, redis_cluster):
    """ASK while it moves and MOVED afterwards are not seen outside, and nothing is lost."""
    state = await states(redis_cluster, "acme")
    keys = state.keys.tenant("acme")
    await state.rates.add("delivered:acme", 3, 60)
    slot = slot_number(keys.holds)
    owner = redis_cluster.owner(slot)
    other = next(one for one in redis_cluster.masters if one is not owner)
    redis_cluster.open_move(slot, other)
    assert await state.calls.do("HGET", keys.window("rate:delivered:acme", 60), "t") == b"3"
    redis_cluster.move_slot(slot, other)
    try:
        assert await state.rates.add("delivered:acme", 1, 60) == 4
        await until(lambda: has_batch(state))
    finally:
        redis_cluster.move_slot(slot, owner)


async def has_batch(state) -> bool:
    """Whether the tenant's hash was begun anew where it is now."""
    hold, granted = await claim_batch(state, wait=5)
    await hold.settle(0)
    return bool(granted.units)


async def test_a_lost_master_leaves_the_others_slots_in_use(states, redis_cluster):
    """What is on another server goes on while one does not answer."""
    names = ["acme", *(f"tenant{number}" for number in range(40))]
    state = await states(redis_cluster, *names)
    owners = {name: redis_cluster.owner(slot_of(state, name)) for name in names}
    stopped = owners["acme"]
    others = [name for name, owner in owners.items() if owner is not stopped]
    hurry(state)
    stopped.pause()
    try:
        with pytest.raises(StoreUnavailable):
            await state.rates.count("delivered:acme", 60)
        hurry(state, PATIENCE)
        counts = [state.rates.count(f"delivered:{name}", 60) for name in others]
        assert set(await asyncio.gather(*counts)) == {0}
    finally:
        stopped.resume()
    await until(lambda: counts_again(state))
    await asyncio.to_thread(redis_cluster.wait_until_whole)
    await at_once(state, "acme")


async def counts_again(state) -> bool:
    return await state.rates.count("delivered:acme", 60) == 0


def slot_of(state, name: str) -> int:
    return slot_number(state.keys.tenant(name).holds)

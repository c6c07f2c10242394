"""Windows in Redis are, bucket for bucket, those in memory."""

from __future__ import annotations

import asyncio
import random

import pytest

from gateway.state.rates import MemoryRateWindows
from gateway.state.table import WindowTable
from tests.contract.state.redis.conftest import NOON

LENGTHS = (60, 3600, 86_400, 30 * 86_400)


class Clock:
    """Seconds set by hand."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("seed", range(8))
async def test_what_fits_and_when_there_is_room_again_is_the_same(states, redis_server, seed):
    """Over any course of counts and pauses, a clock that steps back included, both say the same."""
    rng = random.Random(seed)
    clock = Clock()
    state = await states(redis_server, "acme", clock=clock)
    memory = MemoryRateWindows(WindowTable(clock))
    seconds = LENGTHS[seed % len(LENGTHS)]
    names = ("delivered:acme", "auth:login:someone")
    for _ in range(150):
        pause = rng.choice((0, 0, 0.4, 7, seconds / 288, seconds / 5, seconds * 1.5, -seconds / 9))
        clock.now += pause * rng.random()
        name, count, limit = rng.choice(names), rng.randrange(0, 12), rng.randrange(1, 40)
        if rng.random() < 0.5:
            said = [one.take(name, count, limit, seconds) for one in (memory, state.rates)]
        elif rng.random() < 0.5:
            said = [one.add(name, count, seconds) for one in (memory, state.rates)]
        else:
            said = [one.count(name, seconds) for one in (memory, state.rates)]
        expected, found = await asyncio.gather(*said)
        assert found == expected


async def test_the_cost_of_a_count_does_not_grow_with_what_the_window_holds(states, redis_server):
    """A full window is not read through for each count."""
    clock = Clock()
    state = await states(redis_server, "acme", clock=clock)
    for _ in range(288):
        await state.rates.add("delivered:acme", 1, 288)
        clock.now += 1
    redis_server.ask("CONFIG", "RESETSTAT")
    for _ in range(100):
        await state.rates.add("delivered:acme", 1, 288)
    stats = redis_server.client().info("commandstats")
    assert stats["cmdstat_hset"]["calls"] <= 110
    assert "cmdstat_hdel" not in stats or stats["cmdstat_hdel"]["calls"] <= 1


async def test_a_window_of_no_tenant_ends_by_itself(states, redis_server):
    """Failed logins leave nothing behind, and their key is no name or address."""
    state = await states(redis_server)
    await state.rates.add("auth:address:192.0.2.1", 1, 60)
    (key,) = redis_server.ask("KEYS", "*:w:60")
    assert b"192" not in key.replace(state.keys.anonymous("auth:address:192.0.2.1", 60), b"")
    assert 60 < redis_server.ask("TTL", key) <= 120

"""What every store of rate windows must do."""

from __future__ import annotations

import pytest

from policies.ports import Shortage


@pytest.mark.parametrize("seconds", [60, 3600, 86_400])
async def test_taking_stops_at_the_limit_and_the_time_named_is_right(stores, clock, seconds):
    """What is over the limit is not counted, and fits exactly from the time named on."""
    rates = stores.rates
    assert await rates.take("acme", 2, 3, seconds) is None
    clock.now += seconds / 4
    assert await rates.take("acme", 1, 3, seconds) is None
    short = await rates.take("acme", 2, 3, seconds)
    assert isinstance(short, Shortage)
    assert (short.used, short.limit) == (3, 3)
    assert await rates.count("acme", seconds) == 3
    clock.now = short.free_at - 0.5
    assert await rates.take("acme", 2, 3, seconds) is not None
    clock.now = short.free_at
    assert await rates.take("acme", 2, 3, seconds) is None


async def test_more_than_the_limit_at_once_is_never_free(stores):
    """A count over the whole limit has no time at which it fits."""
    short = await stores.rates.take("acme", 4, 3, 60)
    assert isinstance(short, Shortage)
    assert short.free_at is None


async def test_adding_has_no_limit_and_gives_the_new_total(stores):
    """Counting for statistics is never short."""
    assert await stores.rates.add("acme", 5, 60) == 5
    assert await stores.rates.add("acme", 7, 60) == 12
    assert await stores.rates.count("acme", 60) == 12


async def test_keys_and_lengths_are_apart(stores):
    """Each key has a window of its own for every length."""
    await stores.rates.add("acme", 5, 60)
    assert await stores.rates.count("other", 60) == 0
    assert await stores.rates.count("acme", 3600) == 0

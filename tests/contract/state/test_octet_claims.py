"""What every store must do with octets: set aside, as many as fit, settle, let go after a day."""

from __future__ import annotations

from dataclasses import replace

import pytest

from policies.claims import Granted, OctetsClaim

DAY = 86_400


def octets(base, each=0, units=0, limit=1000, key="acme"):
    return OctetsClaim(key, base, each, units, limit)


async def used(stores, count):
    """A transaction that has used so many octets."""
    hold, (granted,) = await stores.claimed(octets(count))
    assert granted == Granted(0)
    await hold.settle(count)


async def test_octets_up_to_the_limit_are_granted_and_one_more_is_not(stores):
    """The limit itself may be used, and what is set aside counts as used."""
    await stores.claimed(octets(1000))
    assert await stores.octets() == 1000
    _, (granted,) = await stores.claimed(octets(1))
    assert granted.units == 0
    assert (granted.shortage.used, granted.shortage.limit) == (1000, 1000)


async def test_settling_replaces_what_was_set_aside_by_what_was_used_once(stores):
    """What the next hop did not take is given back, and a second settlement changes nothing."""
    hold, _ = await stores.claimed(octets(900))
    other, _ = await stores.claimed(octets(100))
    assert await hold.settle(300) == {"acme": 400}
    assert await hold.settle(5000) == {}
    assert await other.settle(0) == {"acme": 300}
    assert await stores.octets() == 300


async def test_a_further_claim_sets_the_whole_and_a_refused_one_changes_nothing(stores):
    """What a transaction has set aside is raised to a total, never lowered."""
    hold, _ = await stores.claimed(octets(400))
    for whole in (700, 100):
        assert list(await hold.claim([octets(whole)])) == [Granted(0)]
        assert await stores.octets() == 700
    await stores.claimed(octets(200))
    (granted,) = await hold.claim([octets(801)])
    assert (granted.shortage.used, granted.shortage.limit) == (900, 1000)
    assert await stores.octets() == 900


async def test_as_many_units_as_fit_are_granted(stores):
    """The first of a group get their copies, and the shortage is that of the next one."""
    hold, _ = await stores.claimed(octets(300))
    (granted,) = await hold.claim([octets(300, each=300, units=4)])
    assert granted.units == 2
    assert granted.shortage.used == 900
    assert granted.shortage.free_at is None  # four times 300 will never fit together
    assert await stores.octets() == 900


async def test_units_that_are_set_aside_already_fit(stores):
    """Copies of recipients that the next hop refused are there for the next ones."""
    hold, _ = await stores.claimed(octets(0, each=200, units=5))
    assert list(await hold.claim([octets(400, each=200, units=3)])) == [Granted(3)]
    (granted,) = await hold.claim([octets(400, each=200, units=4)])
    assert granted.units == 3
    assert await stores.octets() == 1000


async def test_what_alone_exceeds_the_limit_is_never_free(stores):
    """A claim over the whole limit has no time at which it fits."""
    _, (granted,) = await stores.claimed(octets(1001))
    assert granted.shortage.free_at is None


async def test_the_time_named_is_when_the_same_claim_is_granted(stores, clock):
    """A shortage names the first time at which enough has left the window."""
    for count in (300, 300, 400):
        await used(stores, count)
        clock.now += 3600
    _, (granted,) = await stores.claimed(octets(500))
    free_at = granted.shortage.free_at
    clock.now = free_at - 1
    assert (await stores.claimed(octets(500)))[1][0].shortage is not None
    clock.now = free_at
    assert (await stores.claimed(octets(500)))[1] == [Granted(0)]


async def test_what_is_only_set_aside_is_free_after_a_day_at_the_latest(stores, clock):
    """Nobody knows when another's transaction ends, so the time named is a day from now."""
    await stores.claimed(octets(600))
    _, (granted,) = await stores.claimed(octets(500))
    assert clock.now + DAY - 300 <= granted.shortage.free_at <= clock.now + DAY


@pytest.mark.parametrize("age", [0, DAY - 301])
async def test_octets_count_for_a_day(stores, clock, age):
    """Octets count until their bucket of five minutes is a day old."""
    await used(stores, 700)
    clock.now += age
    assert await stores.octets() == 700
    clock.now += DAY - age
    assert await stores.octets() == 0


async def test_keys_are_apart(stores):
    """One tenant's octets are not another's, nor a stream's its tenant's."""
    for claim in (octets(1000), octets(1000, key="acme/weekly")):
        assert (await stores.claimed(claim))[1] == [Granted(0)]
    assert (await stores.claimed(octets(1000, key="other"), tenant="other"))[1] == [Granted(0)]
    assert await stores.octets() == 1000


async def test_nothing_can_be_claimed_where_even_nothing_does_not_fit(stores):
    """After a limit was lowered below what is used, a MAIL without SIZE waits too; a transaction
    that began before goes on with what it has."""
    begun, _ = await stores.claimed(octets(50))
    await used(stores, 900)
    _, (granted,) = await stores.claimed(octets(0, limit=800))
    assert granted.shortage is not None
    assert list(await begun.claim([octets(50, limit=800)])) == [Granted(0)]
    (granted,) = await begun.claim([octets(50, each=10, units=2, limit=800)])
    assert (granted.units, granted.shortage.used) == (0, 950)


async def test_what_is_set_aside_stays_until_it_is_settled(stores, clock):
    """However long a transaction takes, what it may send is not given to another."""
    hold, _ = await stores.claimed(octets(800))
    clock.now += DAY
    assert (await stores.claimed(octets(300)))[1][0].shortage is not None
    await hold.settle(800)
    assert await stores.octets() == 800


async def test_an_observed_claim_that_does_not_fit_sets_nothing_aside(stores):
    """What is only observed is never counted beyond the limit."""
    _, (granted,) = await stores.claimed(replace(octets(1001), is_observed=True))
    assert granted.shortage is not None
    assert await stores.octets() == 0

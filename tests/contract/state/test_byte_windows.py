"""What every store of byte windows must do."""

from __future__ import annotations

import pytest

from policies.ports import Shortage

DAY = 86_400


async def reserved(stores, octets, limit=1000, key="acme"):
    reservation = await stores.byte_windows.reserve(key, octets, limit)
    assert not isinstance(reservation, Shortage)
    return reservation


async def test_reserving_up_to_the_limit_succeeds_and_one_octet_more_does_not(stores):
    """The limit itself may be used, and reservations count as used."""
    await reserved(stores, 1000)
    assert await stores.byte_windows.used("acme") == 1000
    short = await stores.byte_windows.reserve("acme", 1, 1000)
    assert isinstance(short, Shortage)
    assert (short.used, short.limit) == (1000, 1000)


async def test_settling_replaces_the_reservation_by_what_was_used_once(stores):
    """What the next hop did not take is given back, and a second settlement changes nothing."""
    reservation = await reserved(stores, 900)
    await reservation.settle(300)
    await reservation.settle(5000)
    assert await stores.byte_windows.used("acme") == 300


async def test_growing_sets_the_whole_and_a_shortage_leaves_it_as_it_was(stores):
    """A reservation is raised to a total, never lowered, and stands when the raise fails."""
    reservation = await reserved(stores, 400)
    assert await reservation.grow(700) is None
    assert await reservation.grow(100) is None
    assert await stores.byte_windows.used("acme") == 700
    await reserved(stores, 200)
    assert isinstance(await reservation.grow(801), Shortage)
    assert await stores.byte_windows.used("acme") == 900


async def test_what_alone_exceeds_the_limit_is_never_free(stores):
    """A request over the whole limit has no time at which it fits."""
    short = await stores.byte_windows.reserve("acme", 1001, 1000)
    assert isinstance(short, Shortage)
    assert short.free_at is None


async def test_the_time_named_is_when_the_same_request_succeeds(stores, clock):
    """A shortage names the first time at which enough has left the window."""
    for octets in (300, 300, 400):
        await (await reserved(stores, octets)).settle(octets)
        clock.now += 3600
    short = await stores.byte_windows.reserve("acme", 500, 1000)
    assert isinstance(short, Shortage)
    clock.now = short.free_at - 1
    assert isinstance(await stores.byte_windows.reserve("acme", 500, 1000), Shortage)
    clock.now = short.free_at
    await reserved(stores, 500)


@pytest.mark.parametrize("age", [0, DAY - 301])
async def test_octets_count_for_a_day(stores, clock, age):
    """Octets count until their bucket of five minutes is a day old."""
    await (await reserved(stores, 700)).settle(700)
    clock.now += age
    assert await stores.byte_windows.used("acme") == 700
    clock.now += DAY - age
    assert await stores.byte_windows.used("acme") == 0


async def test_keys_are_apart(stores):
    """One tenant's octets are not another's."""
    await reserved(stores, 1000, key="acme")
    await reserved(stores, 1000, key="other")


async def test_nothing_can_be_reserved_where_even_nothing_does_not_fit(stores):
    """After a limit was lowered below what is used, a MAIL without SIZE waits too."""
    await (await reserved(stores, 900)).settle(900)
    assert isinstance(await stores.byte_windows.reserve("acme", 0, 800), Shortage)

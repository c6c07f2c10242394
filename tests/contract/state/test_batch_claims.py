"""What every store must do with batches: grant, line up, tell the holders, give back."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from gateway.errors import StoreUnavailable
from policies.claims import BatchClaim, Granted
from policies.ports import Shortage

LONG = 30.0
ONE = (BatchClaim(1, 0.0),)
WAITING = (BatchClaim(1, LONG),)
REFUSED = Granted(0, Shortage(1, 1, None))


async def waiting(stores, number, on_contended=None):
    """A hold that waits in line, as the `number`th, and its claim under way."""
    hold = stores.open(on_contended=on_contended) if on_contended else stores.open()
    task = asyncio.create_task(hold.claim(WAITING))
    await stores.until(waiting=number)
    return hold, task


async def until(condition):
    """Wait for what a callback notes."""
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - a callback of the store's sets it
            await asyncio.sleep(0.001)


async def test_a_batch_is_granted_at_once_while_there_is_room(stores):
    """As many as the limit says are open at once, for each tenant by itself."""
    two = BatchClaim(2, 0.0)
    for _ in range(2):
        assert (await stores.claimed(two))[1] == [Granted(1)]
    assert (await stores.claimed(two))[1] == [Granted(0, Shortage(2, 2, None))]
    assert (await stores.claimed(*ONE, tenant="other"))[1] == [Granted(1)]
    await stores.until(open=2)


async def test_who_waits_is_served_in_order_of_arrival(stores):
    """First come, first served, and whoever waited is told so."""
    first, _ = await stores.claimed(*ONE)
    served = []

    async def customer(name, hold):
        granted = await hold.claim(WAITING)
        served.append((name, granted))
        await hold.settle(0)

    tasks = []
    for number, name in enumerate("abc", 1):
        tasks.append(asyncio.create_task(customer(name, stores.open())))
        await stores.until(waiting=number)
    assert served == []
    await first.settle(0)
    await asyncio.gather(*tasks)
    assert [name for name, _ in served] == ["a", "b", "c"]
    assert all(list(granted) == [Granted(1, has_waited=True)] for _, granted in served)
    await stores.until(open=0)


async def test_nobody_overtakes_the_line(stores):
    """Who would not wait gets nothing while another waits, even where its own limit has room."""
    await stores.claimed(*ONE)
    _, task = await waiting(stores, 1)
    _, (granted,) = await stores.claimed(BatchClaim(5, 0.0))
    assert granted.units == 0
    task.cancel()


async def test_waiting_ends_after_the_time_given(stores):
    """Who has waited long enough is refused and is no longer in line."""
    first, _ = await stores.claimed(*ONE)
    _, (granted,) = await stores.claimed(BatchClaim(1, 0.05))
    assert granted == Granted(0, Shortage(1, 1, None), has_waited=True)
    await stores.until(waiting=0)
    await first.settle(0)
    assert (await stores.claimed(*ONE))[1] == [Granted(1)]


async def test_a_cancelled_waiter_leaves_the_line(stores):
    """A client that hung up while waiting holds up nobody."""
    first, _ = await stores.claimed(*ONE)
    gone, going = await waiting(stores, 1)
    _, behind = await waiting(stores, 2)
    going.cancel()
    with suppress(asyncio.CancelledError):
        await going
    await gone.settle(0)
    await stores.until(waiting=1)
    await first.settle(0)
    assert list(await behind) == [Granted(1, has_waited=True)]


async def test_a_batch_granted_to_one_who_is_cancelled_that_moment_goes_on(stores):
    """A batch that nobody would ever give back is not lost."""
    first, _ = await stores.claimed(*ONE)
    gone, going = await waiting(stores, 1)
    await first.settle(0)
    going.cancel()
    with suppress(asyncio.CancelledError):
        await going
    await gone.settle(0)
    await stores.until(open=0, waiting=0)
    assert (await stores.claimed(*ONE))[1] == [Granted(1)]


async def test_settling_twice_frees_one_place(stores):
    """A second end of one transaction does not end another's batch."""
    first, _ = await stores.claimed(*ONE)
    await first.settle(0)
    await stores.claimed(*ONE)
    await first.settle(0)
    await stores.until(open=1)
    assert (await stores.claimed(*ONE))[1] == [REFUSED]


async def test_a_transaction_has_one_batch_however_often_it_claims(stores):
    """A second claim is granted out of the first one's."""
    hold, _ = await stores.claimed(*ONE)
    assert list(await hold.claim(ONE)) == [Granted(1)]
    hold.check()
    await hold.settle(0)
    await stores.until(open=0)


async def test_nothing_is_claimed_for_a_transaction_that_is_over(stores):
    """What would never be given back is not granted."""
    hold, _ = await stores.claimed(*ONE)
    await hold.settle(0)
    with pytest.raises(StoreUnavailable):
        await hold.claim(ONE)
    await stores.until(open=0)


async def test_holders_are_told_when_somebody_waits_and_when_nobody_does(stores):
    """The callback hears True for the first in line and False when the line is empty again."""
    told = []
    hold = stores.open(on_contended=told.append)
    await hold.claim(ONE)
    _, first = await waiting(stores, 1)
    await until(lambda: told == [True])
    _, second = await waiting(stores, 2)
    first.cancel()
    await stores.until(waiting=1)
    assert told == [True]
    second.cancel()
    await until(lambda: told == [True, False])
    await hold.settle(0)


async def test_the_next_holder_is_told_of_those_behind_it(stores):
    """Whoever gets the batch while others still wait learns of them."""
    first, _ = await stores.claimed(*ONE)
    told = []
    _, second = await waiting(stores, 1, told.append)
    _, third = await waiting(stores, 2)
    await first.settle(0)
    assert list(await second) == [Granted(1, has_waited=True)]
    await until(lambda: told == [True])
    third.cancel()
    await until(lambda: told == [True, False])

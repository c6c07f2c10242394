"""What every store of batch leases must do."""

from __future__ import annotations

import asyncio
from contextlib import suppress

LONG = 30.0


async def settle_down() -> None:
    """Let every task run until it waits."""
    for _ in range(10):
        await asyncio.sleep(0)


def no_one(_waiting: bool) -> None:
    """A holder that does not care who waits."""


async def test_a_lease_is_given_at_once_while_there_is_room(stores):
    """As many leases as the limit says are held at once, for each tenant by itself."""
    assert await stores.batches.acquire("acme", 2, 0, no_one)
    assert await stores.batches.acquire("acme", 2, 0, no_one)
    assert await stores.batches.acquire("acme", 2, 0, no_one) is None
    assert await stores.batches.acquire("other", 1, 0, no_one)
    assert stores.batches.open("acme") == 2


async def test_who_waits_gets_the_lease_in_order_of_arrival(stores):
    """First come, first served, and nobody overtakes the line."""
    first = await stores.batches.acquire("acme", 1, 0, no_one)
    served = []

    async def customer(name):
        lease = await stores.batches.acquire("acme", 1, LONG, no_one)
        served.append(name)
        await lease.release()

    tasks = [asyncio.create_task(customer(name)) for name in "abc"]
    await settle_down()
    assert served == []
    await first.release()
    await asyncio.gather(*tasks)
    assert served == ["a", "b", "c"]
    assert stores.batches.open("acme") == 0


async def test_waiting_ends_after_the_time_given(stores):
    """Who has waited long enough gets None and is no longer in line."""
    lease = await stores.batches.acquire("acme", 1, 0, no_one)
    assert await stores.batches.acquire("acme", 1, 0.01, no_one) is None
    await lease.release()
    assert await stores.batches.acquire("acme", 1, 0, no_one)


async def test_a_cancelled_waiter_leaves_the_line(stores):
    """A client that hung up while waiting holds up nobody."""
    lease = await stores.batches.acquire("acme", 1, 0, no_one)
    gone = asyncio.create_task(stores.batches.acquire("acme", 1, LONG, no_one))
    await settle_down()
    behind = asyncio.create_task(stores.batches.acquire("acme", 1, LONG, no_one))
    await settle_down()
    gone.cancel()
    await settle_down()
    await lease.release()
    assert await behind is not None


async def test_a_lease_granted_to_one_who_is_cancelled_that_moment_goes_on(stores):
    """A lease that nobody would ever give back is not lost."""
    lease = await stores.batches.acquire("acme", 1, 0, no_one)
    gone = asyncio.create_task(stores.batches.acquire("acme", 1, LONG, no_one))
    await settle_down()
    await lease.release()
    gone.cancel()
    with suppress(asyncio.CancelledError):
        if (granted := await gone) is not None:
            await granted.release()
    assert stores.batches.open("acme") == 0
    assert await stores.batches.acquire("acme", 1, 0, no_one)


async def test_releasing_twice_frees_one_place(stores):
    """A second release of one lease does not end another's."""
    lease = await stores.batches.acquire("acme", 1, 0, no_one)
    await lease.release()
    assert await stores.batches.acquire("acme", 1, 0, no_one)
    await lease.release()
    assert stores.batches.open("acme") == 1


async def test_holders_are_told_when_somebody_waits_and_when_nobody_does(stores):
    """The callback hears True for the first in line and False when the line is empty again."""
    told = []
    lease = await stores.batches.acquire("acme", 1, 0, told.append)
    waiters = [
        asyncio.create_task(stores.batches.acquire("acme", 1, LONG, no_one)) for _ in range(2)
    ]
    await settle_down()
    assert told == [True]
    waiters[0].cancel()
    await settle_down()
    assert told == [True]
    waiters[1].cancel()
    await settle_down()
    assert told == [True, False]
    await lease.release()


async def test_the_next_holder_is_told_of_those_behind_it(stores):
    """Whoever gets the lease while others still wait learns that at once."""
    lease = await stores.batches.acquire("acme", 1, 0, no_one)
    told = []
    second = asyncio.create_task(stores.batches.acquire("acme", 1, LONG, told.append))
    third = asyncio.create_task(stores.batches.acquire("acme", 1, LONG, no_one))
    await settle_down()
    await lease.release()
    assert (await second) is not None
    assert told == [True]
    third.cancel()
    await settle_down()
    assert told == [True, False]

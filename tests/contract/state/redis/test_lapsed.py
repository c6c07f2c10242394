"""What a transaction claims after Redis has given up or lost what it holds."""

from __future__ import annotations

import asyncio

import pytest

from gateway.errors import StoreUnavailable
from policies.claims import CountClaim, OctetsClaim
from tests.contract.state.redis.conftest import LEASE, at_once, claim_batch, open_hold, until

CLAIMS = {
    "octets": OctetsClaim("acme", 4000, 0, 0, 10_000),
    "count": CountClaim("recipients:acme", 1, 10, 60),
}


@pytest.mark.parametrize("kind", CLAIMS)
async def test_a_claim_does_not_bring_a_lapsed_batch_back(states, redis_server, kind):
    """A worker that stood still for a lease sends nothing more, whatever it claims first."""
    one, two = [await states(redis_server, "acme") for _ in range(2)]
    lost = []
    hold, _ = await claim_batch(one, on_lost=lambda: lost.append(hold))
    redis_server.ask("ZADD", one.keys.tenant("acme").leases, 1, hold.id)
    _, granted = await claim_batch(two)
    assert granted.units == 1
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            await hold.claim([CLAIMS[kind]])
    with pytest.raises(StoreUnavailable):
        hold.check()
    assert lost == [hold]


@pytest.mark.parametrize("kind", CLAIMS)
async def test_a_claim_after_a_loss_keeps_the_batch(states, redis_server, kind):
    """Whose tenant another process has healed says what it has before it claims more."""
    one, two = [await states(redis_server, "acme") for _ in range(2)]
    hold, _ = await claim_batch(one)
    redis_server.ask("DEL", one.keys.tenant("acme").leases)
    await two.holds.heal(two.holds.tenant("acme"))
    await hold.claim([CLAIMS[kind]])
    await at_once(one, "acme")
    _, granted = await claim_batch(two)
    assert granted.units == 0
    hold.check()


@pytest.mark.parametrize("is_killed", [True, False])
async def test_octets_sent_without_a_batch_count_once(states, redis_server, is_killed):
    """Where batches are not limited, too, a dead worker's octets count, and a late one's once."""
    one, two = [await states(redis_server, "acme") for _ in range(2)]
    hold = open_hold(one)
    await hold.claim([OctetsClaim("acme", 6_000, 0, 0, 10_000, is_sent=True)])
    redis_server.ask("ZADD", one.keys.tenant("acme").leases, 1, hold.id)
    other, _ = await claim_batch(two)  # which takes it for dead
    if is_killed:
        await one.close()
    else:
        await one.holds.heal(one.holds.tenant("acme"))
        await hold.settle(6_000)
    shortage = (await other.claim([OctetsClaim("acme", 5_000, 0, 0, 10_000)]))[0].shortage
    assert shortage.used == 6_000


HOUR_MS = 3_600_000


async def test_a_server_clock_that_is_set_back_keeps_nobody_waiting(states, redis_server):
    """A dead lease, the pause after a loss and a dead place in line end as if it had not been."""
    dead, alive = [await states(redis_server, "acme") for _ in range(2)]
    hold, _ = await claim_batch(dead)
    await dead.close()
    keys = alive.keys.tenant("acme")
    redis_server.ask("ZINCRBY", keys.leases, HOUR_MS, hold.id)
    redis_server.ask("ZADD", keys.line, 1, "gone-1.7")
    seconds = redis_server.ask("TIME")[0]
    redis_server.ask("HSET", keys.holds, "s:gone-1", int(seconds) * 1000 + HOUR_MS)
    async with asyncio.timeout(60):
        other, granted = await claim_batch(alive, wait=30)
    assert granted.units == 1
    await other.settle(0)
    redis_server.ask("HSET", keys.holds, "ready", int(seconds) * 1000 + HOUR_MS)
    async with asyncio.timeout(60):
        _, granted = await claim_batch(alive, wait=30)
    assert granted.units == 1


async def test_one_sessions_fault_ends_no_renewals(states, redis_server):
    """Whoever cannot hear that its batch is lost does not cost all others theirs."""
    one = await states(redis_server, "acme")

    def fault() -> None:
        raise RuntimeError("a session's own")

    told = []
    asyncio.get_running_loop().set_exception_handler(lambda _, problem: told.append(problem))
    bad, _ = await claim_batch(one, limit=5, on_lost=fault)
    good, _ = await claim_batch(one, limit=5)
    redis_server.ask("ZADD", one.keys.tenant("acme").leases, 1, bad.id)
    await until(lambda: bool(told))
    good_until = good.good_until
    await until(lambda: good.good_until > good_until + LEASE)
    good.check()
    with pytest.raises(StoreUnavailable):
        bad.check()
    assert len(told) == 1


async def test_what_lapsed_before_a_loss_is_not_put_in_again(states, redis_server):
    """A batch that was another's already is not claimed back while holders say what they have."""
    one, two = [await states(redis_server, "acme") for _ in range(2)]
    hold, _ = await claim_batch(one)
    redis_server.ask("DEL", one.keys.tenant("acme").leases)
    await two.holds.heal(two.holds.tenant("acme"))
    hold.good_until = 0.0  # as if it had stood still since
    await one.holds.heal(one.holds.tenant("acme"))
    with pytest.raises(StoreUnavailable):
        hold.check()
    await at_once(two, "acme")
    _, granted = await claim_batch(two)
    assert granted.units == 1

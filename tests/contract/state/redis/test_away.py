"""What a process keeps, and does, while Redis or a part of it cannot be asked."""

from __future__ import annotations

import asyncio

import pytest

from gateway.errors import StoreUnavailable
from policies.claims import BatchClaim
from tests.contract.state.redis.conftest import claim_batch, hurry, open_hold, until
from tests.servers.wire import Wire


async def fail(state, wait: float) -> None:
    """A transaction that cannot begin, and ends."""
    hold = open_hold(state)
    with pytest.raises(StoreUnavailable):
        await hold.claim([BatchClaim(1, wait)])
    await hold.settle(0)


@pytest.mark.parametrize("wait", [0, 30])
async def test_what_could_not_begin_is_not_kept(states, redis_server, wait):
    """An hour without Redis, with a thousand tries a second, costs no memory and no time later."""
    with Wire(redis_server.port) as line:
        one = await states(redis_server, "acme", servers=[f"127.0.0.1:{line.port}"])
        line.refuse()
        await until(lambda: not one.is_ready())
        for _ in range(100):
            await fail(one, wait)
        assert not one.holds.unsettled
        line.mend()
        await until(one.is_ready)
        redis_server.ask("ACL", "SETUSER", "default", "-@scripting")
        try:
            for _ in range(100):
                await fail(one, wait)
        finally:
            redis_server.ask("ACL", "SETUSER", "default", "+@all")
        assert not one.holds.unsettled


async def test_a_claim_whose_answer_is_lost_is_given_back(states, redis_server):
    """What may have been granted all the same is told to be over as soon as that can be told."""
    with Wire(redis_server.port) as line:
        servers = [f"127.0.0.1:{line.port}"]
        one = await states(redis_server, "acme", servers=servers, lease=60)
        hold = open_hold(one)
        hurry(one)
        line.slow(0.5)
        with pytest.raises(StoreUnavailable):
            await hold.claim([BatchClaim(1, 0)])
        with pytest.raises(StoreUnavailable):
            await hold.settle(0)
        line.mend()
        await until(one.is_ready)
        two = await states(redis_server, "acme", lease=60)
        async with asyncio.timeout(60):
            while (await claim_batch(two))[1].units == 0:
                await one.holds._settle_again()


async def test_many_notes_of_one_window_are_one(states, redis_server):
    """Ten thousand recipients, each told by itself, hold Redis up no longer than one does."""
    state = await states(redis_server, "acme")
    hold, _ = await claim_batch(state)
    for _ in range(10_000):
        hold.note("recipients:acme", 1, 86_400)
        hold.note("refused:acme", 1, 3_600)
    send, words = state.calls.send_script, []

    def count(script, keys, args=()):
        words.append(len(keys) + len(args))
        return send(script, keys, args)

    state.calls.send_script = count
    await hold.settle(0)
    assert max(words) < 100
    assert await state.rates.count("recipients:acme", 86_400) == 10_000
    assert await state.rates.count("refused:acme", 3_600) == 10_000


async def test_an_end_that_can_never_be_told_keeps_no_other_waiting(states, redis_server):
    """Neither does a tenant whose hash is of no use keep others from theirs."""
    with Wire(redis_server.port) as line:
        servers = [f"127.0.0.1:{line.port}"]
        tenants = ("bad", "acme")
        one = await states(redis_server, *tenants, servers=servers)
        held = [(await claim_batch(one, tenant))[0] for tenant in tenants]
        hurry(one)
        line.stall()
        for hold in held:
            with pytest.raises(StoreUnavailable):
                await hold.settle(0)
        key = one.keys.tenant("bad").holds
        redis_server.ask("DEL", key)
        redis_server.ask("SET", key, "of no use")
        try:
            line.mend()
            await until(lambda: list(one.holds.unsettled) == [held[0].id])
        finally:
            redis_server.ask("DEL", key)

"""Batches over several processes: one line, leases that end, and what happens to them in a loss."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from gateway.errors import StoreUnavailable
from policies.claims import BatchClaim, OctetsClaim
from tests.contract.state.redis.conftest import LEASE, at_once, claim_batch, hurry, open_hold, until
from tests.servers.wire import Wire

DAY_LIMIT = 10_000


async def kill(state) -> None:
    """End a process without a word: nothing is given back and nothing renewed any more."""
    await state.close()


async def test_two_processes_never_have_more_batches_than_the_limit(states, redis_server):
    """What one process holds, another does not get."""
    one, two = [await states(redis_server, "acme") for _ in range(2)]
    _, granted = await claim_batch(one)
    assert granted.units == 1
    _, refused = await claim_batch(two)
    assert refused.units == 0
    assert refused.shortage.used == 1
    _, other = await claim_batch(two, limit=2)
    assert other.units == 1


async def test_the_line_is_one_over_all_processes(states, redis_server):
    """Who came first is served first, wherever they wait."""
    both = [await states(redis_server, "acme") for _ in range(2)]
    first, _ = await claim_batch(both[0])
    served = []

    async def customer(number: int) -> None:
        hold, granted = await claim_batch(both[number % 2], wait=30)
        assert granted.units == 1
        assert granted.has_waited
        served.append(number)
        await hold.settle(0)

    tasks = []
    for number in range(6):
        tasks.append(asyncio.create_task(customer(number)))
        await until(lambda number=number: waiting(both[0], number + 1))
    assert served == []
    await first.settle(0)
    await asyncio.gather(*tasks)
    assert served == list(range(6))


async def waiting(state, count: int) -> bool:
    (usage,) = await state.holds.usage(["acme"])
    return usage.waiting == count


async def test_a_holder_elsewhere_hears_who_waits_and_that_nobody_does_any_more(
    states, redis_server
):
    """The callback hears True within a renewal of the first waiter, and False after the last."""
    one, two = [await states(redis_server, "acme") for _ in range(2)]
    told = []
    await claim_batch(one, on_contended=told.append)
    waiter = asyncio.create_task(claim_batch(two, wait=30))
    await until(lambda: told == [True])
    waiter.cancel()
    await until(lambda: told == [True, False])


async def test_a_killed_process_frees_its_batch_and_its_octets(states, redis_server):
    """What a dead process held is another's after one lease, and not before."""
    dead, alive = [await states(redis_server, "acme") for _ in range(2)]
    loop = asyncio.get_running_loop()
    hold = open_hold(dead)
    await hold.claim([BatchClaim(1, 0), OctetsClaim("acme", DAY_LIMIT, 0, 0, DAY_LIMIT)])
    killed_at = loop.time()
    await kill(dead)
    next_hold = open_hold(alive)
    claims = [BatchClaim(1, 30), OctetsClaim("acme", DAY_LIMIT, 0, 0, DAY_LIMIT)]
    batch, octets = await next_hold.claim(claims)
    assert (batch.units, octets.shortage) == (1, None)
    assert loop.time() - killed_at > LEASE / 2


async def test_octets_that_a_killed_process_was_sending_count(states, redis_server):
    """Nobody knows what went out behind its last dots: the limit holds against all of it."""
    dead, alive = [await states(redis_server, "acme") for _ in range(2)]
    hold = open_hold(dead)
    await hold.claim([BatchClaim(1, 0)])
    await hold.claim([OctetsClaim("acme", 6_000, 0, 0, DAY_LIMIT, is_sent=True)])
    await kill(dead)
    next_hold = open_hold(alive)
    claims = [BatchClaim(1, 30), OctetsClaim("acme", 5_000, 0, 0, DAY_LIMIT)]
    batch, octets = await next_hold.claim(claims)
    assert (batch.units, octets.shortage.used) == (1, 6_000)
    (usage,) = await alive.holds.usage(["acme"])
    assert usage.octets == 6_000


async def test_who_was_taken_for_dead_while_sending_counts_once(states, redis_server):
    """What it says at its end, much later, adds nothing to what was counted for it."""
    with Wire(redis_server.port) as line:
        one = await states(redis_server, "acme", servers=[f"127.0.0.1:{line.port}"])
        two = await states(redis_server, "acme")
        hold = open_hold(one)
        await hold.claim([BatchClaim(1, 0)])
        await hold.claim([OctetsClaim("acme", 6_000, 0, 0, DAY_LIMIT, is_sent=True)])
        hurry(one)
        line.stall()
        other, granted = await claim_batch(two, wait=30)
        assert granted.units == 1
        line.mend()
        with suppress(StoreUnavailable):  # then it is told again
            await hold.settle(6_000)
        await until(lambda: not one.holds.unsettled)
        await other.settle(0)
        (usage,) = await two.holds.usage(["acme"])
        assert usage.octets == 6_000


async def test_who_waited_in_a_killed_process_holds_up_nobody(states, redis_server):
    """A place in line that nobody asks for any more is given up."""
    one, two = [await states(redis_server, "acme") for _ in range(2)]
    first, _ = await claim_batch(one)
    gone = asyncio.create_task(claim_batch(two, wait=30))
    await until(lambda: waiting(one, 1))
    await kill(two)
    await asyncio.gather(gone, return_exceptions=True)
    behind = asyncio.create_task(claim_batch(one, wait=30))
    await first.settle(0)
    _, granted = await behind
    assert granted.units == 1


async def test_a_holder_that_cannot_renew_stops_before_another_has_its_batch(states, redis_server):
    """`check` raises and `on_lost` is told while the lease in Redis still stands."""
    with Wire(redis_server.port) as line:
        one = await states(redis_server, "acme", servers=[f"127.0.0.1:{line.port}"])
        two = await states(redis_server, "acme")
        lost = asyncio.Event()
        hold, _ = await claim_batch(one, on_lost=lost.set)
        hold.check()
        taken = asyncio.create_task(claim_batch(two, wait=30))
        await until(lambda: waiting(two, 1))
        hurry(one)
        line.stall()
        await lost.wait()
        assert not taken.done()
        with pytest.raises(StoreUnavailable):
            hold.check()
        _, granted = await taken
        assert granted.units == 1


async def test_a_renewed_batch_stays(states, redis_server):
    """A transaction may last longer than a lease."""
    one, two = [await states(redis_server, "acme") for _ in range(2)]
    hold, _ = await claim_batch(one)
    good_until = hold.good_until
    await until(lambda: hold.good_until > good_until + LEASE)
    hold.check()
    assert (await claim_batch(two))[1].units == 0


@pytest.mark.parametrize("loss", ["flushed", "evicted", "exchanged"])
async def test_after_a_loss_holders_keep_their_batch_and_nobody_gets_one_too_soon(
    states, redis_server, loss
):
    """For one lease nothing is granted, in which the holder's batch is put in again."""
    one, two = [await states(redis_server, "acme") for _ in range(2)]
    lost = []
    hold, _ = await claim_batch(one, on_lost=lambda: lost.append(hold))
    await hold.claim([OctetsClaim("acme", 4000, 0, 0, DAY_LIMIT)])
    if loss == "flushed":
        redis_server.ask("FLUSHALL")
    elif loss == "exchanged":
        redis_server.ask("SWAPDB", 0, 1)
    else:
        redis_server.ask("DEL", one.keys.tenant("acme").leases)
    with pytest.raises(StoreUnavailable):
        await claim_batch(two)

    async def is_back() -> bool:
        (usage,) = await two.holds.usage(["acme"])
        return (usage.open, usage.octets) == (1, 4000)

    await until(is_back)
    _, granted = await claim_batch(two, wait=LEASE + 0.5)
    assert granted.units == 0
    assert granted.shortage.used == 1
    hold.check()
    assert not lost
    await hold.settle(4000)
    assert (await claim_batch(two))[1].units == 1


async def test_where_another_put_a_new_mark_nothing_is_granted_for_a_lease(states, redis_server):
    """One process that saw keys thrown away stops all, those with whole hashes included."""
    state = await states(redis_server, "acme", lease=60)
    redis_server.ask("SET", state.keys.generation, "another")
    with pytest.raises(StoreUnavailable):
        await claim_batch(state)


async def test_a_first_transaction_need_not_wait_where_the_hashes_are_made(states, redis_server):
    """A process makes its tenants' hashes when it starts, and those of tenants that come later."""
    tenants = ["acme"]
    state = await states(redis_server, is_fresh=True, tenants=lambda: tenants)
    keys = state.keys
    assert await state.calls.do("HGET", keys.tenant("acme").holds, "m") == b"1"
    tenants.append("later")
    await until(lambda: is_made(state, "later"))
    await at_once(state, "acme")
    assert (await claim_batch(state))[1].units == 1


async def is_made(state, tenant: str) -> bool:
    return await state.calls.do("HGET", state.keys.tenant(tenant).holds, "m") == b"1"


async def test_windows_are_merged_with_the_records_before_anything_is_granted(
    states, redis_server, records
):
    """After a flush every bucket is the greater of what was saved and what is there."""
    state = await states(redis_server, "acme")
    hold = open_hold(state)
    await hold.claim([BatchClaim(1, 0), OctetsClaim("acme", 6000, 0, 0, DAY_LIMIT)])
    await hold.settle(6000)
    await state.rates.add("delivered:acme", 3, 3600)
    await state.checkpoint.save()
    redis_server.ask("FLUSHALL")
    hold = open_hold(state)
    claims = [BatchClaim(1, 10), OctetsClaim("acme", 4001, 0, 0, DAY_LIMIT)]
    _, octets = await hold.claim(claims)
    assert octets.shortage.used == 6000
    assert await state.rates.count("delivered:acme", 3600) == 3
    assert (await state.holds.usage(["acme"]))[0].octets == 6000


async def test_records_that_are_away_grant_nothing(states, redis_server, records):
    """A flushed Redis whose windows cannot be merged gives no batch."""

    class Away:
        async def load(self):
            raise StoreUnavailable("the records are away")

        save = records.save

    state = await states(redis_server, "acme", saved=Away(), is_fresh=True)
    with pytest.raises(StoreUnavailable, match="records are away"):
        await claim_batch(state, wait=5)


async def test_an_end_that_could_not_be_told_is_told_later_and_once(states, redis_server):
    """Octets that were used while Redis was away are counted when it is back, and not twice."""
    with Wire(redis_server.port) as line:
        state = await states(redis_server, "acme", servers=[f"127.0.0.1:{line.port}"])
        other = await states(redis_server, "acme")
        hold = open_hold(state)
        await hold.claim([BatchClaim(1, 0), OctetsClaim("acme", 700, 0, 0, DAY_LIMIT)])
        hurry(state)
        line.slow(0.5)  # it is carried out, but the answer comes too late
        with pytest.raises(StoreUnavailable):
            await hold.settle(700)
        line.mend()
        await until(lambda: settled(state))
        assert (await other.holds.usage(["acme"]))[0].octets == 700
        hold = open_hold(state)
        await hold.claim([BatchClaim(1, 0), OctetsClaim("acme", 600, 0, 0, DAY_LIMIT)])
        line.refuse()  # it is not carried out at all
        with pytest.raises(StoreUnavailable):
            await hold.settle(600)
        line.mend()
        await until(lambda: settled(state))
        assert (await other.holds.usage(["acme"]))[0].octets == 1300


async def test_an_end_is_told_once_though_the_hash_was_looked_at_meanwhile(states, redis_server):
    """Only what began anew has lost an end that was told before."""
    with Wire(redis_server.port) as line:
        servers = [f"127.0.0.1:{line.port}"]
        state = await states(redis_server, "acme", servers=servers, lease=60)
        hold = open_hold(state)
        await hold.claim([BatchClaim(1, 0), OctetsClaim("acme", 700, 0, 0, DAY_LIMIT)])
        hurry(state)
        line.slow(0.5)
        with pytest.raises(StoreUnavailable):
            await hold.settle(700)
        line.mend()
        await until(lambda: healed(state))
        await state.close()  # which tells it again
        other = await states(redis_server, "acme")
        assert (await other.holds.usage(["acme"]))[0].octets == 700


async def healed(state) -> bool:
    await state.holds.heal(state.holds.tenant("acme"))
    return True


def settled(state) -> bool:
    return not state.holds.unsettled


async def test_a_mailing_that_a_case_has_ended_is_followed_by_another(states, redis_server):
    """The next transaction of the stream begins a new mailing, whichever process has it."""
    ended = set()
    one, two = [await states(redis_server, "acme", is_ended=ended.__contains__) for _ in range(2)]
    names = []
    for state in (one, two, one):
        hold = open_hold(state)
        await hold.claim([BatchClaim(9, 0)])
        names.append(hold.mailing)
    assert len(set(names)) == 1
    ended.add(names[0])
    for state in (two, one):
        hold = open_hold(state)
        await hold.claim([BatchClaim(9, 0)])
        names.append(hold.mailing)
    assert names[3] == names[4] != names[0]


async def test_news_of_blocks_come_with_the_answer_to_a_mail(states, redis_server):
    """The number of the blocks in force is told before MAIL is answered."""
    heard = []
    state = await states(redis_server, "acme", on_blocks=heard.append)
    await claim_batch(state, limit=5)
    await state.calls.do("SET", state.keys.blocks, 1)
    await claim_batch(state, limit=5)
    assert heard == [None, b"1"]


async def test_a_mail_is_one_write_to_the_server(states, redis_server):
    """A MAIL, a group of RCPTs and an end take one round trip each."""
    with Wire(redis_server.port) as line:
        state = await states(redis_server, "acme", servers=[f"127.0.0.1:{line.port}"], lease=60)
        hold = open_hold(state)
        sent = []
        wire = state.calls.wires()[0]
        send = wire.send

        def count(octets, calls) -> None:
            if all(hasattr(call, "pack") for call in calls):  # not the look at who the server is
                sent.append(len(calls))
            send(octets, calls)

        wire.send = count
        await hold.claim([BatchClaim(1, 0), OctetsClaim("acme", 700, 0, 0, DAY_LIMIT)])
        await hold.claim([OctetsClaim("acme", 700, 700, 3, DAY_LIMIT)])
        hold.note("recipients:acme", 3, 3600)
        await hold.settle(700)
        assert sent == [2, 1, 1]

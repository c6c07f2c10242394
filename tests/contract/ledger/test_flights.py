"""Who deals with an entry of the ledger when several workers may, against a real Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, suppress

import pytest

from gateway.errors import StoreUnavailable
from gateway.ledger.entry import KEEP_SECONDS
from gateway.ledger.flights import Found
from gateway.state.redis.flights import ALIVE
from gateway.state.redis.keys import SHARDS
from tests.contract.ledger.house import House
from tests.servers.cluster import RedisCluster
from tests.servers.redis import RedisServer, RedisSet

FREE, BUSY, STORED, UNKNOWN = Found.FREE, Found.BUSY, Found.STORED, Found.UNKNOWN
A, B, C, D = (bytes([first]) * 16 for first in b"abcd")
LONG = 600.0
"""Seconds that slots stay closed where a test says when they open."""


@pytest.fixture
async def house(redis_server: RedisServer) -> AsyncIterator[House]:
    made = House(redis_server)
    yield made
    await made.aclose()


async def test_an_entry_has_one_owner(house: House) -> None:
    """What one worker claimed is busy for another and its own for itself, until it lets it go."""
    one, two = await house.worker(1), await house.worker(2)
    assert await one.claim([A, B], 0.0) == [FREE, FREE]
    assert await one.claim([A, C], 0.0) == [Found.OURS, FREE]
    assert await two.claim([A], 0.0) == [BUSY]
    one.end(A, is_stored=False)
    one.end(B, is_stored=True)
    assert await two.claim([B], 0.0) == [BUSY]
    await one.flush()
    assert await two.claim([A, B, C], 0.0) == [FREE, STORED, BUSY]


async def test_who_waits_owns_nothing_meanwhile(house: House) -> None:
    """Two messages with the same recipients in another order cannot wait for each other."""
    one, two, three = [await house.worker(name) for name in (1, 2, 3)]
    await one.claim([A], 0.0)
    waiting = asyncio.create_task(two.claim([B, A], 60.0))
    async with asyncio.timeout(60):
        while (await three.claim([B], 0.0)) != [FREE]:
            pass
    assert not waiting.done()
    for flights, key in ((one, A), (three, B)):
        flights.end(key, is_stored=False)
        await flights.flush()
    assert await waiting == [FREE, FREE]


@pytest.mark.parametrize("is_back", [False, True])
async def test_what_the_dead_had_is_unknown(house: House, is_back: bool) -> None:
    """Dead is who says nothing for long, or whose worker has started again; that is passed on."""
    one, two = await house.worker(1), await house.worker(2)
    await one.claim([A, B], 0.0)
    if is_back:
        await house.worker(1)
    else:
        house.bury(1)
    assert await two.claim([A], 0.0) == [UNKNOWN]
    two.give_back([A])
    await two.flush()
    three = await house.worker(3)
    assert await three.claim([A, B], 0.0) == [UNKNOWN, UNKNOWN]
    one.end(A, is_stored=False)
    await one.flush()
    house.bury(3)
    assert await two.claim([A], 0.0) == [UNKNOWN]


async def test_who_comes_back_learns_what_is_over(house: House) -> None:
    """An unknown copy that another worker has brought to an end is not taken up again."""
    one, two = await house.worker(1), await house.worker(2)
    await one.claim([A, B, C], 0.0)
    house.bury(1)
    assert await two.claim([A, B], 0.0) == [UNKNOWN, UNKNOWN]
    two.end(A, is_stored=False)
    await two.flush()
    again = await house.worker(1)
    assert await again.take_up([A, B, C]) == [Found.OVER, BUSY, UNKNOWN]
    again.end(A, is_stored=False)
    await again.flush()
    assert await two.claim([A], 0.0) == [FREE]


async def test_a_claim_whose_answer_is_lost_changes_nothing(house: House) -> None:
    """What was stored, unknown or free before is so again."""
    one, two = await house.worker(1), await house.worker(2)
    await one.claim([A, B], 0.0)
    one.end(A, is_stored=True)
    await one.flush()
    house.bury(1)
    house.calls[2].is_deaf = True
    with pytest.raises(StoreUnavailable):
        await two.claim([A, B, C], 0.0)
    three = await house.worker(3)
    assert await three.claim([A, B, C], 0.0) == [BUSY, BUSY, BUSY]
    house.calls[2].is_deaf = False
    await two.flush()
    assert await three.claim([A, B, C], 0.0) == [STORED, UNKNOWN, FREE]


async def until(happened: Callable[[], bool], ask: Callable[[], Awaitable[None]]) -> None:
    """Ask, whatever comes of it, until this has happened."""
    async with asyncio.timeout(60):
        while not happened():
            with suppress(StoreUnavailable):
                await ask()
            await asyncio.sleep(0.01)


async def test_after_a_loss_the_living_speak_first(house: House) -> None:
    """Nothing is granted until they have; then the records answer, until all has its mark."""
    one = await house.worker(1)
    assert await one.claim([A, B], 0.0) == [FREE, FREE]
    one.end(B, is_stored=True)
    await one.flush()
    house.server.ask("FLUSHALL")
    two = await house.worker(2, closed=LONG)
    with pytest.raises(StoreUnavailable, match="gathered"):
        await two.claim([A], 0.0)
    await one.beat()
    house.open()
    assert await two.claim([A, B, C], 0.0) == [BUSY, STORED, STORED]
    two.give_back([B, C])
    await two.flush()
    house.stored = {B}
    await house.beat(two)
    three = await house.worker(3)
    assert await three.claim([A, B, D], 0.0) == [BUSY, STORED, FREE]


async def test_once_all_is_marked_the_records_are_not_asked(house: House) -> None:
    """Entries of the records are marked after a start or a loss; all others are free then."""
    house.stored = {A}
    one = await house.worker(1)
    assert await one.claim([A, B], 0.0) == [STORED, FREE]


async def test_a_worker_that_stops_lets_the_records_answer(house: House) -> None:
    """What is asked of them would else come back to nobody, on a connection that none closes."""
    is_read, goes_on = asyncio.Event(), asyncio.Event()

    async def load_slowly() -> list[bytes]:
        is_read.set()
        await goes_on.wait()
        return [B]

    house.load = load_slowly
    starting = asyncio.create_task(house.worker(1))
    await is_read.wait()
    one = house.last
    closing = asyncio.create_task(one.close())
    await asyncio.sleep(0)
    assert not closing.done()
    goes_on.set()
    await closing
    await starting


async def test_a_loss_while_the_records_are_read_leaves_the_marks_incomplete(house: House) -> None:
    """What was stored after the reading began is asked for, though its own mark was lost."""
    is_read, goes_on = asyncio.Event(), asyncio.Event()

    async def load_slowly() -> list[bytes]:
        is_read.set()
        await goes_on.wait()
        return [B]

    load, house.load = house.load, load_slowly
    starting = asyncio.create_task(house.worker(1))
    await is_read.wait()
    house.server.ask("FLUSHALL")
    house.load = load
    two = await house.worker(2, closed=LONG)
    goes_on.set()
    await starting
    house.open()
    assert await two.claim([A, B], 0.0) == [STORED, STORED]


async def test_a_server_that_is_away_keeps_no_ends_of_others(redis_cluster: RedisCluster) -> None:
    """What one master of a Cluster was told is not told it again because another is away."""
    async with aclosing(House(redis_cluster, "partly")) as house:
        one, two = await house.worker(1), await house.worker(2)
        keys = [bytes([first]) * 16 for first in range(SHARDS)]
        await one.claim(keys, 0.0)
        house.calls[1].away = {house.slot(A)}
        for key in keys:
            one.end(key, is_stored=False)
        with pytest.raises(StoreUnavailable):
            await one.flush()
        assert one.untold == [bytes([A[0] % SHARDS]) * 16]
        house.calls[1].away = set()
        await one.flush()
        assert await two.claim(keys, 0.0) == [FREE] * SHARDS
        assert one.untold == []


async def test_workers_that_are_no_more_are_forgotten(house: House) -> None:
    """Nodes whose names never come again leave nothing behind for good."""
    one = await house.worker(1)
    with house.server.client() as client:
        now = client.time()[0]
        for name, ago in ((b"@gone/1", KEEP_SECONDS + 1), (b"@late/1", 600)):
            client.hset(house.slot(A), name, f"s0 {(now - ago) * 1000}")
        async with asyncio.timeout(60):
            while client.hexists(house.slot(A), b"@gone/1"):
                await one.beat()
        assert client.hexists(house.slot(A), b"@late/1")
        assert client.hexists(house.slot(A), b"@node/1")


async def test_another_server_may_have_lost_what_was_said(house: House) -> None:
    """After a failover it is asked who it is, and the living speak first."""
    one = await house.worker(1)
    await one.claim([A], 0.0)
    house.server.ask("HSET", house.slot(A), "#epoch", "of another server")
    two = await house.worker(2, closed=LONG)
    house.open()
    assert await two.claim([A], 0.0) == [BUSY]
    house.server.ask("HSET", house.slot(A), "#epoch", "of another server")
    with pytest.raises(StoreUnavailable, match="gathered"):
        await two.claim([A], 0.0)
    house.open()
    assert await two.claim([A], 0.0) == [BUSY]


async def test_a_worker_that_could_not_say_that_it_lives_stops(house: House) -> None:
    """Half a second before others take it for dead it sends nothing and claims nothing."""
    one = await house.worker(1)
    await one.claim([A], 0.0)
    one.check([A])
    house.now += ALIVE - 0.5
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            one.check([A])
        with pytest.raises(StoreUnavailable):
            await one.claim([B], 0.0)
    await one.beat()
    one.check([A])


async def test_redis_that_is_away_grants_nothing(house: House) -> None:
    """Neither does it lose what was to be let go."""
    one, two = await house.worker(1), await house.worker(2)
    await one.claim([A], 0.0)
    one.end(A, is_stored=True)
    house.calls[1].is_away = True
    for refused in (one.claim([B], 0.0), one.flush(), one.beat()):
        with pytest.raises(StoreUnavailable):
            await refused
    house.calls[1].is_away = False
    assert await two.claim([A], 0.0) == [BUSY]
    await one.flush()
    assert await two.claim([A, B], 0.0) == [STORED, FREE]


async def test_a_claim_that_its_owner_forgot_does_not_last(house: House) -> None:
    """A command that was carried out late leaves one; who has it says so again, or it dies."""
    one, two = await house.worker(1), await house.worker(2)
    await one.claim([A], 0.0)
    with house.server.client() as client:
        field = b"=" + A
        since, _, rest = client.hget(house.slot(A), field).partition(b" ")
        late = b"F%d %s" % (int(since[1:]) - 121, rest)
        client.hset(house.slot(A), field, late)
        await one.beat()
        assert await two.claim([A], 0.0) == [BUSY]
        client.hset(house.slot(A), field, late)
    assert await two.claim([A], 0.0) == [UNKNOWN]


async def test_what_no_retry_asks_for_any_more_goes(house: House) -> None:
    """A few entries are looked at with each beat; those that are too old are dropped."""
    one = await house.worker(1)
    with house.server.client() as client:
        now = client.time()[0]
        old = {b"=old%d" % n: f"S{now - KEEP_SECONDS - 1}" for n in range(600)}
        new = {b"=new%d" % n: f"S{now - KEEP_SECONDS + 600}" for n in range(600)}
        client.hset(house.slot(A), mapping={**old, **new})
        async with asyncio.timeout(60):
            while any(client.hmget(house.slot(A), list(old))):
                await one.beat()
        assert all(client.hmget(house.slot(A), list(new)))


async def test_slots_may_live_on_several_servers(redis_cluster: RedisCluster) -> None:
    """One claim is one parallel set of calls to all masters of a Cluster."""
    async with aclosing(House(redis_cluster, "cluster")) as house:
        one, two = await house.worker(1), await house.worker(2)
        keys = [bytes([first]) * 16 for first in range(SHARDS)]
        assert await one.claim(keys, 0.0) == [FREE] * SHARDS
        assert await two.claim(keys, 0.0) == [BUSY] * SHARDS


async def test_a_failover_forgets_nobody_who_lives(redis_set: RedisSet) -> None:
    """The new primary grants nothing until who has an entry has said so again."""
    async with aclosing(House(redis_set, "failover")) as house:
        one, two = await house.worker(1, closed=LONG), await house.worker(2, closed=LONG)
        house.open(redis_set.primary)
        await one.claim([A], 0.0)
        primary = await asyncio.to_thread(redis_set.failover)
        slot = house.slot(A)
        primary.ask("HDEL", slot, b"=" + A)
        await until(lambda: primary.ask("HGET", slot, "#opens") != b"0", two.beat)
        with pytest.raises(StoreUnavailable, match="gathered"):
            await two.claim([A], 0.0)
        await until(lambda: primary.ask("HEXISTS", slot, b"=" + A), one.beat)
        house.open(primary)
        assert await two.claim([A], 0.0) == [BUSY]

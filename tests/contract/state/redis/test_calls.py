"""What asking Redis must do when callers leave, servers change, and answers stay away."""

from __future__ import annotations

import asyncio
import random

import pytest

from gateway.errors import ConfigurationError, StoreUnavailable
from gateway.state.redis.keys import Keys
from gateway.state.redis.scripts import script
from tests.contract.state.redis.conftest import hurry, until
from tests.servers.redis import RedisServer
from tests.servers.wire import Wire

ECHO = script("echo", "return {KEYS[1], ARGV[1]}")
KEYS = Keys("consentry")


def key(number: int) -> bytes:
    """A key whose answer says which it is."""
    return KEYS.in_slot(f"a:{number}", "echo")


@pytest.fixture(params=["standalone", "cluster"])
async def asked(request, states):
    """A state, by itself and on a Cluster."""
    name = {"standalone": "redis_server", "cluster": "redis_cluster"}[request.param]
    return await states(request.getfixturevalue(name))


async def test_answers_of_a_thousand_callers_that_hang_up_never_reach_another(asked):
    """Whoever stays gets the answer to their own question, whoever else was cancelled when."""
    calls = asked.calls
    await calls.all([("SET", key(number), f"is {number}") for number in range(1000)])
    before = len(asyncio.all_tasks())
    wrong = []

    async def caller(number: int) -> None:
        answer = await calls.do("GET", key(number))
        echoed, said = await calls.run(ECHO, [key(number)], [number])
        if (answer, echoed, said) != (b"is %d" % number, key(number), b"%d" % number):
            wrong.append((number, answer, echoed, said))

    rng = random.Random(6)
    tasks = [asyncio.create_task(caller(number)) for number in range(1000)]
    leaving = [task for task in tasks if rng.random() < 0.7]
    rng.shuffle(leaving)
    for place, task in enumerate(leaving):
        if place % 7 == 0:
            await asyncio.sleep(0)
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert not wrong
    stayed = [result for result in results if result is None]
    assert len(stayed) >= len(tasks) - len(leaving)
    assert all(isinstance(one, asyncio.CancelledError) for one in results if one is not None)
    assert len(asyncio.all_tasks()) == before


async def test_hang_ups_open_no_further_connection(states, redis_server):
    """One connection serves all callers, those that left included."""
    state = await states(redis_server)
    clients = clients_of(redis_server)
    tasks = [asyncio.create_task(state.calls.do("GET", key(n))) for n in range(200)]
    await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert await state.calls.do("GET", key(0)) is None
    await until(lambda: clients_of(redis_server) <= clients)  # those of before may still be leaving


def clients_of(server) -> int:
    return server.ask("CLIENT", "LIST").decode().count("id=")


async def test_a_server_that_does_not_answer_fails_the_call_and_then_at_once(states, redis_server):
    """A half-open connection costs one `timeout`; later calls do not wait, until it is back."""
    with Wire(redis_server.port) as line:
        state = await states(redis_server, servers=[f"127.0.0.1:{line.port}"])
        hurry(state, 0.3)
        line.stall()
        with pytest.raises(StoreUnavailable, match=r"0\.3 s"):
            await state.calls.do("GET", key(1))
        assert not state.is_ready()
        refused = state.calls.send("GET", key(1))
        await asyncio.sleep(0)
        assert refused.done()
        with pytest.raises(StoreUnavailable):
            await refused
        line.mend()
        await until(state.is_ready)
        assert await state.calls.do("GET", key(1)) is None


async def test_an_answer_that_comes_too_late_reaches_nobody(states, redis_server):
    """After a timeout the connection is given up, whatever still arrives on it."""
    with Wire(redis_server.port) as line:
        state = await states(redis_server, servers=[f"127.0.0.1:{line.port}"])
        await state.calls.all([("SET", key(n), f"is {n}") for n in range(2)])
        hurry(state, 0.3)
        line.slow(0.25)  # on the way there and back: too late, but it will come
        late = state.calls.send("GET", key(0))
        with pytest.raises(StoreUnavailable):
            await late
        line.slow(0.0)

        async def answers() -> bool:
            assert await state.calls.do("GET", key(1)) == b"is 1"
            return True

        for _ in range(20):
            await until(answers)


async def test_a_server_that_is_away_is_found_when_it_comes(states):
    """A process may start before Redis does."""
    with RedisServer() as server:
        server.kill()
        state = await states(server, is_fresh=True)
        assert not state.is_ready()
        with pytest.raises(StoreUnavailable):
            await state.calls.do("GET", key(1))
        server.start()
        await until(state.is_ready, 5)
        assert await state.calls.do("GET", key(1)) is None


async def test_scripts_survive_the_loss_of_the_servers_cache(asked, request):
    """NOSCRIPT is not seen outside: the script is loaded again."""
    assert await asked.calls.run(ECHO, [key(1)], ["a"]) == [key(1), b"a"]
    servers = request.node.callspec.params["asked"]
    if servers == "standalone":
        request.getfixturevalue("redis_server").ask("SCRIPT", "FLUSH")
    else:
        for one in request.getfixturevalue("redis_cluster").masters:
            one.ask("SCRIPT", "FLUSH")
    answers = await asyncio.gather(
        *(asked.calls.run(ECHO, [key(number)], [number]) for number in range(20))
    )
    assert answers == [[key(number), b"%d" % number] for number in range(20)]


TROUBLES = {
    "out of memory": (("CONFIG", "SET", "maxmemory", "1"), ("CONFIG", "SET", "maxmemory", "0")),
    "too few replicas": (
        ("CONFIG", "SET", "min-replicas-to-write", "1"),
        ("CONFIG", "SET", "min-replicas-to-write", "0"),
    ),
    "a replica": (("REPLICAOF", "127.0.0.1", "1"), ("REPLICAOF", "NO", "ONE")),
    "no permission": (
        ("ACL", "SETUSER", "default", "-@all", "+acl"),
        ("ACL", "SETUSER", "default", "+@all"),
    ),
    "evicting": (
        ("CONFIG", "SET", "maxmemory-policy", "allkeys-lru"),
        ("CONFIG", "SET", "maxmemory-policy", "noeviction"),
    ),
}


@pytest.mark.parametrize("trouble", TROUBLES)
async def test_a_server_in_trouble_is_unavailable_and_then_used_again(
    states, redis_server, trouble
):
    """Whatever the server says, the caller hears StoreUnavailable, and no more once it is well."""
    state = await states(redis_server, "acme")
    hurt, mend = TROUBLES[trouble]

    async def works() -> bool:
        await state.rates.add("delivered:acme", 1, 60)
        return True

    async def fails() -> bool:
        try:
            return not await works()
        except StoreUnavailable:
            return True

    assert await works()
    redis_server.ask(*hurt)
    try:
        await until(fails, 5)
    finally:
        redis_server.ask(*mend)
    await until(works, 5)


async def test_a_server_that_evicts_is_refused_with_what_to_do(states, redis_server):
    """An operator reads which setting is wrong and what to write."""
    redis_server.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-lfu")
    try:
        state = await states(redis_server, is_fresh=True)
        with pytest.raises(StoreUnavailable, match="write maxmemory-policy noeviction"):
            await state.calls.do("GET", key(1))
    finally:
        redis_server.ask("CONFIG", "SET", "maxmemory-policy", "noeviction")


async def test_the_epoch_changes_with_the_life_of_the_server(states):
    """A restart of the server is another epoch, a new connection to it is not."""
    epoch = script("epoch", "return ARGV[1]", wants_epoch=True)
    with RedisServer() as server:
        state = await states(server)
        first = await state.calls.run(epoch, [key(1)])
        server.ask("CLIENT", "KILL", "TYPE", "normal")
        await until(lambda: _same(state, epoch, first))
        server.kill()
        server.start()
        await until(lambda: _differs(state, epoch, first))


async def _same(state, epoch, first) -> bool:
    return await state.calls.run(epoch, [key(1)]) == first


async def _differs(state, epoch, first) -> bool:
    return await state.calls.run(epoch, [key(1)]) != first


async def test_a_password_file_that_is_not_there_is_the_operators_fault(
    states, redis_server, tmp_path
):
    """What cannot be read is named before anything is served."""
    with pytest.raises(ConfigurationError, match="no-such"):
        await states(redis_server, password_file=str(tmp_path / "no-such"))


async def test_tls_and_a_password_are_used(states, tmp_path):
    """A server that insists on both is reached with both, and not without its authority."""
    from tests.e2e.certificates import Certificates, make_certificates

    made: Certificates = make_certificates(tmp_path)
    with RedisServer(password="secret", certificates=made) as server:
        state = await states(server)
        assert await state.calls.do("GET", key(1)) is None
        stranger = await states(server, tls={}, is_fresh=True)
        with pytest.raises(StoreUnavailable, match="certificate"):
            await stranger.calls.do("GET", key(1))

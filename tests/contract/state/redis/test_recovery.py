"""How soon a worker begins to mend what a server has lost: the pause after a loss counts from then.

What is done now and then anyway comes far too late here to be what the tests see.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from gateway.errors import StoreUnavailable
from gateway.state.redis import flights as flying
from gateway.state.redis.flights import RedisFlights
from gateway.state.redis.keys import SHARDS
from tests.contract.state.redis.conftest import claim_batch, until
from tests.e2e.ports import LOOPBACK
from tests.servers.redis import RedisServer

LONG = 600.0
SOON = 60.0
"""Seconds: far less than `LONG`, and than the 180 s between two looks with so long a lease."""


async def nobody_is_told(state) -> None:
    """A batch is not granted yet, for the pause has begun and lasts."""
    with pytest.raises(StoreUnavailable, match="no batch yet"):
        await claim_batch(state)


async def test_a_tenants_hash_is_begun_anew_when_the_server_is_back(states):
    """Nobody waits for the next look, and no batch is granted before a whole lease is over."""
    with RedisServer() as server:
        state = await states(server, "acme", lease=LONG)
        held = state.keys.tenant("acme").holds
        server.kill()
        server.start()
        await until(lambda: bool(server.ask("HGET", held, "m") == b"1"), SOON)
        left = int(server.ask("HGET", held, "ready")) / 1000 - float(server.ask("TIME")[0])
        assert LONG - SOON < left <= LONG + 1
        await nobody_is_told(state)


async def test_a_tenants_hash_is_begun_anew_when_the_epoch_changes_under_us(states):
    """A server that became the primary behind an open connection is another one, too."""
    with RedisServer() as server:
        state = await states(server, "acme", lease=LONG)
        held = state.keys.tenant("acme").holds
        before = server.ask("HGET", held, "e")
        server.ask("DEBUG", "CHANGE-REPL-ID")
        await until(lambda: bool(server.ask("HGET", held, "e") != before), SOON)
        await until(lambda: bool(server.ask("HGET", held, "m") == b"1"), SOON)
        await nobody_is_told(state)


async def test_flights_begin_their_pause_when_the_server_is_back(states, monkeypatch):
    """Every slot is told at once that we live, so that its pause is not over later than need be."""
    monkeypatch.setattr(flying, "BEAT_EVERY", LONG)

    async def load() -> list[bytes]:
        return []

    with RedisServer() as server:
        state = await states(server)
        flights = RedisFlights(state.calls, state.keys, "node", 1, "s1", load)
        slots = [state.keys.flights(shard) for shard in range(SHARDS)]

        def are_closed() -> bool:
            return all(server.ask("HEXISTS", slot, "#opens") for slot in slots)

        beating = asyncio.create_task(flights.run())
        try:
            await until(are_closed, SOON)
            server.kill()
            server.start()
            await until(are_closed, SOON)
            with pytest.raises(StoreUnavailable, match="gathered after a loss"):
                await flights.claim([b"a" * 16], 0.0)
        finally:
            beating.cancel()


async def test_many_tenants_learn_who_the_server_is_together(states, redis_server):
    """Forty workers that heal a thousand tenants each do not keep the server busy with that."""
    tenants = [f"tenant{number}" for number in range(100)]
    state = await states(redis_server, *tenants, lease=LONG)
    keys = [state.keys.tenant(name).holds for name in tenants]
    before = asked_who(redis_server)
    await asyncio.gather(*(state.calls.learn(key) for key in keys))
    # The link looks, too, and every question asks for some sections.
    assert asked_who(redis_server) - before < len(tenants)


async def test_who_asks_later_is_not_told_what_was_true_before(states, redis_server):
    """What is learnt is never older than the question."""
    state = await states(redis_server)
    held = state.keys.tenant("acme").holds
    for _ in range(20):
        before = state.calls.epochs()
        redis_server.ask("DEBUG", "CHANGE-REPL-ID")
        await state.calls.learn(held)
        assert state.calls.epochs() != before


async def test_a_primary_gone_without_a_word_is_not_waited_for(states, redis_server):
    """While a connection to it is being made, Sentinel names another: that one is taken at once."""
    reached = asyncio.Event()

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reached.set()
        await reader.read(-1)
        writer.close()

    silent = await asyncio.start_server(say_nothing, LOOPBACK)
    primary = silent.sockets[0].getsockname()[1]

    async def name(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(1000):
            words = (LOOPBACK, str(primary))
            text = "".join(f"${len(word)}\r\n{word}\r\n" for word in words)
            writer.write(f"*2\r\n{text}".encode())
        writer.close()

    async with silent, serving(name) as sentinel:
        one = Told(f"{LOOPBACK}:{sentinel}")
        making = asyncio.create_task(states(one, is_fresh=True, timeout=60.0))
        await asyncio.wait_for(reached.wait(), SOON)
        primary = redis_server.port
        async with asyncio.timeout(30):  # half of what a connection may take
            state = await making
            await until(state.is_ready)


class Told:
    """A Sentinel at this place, for `states`."""

    def __init__(self, place: str) -> None:
        self._place = place

    def settings(self, **more: object) -> dict[str, object]:
        return {"mode": "sentinel", "servers": [self._place], "service": "mymaster", **more}


@asynccontextmanager
async def serving(talk) -> AsyncIterator[int]:
    """The port of a server that talks so."""
    server = await asyncio.start_server(talk, LOOPBACK)
    async with server:
        yield server.sockets[0].getsockname()[1]


def asked_who(server: RedisServer) -> int:
    """How many INFO commands were carried out."""
    return int(server.ask("INFO", "commandstats").get("cmdstat_info", {"calls": 0})["calls"])

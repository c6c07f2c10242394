"""The pool's decision as a pure function, and what it does to connections."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.relay.pool import Pool, Step, decide
from gateway.relay.settings import NextHopSettings, Tls, tls_context


@pytest.mark.parametrize(
    ("held", "idle", "in_line", "fresh", "step"),
    [
        (0, 0, 0, False, Step.OPEN),
        (2, 1, 0, False, Step.REUSE),
        (2, 1, 0, True, Step.OPEN),
        (3, 1, 0, True, Step.REPLACE),
        (3, 0, 0, False, Step.WAIT),
        (3, 0, 0, True, Step.WAIT),
        (2, 1, 1, False, Step.WAIT),
    ],
)
def test_the_decision(held: int, idle: int, in_line: int, fresh: bool, step: Step) -> None:
    """Idle ones first, then new ones up to the limit of three; nobody overtakes the line."""
    assert decide(held, idle, 3, in_line, fresh) is step


@given(st.integers(0, 9), st.integers(0, 9), st.integers(1, 9), st.booleans())
def test_the_limit_is_never_passed(held: int, idle: int, limit: int, fresh: bool) -> None:
    """OPEN comes only below the limit, and REUSE or REPLACE only when something is idle."""
    step = decide(held, idle, limit, 0, fresh)
    assert step is not Step.OPEN or held < limit
    assert step not in (Step.REUSE, Step.REPLACE) or idle > 0


def pool_for(hop: Any, **settings: Any) -> Pool:
    return Pool(NextHopSettings("hop", "127.0.0.1", hop.port, tls=Tls.NONE, **settings))


async def test_who_finds_all_connections_lent_waits_in_line(hop: Any) -> None:
    """A connection given back goes to the first in line; the limit holds."""
    pool = pool_for(hop, max_connections=1)
    first = await pool.acquire()
    waiting = [asyncio.create_task(pool.acquire()) for _ in range(2)]
    await hop.until(lambda: pool.waiting == 2)
    pool.release(first)
    assert await waiting[0] is first
    assert not waiting[1].done()
    waiting[1].cancel()
    await asyncio.wait(waiting)
    assert pool.waiting == 0
    pool.release(first)
    assert (hop.connections, pool.idle) == (1, 1)
    pool.abort()


async def test_a_spent_connection_makes_room_for_a_new_one(hop: Any) -> None:
    """After its last message a connection says QUIT, and the next in line opens another."""
    pool = pool_for(hop, max_connections=1, messages_per_connection=1)
    first = await pool.acquire()
    waiting = asyncio.create_task(pool.acquire())
    await hop.until(lambda: pool.waiting)
    first.messages = 1
    pool.release(first)
    second = await waiting
    assert second is not first
    assert (hop.connections, pool.held) == (2, 1)
    assert hop.of("QUIT") == [(1, "QUIT")]
    pool.abort()


@pytest.mark.parametrize("octets", [b"250 Ok\r\n", b"421 4.4.2 idle\r\n", b"x"])
async def test_octets_on_an_idle_connection_end_it(hop: Any, octets: bytes) -> None:
    """What nobody asked for closes an idle connection; it is never lent again."""
    pool = pool_for(hop)
    connection = await pool.acquire()
    pool.release(connection)
    connection.data_received(octets)
    assert (pool.idle, pool.held) == (0, 0)
    assert pool.take() is None


async def test_an_idle_connection_is_left_after_a_while(hop: Any) -> None:
    """The sweep retires with QUIT what was idle for longer than it may."""
    pool = pool_for(hop, idle_seconds=0.0)
    pool.release(await pool.acquire())
    pool._sweep()
    assert pool.held == 0
    await hop.until(lambda: hop.of("QUIT"))
    pool.abort()


def test_verification_is_on_unless_said_otherwise() -> None:
    """`verify` checks chain and name, `opportunistic` neither, `none` has no TLS."""
    verifying = tls_context(NextHopSettings("a", "mx.example"))
    assert verifying is not None
    assert verifying.check_hostname
    lenient = tls_context(NextHopSettings("a", "mx.example", tls=Tls.OPPORTUNISTIC))
    assert lenient is not None
    assert not lenient.check_hostname
    assert tls_context(NextHopSettings("a", "mx.example", tls=Tls.NONE)) is None

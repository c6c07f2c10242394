"""A transaction whose own connection to the next hop was refused waited in line for thirty seconds,
and then was put off, while connections given back in the meantime lay idle."""

from __future__ import annotations

import asyncio

import pytest

from gateway.relay import pool
from gateway.relay.settings import NextHopSettings, Tls
from tests.e2e.ports import LOOPBACK
from tests.faults.hop import Hop


async def test_what_was_given_back_meanwhile_is_lent(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that became idle while another could not be opened is lent at once."""
    monkeypatch.setattr(pool, "LINE_SECONDS", 1.0)
    with Hop() as hop:
        lender = pool.Pool(NextHopSettings("main", LOOPBACK, hop.port, tls=Tls.NONE))
        first = await lender.acquire()
        hop.on("GREETING", "421 4.7.0 too many connections")
        second = asyncio.create_task(lender.acquire())
        await asyncio.sleep(0)  # it is connecting now
        lender.release(first)
        assert lender.idle == 1
        assert await second is first
        lender.abort()

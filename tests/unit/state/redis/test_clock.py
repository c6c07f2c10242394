"""The clock of all nodes: it follows the server's without its jumps."""

from __future__ import annotations

import time

import pytest

from gateway.state.redis.clock import STEP, ServerClock


def test_it_is_the_servers_time_once_heard() -> None:
    """A node whose own clock is wrong agrees with the others."""
    clock = ServerClock()
    assert clock() == pytest.approx(time.time(), abs=5)
    ahead = 1_000_000.0 - time.monotonic()
    clock.hear(ahead)
    assert clock() == pytest.approx(1_000_000, abs=5)


def test_a_server_whose_clock_is_set_moves_it_a_little_at_a_time() -> None:
    """Nothing expires in bulk, in neither direction."""
    clock = ServerClock()
    ahead = 1_000_000.0 - time.monotonic()
    clock.hear(ahead)
    before = clock() - time.monotonic()
    clock.hear(ahead + 86_400)
    assert clock() - time.monotonic() - before == pytest.approx(STEP, abs=0.001)
    for _ in range(2):
        clock.hear(ahead - 86_400)
    assert clock() - time.monotonic() - before == pytest.approx(-STEP, abs=0.001)

"""The line of one process: who may ask, and when."""

from __future__ import annotations

import asyncio

from gateway.state.redis.line import LocalLine


async def test_only_the_first_asks_and_the_next_is_woken() -> None:
    """Whoever leaves from the front lets the one behind ask at once."""
    line = LocalLine()
    first, second = line.join(), line.join()
    assert line.is_first(first)
    assert not line.is_first(second)
    resting = asyncio.create_task(second.rest(60))
    await asyncio.sleep(0)
    line.leave(first)
    await resting
    assert line.is_first(second)


async def test_leaving_from_behind_wakes_nobody() -> None:
    """The first one's turn stays as it was."""
    line = LocalLine()
    first, second = line.join(), line.join()
    resting = asyncio.create_task(first.rest(60))
    await asyncio.sleep(0)
    line.leave(second)
    for _ in range(3):
        await asyncio.sleep(0)
    assert not resting.done()
    line.wake()
    await resting
    assert len(line) == 1


async def test_a_wake_that_comes_before_the_rest_is_not_lost() -> None:
    """A batch that came free while the first was asking is asked for again at once."""
    line = LocalLine()
    first = line.join()
    line.wake()
    await asyncio.wait_for(first.rest(3600), 60)

"""The memory budget: shared, waited for briefly, always given back."""

import asyncio

import pytest

from gateway.smtp import memory
from gateway.smtp.memory import STEP, MemoryBudget


async def test_what_does_not_fit_is_refused_after_a_short_wait(monkeypatch):
    """A full budget says no, and the refused message holds nothing."""
    monkeypatch.setattr(memory, "PATIENCE", 0.02)
    budget = MemoryBudget(1000)
    share = await budget.share(900)
    assert share is not None
    assert budget.is_tight
    assert await budget.share(200) is None
    assert budget.used == 900
    share.release()
    assert budget.used == 0


async def test_a_message_that_waits_gets_the_room_that_another_leaves():
    """The first to be given back room goes on at once."""
    budget = MemoryBudget(1000)
    first = await budget.share(900)
    waiting = asyncio.create_task(budget.share(500))
    await asyncio.sleep(0)
    assert first is not None
    first.release()
    second = await waiting
    assert second is not None
    assert budget.used == 500


async def test_what_can_never_fit_is_refused_at_once():
    """No waiting for the impossible."""
    budget = MemoryBudget(1000)
    with pytest.raises(StopIteration) as ended:
        budget.share(1001).send(None)
    assert ended.value.value is None


async def test_a_share_grows_with_its_message(monkeypatch):
    """A message without SIZE reserves as it comes and stops where there is no room."""
    monkeypatch.setattr(memory, "PATIENCE", 0.02)
    budget = MemoryBudget(2 * STEP)
    share = await budget.share(None)
    assert share is not None
    assert await share.holds(STEP)
    assert budget.used == STEP
    assert await share.holds(STEP + 1)
    assert not await share.holds(2 * STEP + 1)
    share.release()
    assert budget.used == 0

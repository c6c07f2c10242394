"""Background work: what raises is recorded and started again; an end and a cancelling are ends."""

from __future__ import annotations

import asyncio

import pytest

from gateway import background
from gateway.background import keep_running
from gateway.events import Event


async def test_a_failure_is_recorded_and_the_work_started_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each failure is one event with the task's name; work that comes to its end is left alone."""
    monkeypatch.setattr(background, "PAUSE", 0.0)
    faults = [ValueError("once"), OSError("twice")]
    events: list[Event] = []

    def emit(event: Event) -> None:
        events.append(event)

    async def work() -> None:
        if faults:
            raise faults.pop(0)

    await keep_running("ledger", work, emit, lambda: 7.0)
    assert [(event.kind, event.at, event.detail) for event in events] == [
        ("task.failed", 7.0, {"task": "ledger", "error": "ValueError('once')"}),
        ("task.failed", 7.0, {"task": "ledger", "error": "OSError('twice')"}),
    ]


async def test_cancelling_is_no_failure() -> None:
    """Cancelled work stays so, and nothing is recorded of it."""
    events: list[Event] = []

    def emit(event: Event) -> None:
        events.append(event)

    async def work() -> None:
        await asyncio.Event().wait()

    task = asyncio.create_task(keep_running("ledger", work, emit, lambda: 7.0))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert events == []

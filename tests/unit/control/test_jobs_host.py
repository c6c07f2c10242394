from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from gateway import jobs_host
from gateway.config.example import write_example
from gateway.config.load import load
from gateway.errors import StoreUnavailable
from gateway.events import Event
from gateway.jobs import Job
from gateway.jobs_host import Jobs, JobTerms
from gateway.records.event_index import EventIndex
from gateway.records.keyring import open_keyring
from gateway.records.opening import open_records
from gateway.sanctions.rules import rules_of


class Chair:
    """A seat that the test gives and takes away."""

    def __init__(self) -> None:
        self.is_ours: bool | StoreUnavailable = False
        self.has_left = False

    def hold(self) -> bool:
        if isinstance(self.is_ours, StoreUnavailable):
            raise self.is_ours
        return self.is_ours

    def leave(self) -> None:
        self.has_left = True


class Shared:
    """Work of the leader's that counts how often it begins and how often it is under way."""

    def __init__(self) -> None:
        self.begun = self.under_way = 0
        self.work = (("counting", self.count),)
        self.jobs: tuple[Job, ...] = ()

    async def count(self) -> None:
        self.begun += 1
        self.under_way += 1
        try:
            await asyncio.Event().wait()
        finally:
            self.under_way -= 1


class Node:
    """A host of jobs over records of its own."""

    def __init__(self, folder: Path) -> None:
        write_example(folder, "mail.example.com")
        loaded = load(folder / "consentry.yaml")
        self.name = loaded.config.node
        self.database = open_records(loaded.config)
        keyring = open_keyring(self.database, loaded.config.keyring)
        terms = JobTerms.of(loaded, keyring, rules_of(loaded, keyring))
        self.index = EventIndex(folder / "journal", folder / "index.sqlite")
        self.chair, self.shared, self.events = Chair(), Shared(), list[Event]()
        self.jobs = Jobs(
            self.database,
            terms,
            self.index,
            self.chair,
            self.events.append,
            time.time,
            self.shared,  # type: ignore[arg-type]
        )


@pytest.fixture
async def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Node]:
    monkeypatch.setattr(jobs_host, "ASK_EVERY", 0.01)
    node = Node(tmp_path)
    await node.jobs.start()
    yield node
    await node.jobs.close()
    assert node.chair.has_left
    assert node.shared.under_way == 0
    node.index.close()
    node.database.close()


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop run until `condition` holds; the test's time limit ends it otherwise."""
    while not condition():  # noqa: ASYNC110 - the condition is any state at all
        await asyncio.sleep(0.005)


async def test_only_who_has_the_seat_does_the_leaders_work(node: Node) -> None:
    """It begins with the seat, ends with it, and begins afresh when the seat is had again."""
    assert not node.jobs.is_leader
    assert node.jobs.describe() == {"leads": False, "leader": ""}
    for times in (1, 2):
        node.chair.is_ours = True
        await until(lambda times=times: node.shared.begun == times)  # type: ignore[misc]
        assert node.jobs.is_leader
        assert node.jobs.describe() == {"leads": True, "leader": node.name}
        node.chair.is_ours = False
        await until(lambda: node.shared.under_way == 0)
        assert not node.jobs.is_leader


async def test_a_seat_that_cannot_be_reached_is_lost(node: Node) -> None:
    """Another node may have it by now: nothing is done until it is known to be ours."""
    node.chair.is_ours = True
    await until(lambda: node.shared.under_way == 1)
    node.chair.is_ours = StoreUnavailable("records: gone")
    await until(lambda: node.shared.under_way == 0)
    assert not node.jobs.is_leader
    node.chair.is_ours = True
    await until(lambda: node.shared.under_way == 1)

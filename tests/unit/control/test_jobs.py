from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.errors import StoreUnavailable
from gateway.events import Event
from gateway.jobs import Job, run_jobs
from gateway.records.upkeep import shrink_log


async def test_a_job_runs_at_its_pace_and_tells_what_it_did() -> None:
    """Nothing done is no event; a store that is down is told and tried again."""
    results: list[int | Exception] = [0, StoreUnavailable("disk full"), 12]
    events: list[Event] = []
    pauses: list[float] = []

    async def work() -> int:
        result = results.pop(0)
        if isinstance(result, Exception):
            raise result
        return result

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if not results:
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await run_jobs([Job("sweep", 60.0, work)], events.append, lambda: 5.0, sleep)
    assert pauses == [60.0] * 4
    assert [(event.kind, event.detail.get("amount")) for event in events] == [
        ("job.failed", None),
        ("job.done", 12),
    ]


@pytest.fixture
def database(tmp_path: Path) -> Callable[[], sqlite3.Connection]:
    return lambda: sqlite3.connect(tmp_path / "consentry.db")


def test_a_log_that_has_grown_is_given_back(
    tmp_path: Path, database: Callable[[], sqlite3.Connection]
) -> None:
    """Only past the size given, and what was written stays."""
    path = tmp_path / "consentry.db"
    assert shrink_log(path, 0) == 0
    connection = database()
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("CREATE TABLE t (x)")
    connection.execute("INSERT INTO t VALUES (zeroblob(100000))")
    connection.commit()
    assert shrink_log(path, 10**6) == 0
    assert shrink_log(path, 1000) > 100_000
    assert (tmp_path / "consentry.db-wal").stat().st_size == 0
    assert connection.execute("SELECT length(x) FROM t").fetchone() == (100_000,)
    connection.close()


def test_a_broken_database_is_a_store_that_is_away(tmp_path: Path) -> None:
    """The job is told in the words that every part understands."""
    (tmp_path / "consentry.db").write_bytes(b"no database " * 1000)
    (tmp_path / "consentry.db-wal").write_bytes(b"no log " * 1000)
    with pytest.raises(StoreUnavailable):
        shrink_log(tmp_path / "consentry.db", 1)

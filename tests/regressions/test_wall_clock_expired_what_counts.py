"""Suppressions, ledger entries and saved windows went by the wall clock: a jump ended all."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.app import Gateway
from gateway.config.load import load
from gateway.records.standings import SqliteStandings
from gateway.state.table import Bucket
from tests.e2e import gateway as e2e
from tests.e2e.certificates import make_certificates
from tests.e2e.ports import free_port

DAY = 86_400.0


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    """The parts of an SMTP process whose wall clock is a year ahead of its steady one."""
    certificates = make_certificates(tmp_path / "certificates")
    harness = e2e.Gateway(tmp_path, e2e.Settings(free_port()), certificates)
    harness.write()
    parts = Gateway(load(harness.config), lambda: time.time() + 365 * DAY, time.time)
    yield parts
    parts.stores.look_ups.standings.close()
    parts.journal.close()
    parts.database.close()


async def test_only_steady_time_ends_anything(gateway: Gateway) -> None:
    """What is not over by the steady clock still counts."""
    checkpoint, standings = gateway.stores.checkpoint, gateway.stores.look_ups.standings
    assert checkpoint is not None
    assert isinstance(standings, SqliteStandings)
    for part in (standings._asking, gateway.ledger, checkpoint._records):
        assert part._clock() < time.time() + DAY
    saved = Bucket("bytes:acme", 86_400, int(time.time()), 1000)
    await checkpoint._records.save([saved], [])
    buckets, _ = await checkpoint._records.load()
    assert buckets == [saved]

"""The stores that every contract test in this folder runs against, under a clock set by hand."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from gateway.state.batches import MemoryBatches
from gateway.state.bytes import MemoryByteWindows
from gateway.state.rates import MemoryRateWindows
from gateway.state.table import WindowTable
from policies.ports import Batches, ByteWindows, RateWindows

NOON = 1_800_000_000.0


@dataclass
class Clock:
    """Seconds that pass only when told to."""

    now: float = NOON

    def __call__(self) -> float:
        return self.now


@dataclass
class Stores:
    """One implementation of the fast state."""

    byte_windows: ByteWindows
    rates: RateWindows
    batches: Batches


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["memory"])
def stores(clock: Clock) -> Stores:
    table = WindowTable(clock)
    return Stores(MemoryByteWindows(table), MemoryRateWindows(table), MemoryBatches())

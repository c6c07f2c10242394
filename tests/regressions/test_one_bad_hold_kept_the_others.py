"""A settling that raised anything but `StoreUnavailable` left all behind it unsettled."""

from __future__ import annotations

import time

import pytest

from gateway.state.holds import MemoryHolds
from gateway.state.table import WindowTable
from policies.claims import BatchClaim, OctetsClaim


class Broken(WindowTable):
    """Windows that take nothing in."""

    def add(self, key: str, seconds: int, amount: int) -> int:
        raise KeyError("gone")


async def test_the_batch_is_given_back_whatever_becomes_of_the_octets() -> None:
    """What cannot be counted is told, and the tenant's next transaction may begin."""
    holds = MemoryHolds(Broken(time.time))
    hold = holds.open("acme", "acme/weekly", 0.0, lambda _: None, lambda: None)
    await hold.claim([BatchClaim(1, 0.0), OctetsClaim("acme", 5, 0, 0, 9)])
    with pytest.raises(KeyError):
        await hold.settle(5)
    assert await hold.settle(5) == {}
    further = holds.open("acme", "acme/weekly", 0.0, lambda _: None, lambda: None)
    assert [granted.units for granted in await further.claim([BatchClaim(1, 0.0)])] == [1]

"""Argon2 hashes with four threads of its own. At sign-in after a reload they shared the core with
the event loop as its equals: replies to others waited up to half a second."""

from __future__ import annotations

import os
import sys
import time

import pytest
from argon2 import PasswordHasher

from gateway.smtp.authentication import Authenticator
from gateway.smtp.sasl import Credentials
from gateway.state.rates import MemoryRateWindows
from gateway.state.table import WindowTable


class Watched(PasswordHasher):
    """A cheap hasher that remembers how nice the thread was that it ran on."""

    nice = -21

    def verify(self, *given: str | bytes) -> bool:
        self.nice = os.getpriority(os.PRIO_PROCESS, 0)
        return super().verify(*given)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a priority is a whole process's")
async def test_the_loop_goes_before_the_hashing() -> None:
    """The thread that hashes, and what it starts, yields to the thread of the event loop."""
    hasher = Watched(time_cost=1, memory_cost=8, parallelism=1)
    windows = MemoryRateWindows(WindowTable(time.monotonic))
    authenticator = Authenticator(windows, time.time, hasher)
    await authenticator.check({}, {}, "192.0.2.7", Credentials("nobody", "guess"))
    authenticator.close()
    assert hasher.nice >= min(19, os.getpriority(os.PRIO_PROCESS, 0) + 10)

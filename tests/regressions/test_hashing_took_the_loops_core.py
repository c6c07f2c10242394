"""Argon2 hashes with four threads of its own. At sign-in after a reload they shared the core with
the event loop as its equals, and with the thread that held the interpreter's lock to begin the next
hash: replies to others waited up to half a second."""

from __future__ import annotations

import asyncio
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
    """A cheap hasher that remembers how nice the threads were, and how many at a time."""

    nice = 20
    running = most = 0

    def verify(self, *given: str | bytes) -> bool:
        self.nice = min(self.nice, os.getpriority(os.PRIO_PROCESS, 0))
        self.running += 1
        self.most = max(self.most, self.running)
        time.sleep(0.02)
        self.running -= 1
        return super().verify(*given)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a priority is a whole process's")
async def test_the_loop_goes_before_the_hashing() -> None:
    """One hash at a time, on a thread that yields to the event loop's."""
    hasher = Watched(time_cost=1, memory_cost=8, parallelism=1)
    windows = MemoryRateWindows(WindowTable(time.monotonic))
    authenticator = Authenticator(windows, time.time, hasher)
    guess = Credentials("nobody", "guess")
    clients = [f"192.0.2.{number}" for number in range(4)]
    await asyncio.gather(*(authenticator.check({}, {}, one, guess) for one in clients))
    authenticator.close()
    assert hasher.most == 1
    assert hasher.nice >= min(19, os.getpriority(os.PRIO_PROCESS, 0) + 10)

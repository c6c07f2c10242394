"""The hashing thread lowers its priority as it begins. Where a sandbox forbids that (a system call
filter without `setpriority`), it never began, and every sign-in failed from then on."""

from __future__ import annotations

import os
import time

import pytest
from argon2 import PasswordHasher

from gateway import replies
from gateway.smtp.authentication import Authenticator, Failure
from gateway.smtp.sasl import Credentials
from gateway.state.rates import MemoryRateWindows
from gateway.state.table import WindowTable


async def test_passwords_are_hashed_without_a_lower_priority(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A guess is answered as a guess, not as a fault of ours."""

    def forbidden(_which: int, _who: int, _priority: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "setpriority", forbidden)
    hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    authenticator = Authenticator(MemoryRateWindows(WindowTable(time.monotonic)), time.time, hasher)
    found = await authenticator.check({}, {}, "192.0.2.1", Credentials("nobody", "guess"))
    authenticator.close()
    assert isinstance(found, Failure)
    assert found.reply == replies.AUTH

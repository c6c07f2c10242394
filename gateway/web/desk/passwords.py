"""Passwords of staff: checked off the event loop, one at a time, guessing slowed down.

`check` says who signed in, or that nobody did, in the same words and the same time whether there
is such a name or not. Failures are counted per client network and per name, as for SMTP AUTH; the
web process is one, so that its own windows see all of them. Raises `Locked` when there were too
many, and `Busy` when more are waiting to be checked than can be soon.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Annotated, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from fastapi import Depends, Request

from gateway.errors import ConsentryError
from gateway.records import staff
from gateway.records.database import Database
from gateway.records.staff import Member
from gateway.state.table import WindowTable
from policies.ports import Clock

T = TypeVar("T")
WINDOW = 600
"""Seconds over which failures are counted."""
FAILURES = 20
"""Of one network or name in that time, before no further is looked at."""
MAX_WAITING = 16
MAX_PASSWORD = 1000


class Locked(ConsentryError):
    """Too many failures lately."""


class Busy(ConsentryError):
    """Too many are signing in at once."""


class Failures:
    """Counts what went wrong, by network and by name."""

    def __init__(self, clock: Clock, limit: int = FAILURES) -> None:
        self._windows = WindowTable(clock)
        self._limit = limit

    def check(self, network: str, name: str) -> None:
        """Raise Locked when either has failed too often."""
        for key in _keys(network, name):
            if self._windows.window(key, WINDOW).total >= self._limit:
                raise Locked(key)

    def add(self, network: str, name: str) -> None:
        """Count one more."""
        for key in _keys(network, name):
            self._windows.add(key, WINDOW, 1)


def _keys(network: str, name: str) -> list[str]:
    """An empty one is not counted."""
    named = {"network": network, "name": name[:64]}
    return [f"{kind}:{text}" for kind, text in named.items() if text]


class Passwords:
    """Checks and hashes passwords for the desk."""

    def __init__(self, clock: Clock, hasher: PasswordHasher | None = None) -> None:
        self.failures = Failures(clock)
        self._hasher = hasher or PasswordHasher()
        self._threads = ThreadPoolExecutor(1, "desk-argon2")
        self._waiting = 0
        self._dummy = ""

    async def check(self, database: Database, network: str, name: str, given: str) -> Member | None:
        """Who signed in with name and password; None when nobody has both."""
        self.failures.check(network, name)
        stored = await database.read(lambda c: staff.password_hash(c, name))
        member = await database.read(lambda c: staff.member(c, name)) if stored else None
        is_right = await self._verify(stored, given)
        if is_right and member is not None:
            return member
        self.failures.add(network, name)
        return None

    async def hash(self, password: str) -> str:
        """The Argon2id hash of a new password."""
        return await self._run(self._hasher.hash, password)

    async def _verify(self, stored: str | None, given: str) -> bool:
        if not self._dummy:
            self._dummy = await self._run(self._hasher.hash, secrets.token_hex(16))
        try:
            await self._run(self._hasher.verify, stored or self._dummy, given[:MAX_PASSWORD])
        except (VerificationError, InvalidHashError):
            return False
        return stored is not None

    async def _run(self, work: Callable[..., T], *arguments: str) -> T:
        if self._waiting >= MAX_WAITING:
            raise Busy
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, partial(work, *arguments))
        finally:
            self._waiting -= 1


def _shared(request: Request) -> Passwords:
    passwords: Passwords = request.state.passwords
    return passwords


Hashing = Annotated[Passwords, Depends(_shared)]
"""The process's one, for routes."""

"""Who is signing in: passwords against Argon2 hashes, guessing slowed down, streams never guessed.

One password is hashed at a time, in a thread of low priority, never on the event loop. A verified
login is remembered for five minutes as a keyed hash in memory and forgotten on reload. An unknown
login costs the same time and gets the same text as a wrong password. Failures are counted per
client address and per login name (without the stream), in windows shared by all sessions. Raises
`StoreUnavailable` when the windows cannot answer.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
import secrets
import sys
import time
from base64 import b64encode
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.low_level import ARGON2_VERSION

from gateway import replies
from gateway.errors import StoreUnavailable
from gateway.reply import Reply
from gateway.smtp.sasl import Credentials
from policies.domain_block import EVERYTHING
from policies.ports import Block, Blocks, Clock, RateWindows
from policies.terms import TenantState, TenantTerms

REMEMBERED = 300.0
"""Seconds a verified login is remembered."""
WINDOW = 600
"""Seconds over which failures are counted."""
FAILURES_PER_ADDRESS = 20
FAILURES_PER_NAME = 20
MAX_REMEMBERED = 10_000
NICE = 15
"""How far the hashing thread stands back: Argon2 starts four of its own for each hash, which as
equals would take most of the loop's core from it."""


@dataclass(frozen=True, slots=True)
class Login:
    """One login of the configuration; `stream` is where its mail goes when none is named."""

    name: str
    tenant: str
    password_hash: str
    stream: str | None


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom a session sends for. `stream` is what the login named, `usual` yields to MAIL FROM."""

    tenant: str
    stream: str | None = None
    usual: str | None = None
    login: str = ""


@dataclass(frozen=True, slots=True)
class Failure:
    """A refused sign-in with the private reason for the event."""

    reply: Reply
    reason: str


def hash_of_nothing(hasher: PasswordHasher) -> str:
    """A hash that no password has, and that takes as long to check as one of `hasher`'s; making
    one of a password would take as long again, at every start."""
    salt, digest = (
        b64encode(secrets.token_bytes(octets)).decode().rstrip("=")
        for octets in (hasher.salt_len, hasher.hash_len)
    )
    cost = f"m={hasher.memory_cost},t={hasher.time_cost},p={hasher.parallelism}"
    return f"$argon2id$v={ARGON2_VERSION}${cost}${salt}${digest}"


class Authenticator:
    """Checks credentials for all sessions of the process."""

    def __init__(
        self,
        windows: RateWindows,
        clock: Clock,
        hasher: PasswordHasher | None = None,
        blocks: Blocks | None = None,
    ) -> None:
        """Unknown logins take as long as a hash of `hasher`; stored ones bring their own
        parameters. `blocks` knows whose service was ended by a case."""
        self._blocks = blocks
        self._windows = windows
        self._clock = clock
        self._hasher = hasher or PasswordHasher()
        # One thread: a second one, holding the interpreter's lock for a moment, would share its
        # core with the first one's four, while the loop waits for the lock.
        self._threads = ThreadPoolExecutor(1, "argon2", _stand_back)
        self._secret = secrets.token_bytes(32)
        self._remembered: dict[bytes, float] = {}
        self._dummy = hash_of_nothing(self._hasher)

    def forget(self) -> None:
        """Forget every verified login: after a reload a changed password counts at once."""
        self._remembered.clear()

    def close(self) -> None:
        """End the hashing thread."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def check(
        self,
        logins: Mapping[str, Login],
        tenants: Mapping[str, TenantTerms],
        client: str,
        given: Credentials,
    ) -> Identity | Failure:
        """Whom the credentials stand for, or the refusal."""
        name, slash, stream = given.login.partition("/")
        keys = (f"auth:address:{client}", f"auth:login:{name[:64]}")
        limits = (FAILURES_PER_ADDRESS, FAILURES_PER_NAME)
        for key, limit in zip(keys, limits, strict=True):
            if await self._windows.count(key, WINDOW) >= limit:
                until = time.strftime("%H:%M UTC", time.gmtime(self._clock() + WINDOW))
                return Failure(replies.AUTH_LOCK.fill(time=until), f"locked: {key}")
        login = logins.get(name)
        failure = await self._verify(login, given.password)
        if failure is None and login is not None:
            tenant = tenants.get(login.tenant)
            if tenant is None or tenant.state is TenantState.DISABLED:
                return Failure(replies.TERMINATED, "tenant is disabled")
            if ended := await self._ended(login.tenant):
                return Failure(replies.TERMINATED, f"service was ended, case {ended.case}")
            if not slash:
                return Identity(login.tenant, usual=login.stream, login=name)
            if stream in tenant.streams:
                return Identity(login.tenant, stream, login=name)
            failure = f"no stream {stream!r}"
        for key in keys:
            await self._windows.add(key, 1, WINDOW)
        return Failure(replies.AUTH, failure or "unknown login")

    async def _ended(self, tenant: str) -> Block | None:
        """What ended the tenant's service. A login needs no records: MAIL asks them again."""
        if self._blocks is None:
            return None
        try:
            return await self._blocks.find(tenant, EVERYTHING)
        except StoreUnavailable:
            return None

    async def _verify(self, login: Login | None, password: str) -> str | None:
        stored = login.password_hash if login else self._dummy
        token = hmac.digest(
            self._secret, f"{stored}\0{password}".encode("utf-8", "surrogatepass"), hashlib.sha256
        )
        now = time.monotonic()
        if login is not None and self._remembered.get(token, 0.0) > now:
            return None
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self._threads, self._hasher.verify, stored, password)
        except (VerificationError, InvalidHashError):
            return "wrong password" if login else "unknown login"
        if login is None:
            return "unknown login"
        if len(self._remembered) >= MAX_REMEMBERED:
            self._remembered.clear()
        self._remembered[token] = now + REMEMBERED
        return None


def _stand_back() -> None:
    if sys.platform == "linux":  # where a priority is a thread's, and its children's
        # A sandbox may forbid it; a thread that could not begin would let nobody sign in.
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, 0, NICE)

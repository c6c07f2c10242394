"""Opens connections to Redis servers and Sentinels: TLS, sign-in, and what the server is.

`dial` gives a `Wire` that is signed in and has its *epoch*: the server's run id and replication
id, which change when it is restarted or becomes the primary. Only a primary that never evicts keys
without a time to live will do. Raises `StoreUnavailable`, and `ConfigurationError` for files that
cannot be read.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from dataclasses import dataclass
from typing import cast

import hiredis

from gateway.config.keyfiles import first_line, octets
from gateway.config.redis import RedisSettings, RedisTls
from gateway.config.values import Endpoint
from gateway.errors import ConfigurationError, StoreUnavailable
from gateway.state.redis.wire import Arg, Reply, Wire, pack

EVICTS = "allkeys-"
"""Eviction policies that begin so could throw away what is held."""


SECTIONS = ("server", "replication", "memory", "persistence")


class Unfit(StoreUnavailable):
    """The server may have thrown away what it held."""


@dataclass(frozen=True, slots=True)
class Access:
    """How to sign in to the servers of one kind; `timeout` in seconds for each step."""

    username: str | None
    password: str | None
    tls: ssl.SSLContext | None
    database: int
    timeout: float


def server_access(settings: RedisSettings) -> Access:
    """How to sign in to the data servers."""
    return Access(
        settings.username,
        first_line(octets(settings.password_file)) if settings.password_file else None,
        _context(settings.tls),
        settings.database,
        settings.timeout,
    )


def sentinel_access(settings: RedisSettings) -> Access:
    """How to sign in to the Sentinels."""
    path = settings.sentinel_password_file
    password = first_line(octets(path)) if path else None
    return Access(None, password, _context(settings.tls), 0, settings.timeout)


async def dial(at: Endpoint, access: Access) -> Wire:
    """A connection to a data server that may be written to."""
    wire = await _open(at, access)
    try:
        await learn(wire)
    except BaseException:
        wire.close("not fit for use")
        raise
    return wire


async def dial_any(at: Endpoint, access: Access) -> Wire:
    """A connection to a Sentinel, or to a server that need not be a primary."""
    return await _open(at, access)


async def learn(wire: Wire) -> None:
    """Set `wire.epoch` by what the server is now; StoreUnavailable when it will not do."""
    facts: dict[str, str] = {}
    sent = time.monotonic()
    answers = await ask(wire, *(("INFO", section) for section in SECTIONS))
    for answer in answers:
        for line in cast(bytes, answer).decode("utf-8", "replace").splitlines():
            name, colon, value = line.partition(":")
            if colon:
                facts[name] = value
    if facts.get("role") != "master":
        raise StoreUnavailable("Redis: not the primary")
    if facts.get("loading", "0") != "0":
        raise StoreUnavailable("Redis: loading its data set")
    policy = facts.get("maxmemory_policy", "noeviction")
    if policy.startswith(EVICTS):
        raise Unfit(
            f"Redis has maxmemory-policy {policy}, which throws away what is held: "
            "write maxmemory-policy noeviction into its configuration"
        )
    if server_time := facts.get("server_time_usec"):
        wire.ahead = int(server_time) / 1e6 - (sent + time.monotonic()) / 2
    wire.epoch = f"{facts.get('run_id', '')}:{facts.get('master_replid', '')}"


async def ask(wire: Wire, *commands: tuple[Arg, ...]) -> list[Reply]:
    """The answers of a few commands; StoreUnavailable when one is an error."""
    asked = [_Asked(asyncio.get_running_loop()) for _ in commands]
    wire.send(b"".join(pack(command) for command in commands), asked)
    answers = await asyncio.gather(*(one.future for one in asked))
    for answer in answers:
        if isinstance(answer, hiredis.ReplyError):
            raise StoreUnavailable(f"Redis: {answer}")
    return answers


class _Asked:
    """Who asks during the sign-in."""

    __slots__ = ("future", "sent_at")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.future: asyncio.Future[Reply] = loop.create_future()
        self.sent_at = 0.0

    def hear(self, wire: Wire, reply: Reply) -> None:
        if not self.future.done():
            self.future.set_result(reply)

    def fail(self, problem: StoreUnavailable) -> None:
        if not self.future.done():
            self.future.set_exception(problem)


async def _open(at: Endpoint, access: Access) -> Wire:
    loop = asyncio.get_running_loop()
    wire = Wire(loop, access.timeout)
    try:
        async with asyncio.timeout(access.timeout):
            await loop.create_connection(
                lambda: wire,
                at.host,
                at.port,
                ssl=access.tls,
                server_hostname=at.host if access.tls else None,
            )
    except TimeoutError:
        raise StoreUnavailable(f"Redis at {at}: no connection in time") from None
    except (OSError, ssl.SSLError) as problem:
        raise StoreUnavailable(f"Redis at {at}: {problem}") from problem
    commands: list[tuple[Arg, ...]] = []
    if access.password is not None:
        name = (access.username,) if access.username else ()
        commands.append(("AUTH", *name, access.password))
    if access.database:
        commands.append(("SELECT", access.database))
    try:
        if commands:
            await ask(wire, *commands)
    except BaseException:
        wire.close("could not sign in")
        raise
    return wire


def _context(tls: RedisTls | None) -> ssl.SSLContext | None:
    if tls is None:
        return None
    try:
        context = ssl.create_default_context(cafile=tls.ca_file)
        if tls.certificate is not None:
            context.load_cert_chain(tls.certificate, tls.key)
    except (OSError, ssl.SSLError) as problem:
        raise ConfigurationError(f"redis.tls: {problem}") from problem
    return context

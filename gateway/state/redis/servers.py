"""Which server a key is on: always the same one, the one that Sentinel names, or by Cluster slot.

`servers_of` makes what the settings say. A `Servers` gives the `Link` to push a call to; it keeps
what it knows fresh by itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol

from gateway.config.redis import RedisMode, RedisSettings
from gateway.config.values import Endpoint
from gateway.errors import StoreUnavailable
from gateway.state.redis.cluster import ClusterServers
from gateway.state.redis.connect import (
    Access,
    ask,
    dial,
    dial_any,
    sentinel_access,
    server_access,
)
from gateway.state.redis.link import PROBE_EVERY, Link
from gateway.state.redis.wire import Wire

ASK_EVERY = 0.25
"""Seconds between two questions to Sentinel who the primary is, while there is one that answers."""


class Servers(Protocol):
    """All servers of one configuration."""

    async def start(self) -> None:
        """Begin to connect; back when connected or when the first try has failed."""

    async def close(self) -> None:
        """Close every connection."""

    def link(self, key: bytes) -> Link | None:
        """Where the key is; None when that is not known."""

    def link_of(self, wire: Wire) -> Link | None:
        """Whose connection it is, unless it was closed."""

    def moved(self, error: str, is_for_good: bool) -> Link | None:
        """Where a MOVED or ASK error points to."""

    async def learn(self, key: bytes) -> None:
        """Learn the epoch of the key's server anew. Raises StoreUnavailable."""

    def links(self) -> Sequence[Link]:
        """Those to every server in use."""

    def is_ready(self) -> bool:
        """True when a call for any key would go out now."""

    def describe(self) -> dict[str, object]:
        """Names and states."""


def servers_of(settings: RedisSettings, tell: Callable[[], None]) -> Servers:
    """The servers that the settings name. Raises ConfigurationError.

    `tell` is called when one of them is connected, and when its epoch is another.
    """
    access = server_access(settings)
    match settings.mode:
        case RedisMode.STANDALONE:
            return OneServer(settings.servers[0], access, tell)
        case RedisMode.SENTINEL:
            watch = Sentinels(settings.servers, settings.service, sentinel_access(settings))
            return OneServer(None, access, tell, watch)
        case RedisMode.CLUSTER:
            return ClusterServers(settings.servers, access, tell)


class OneServer:
    """One server for all keys: at a fixed place, or where Sentinel says."""

    def __init__(
        self,
        at: Endpoint | None,
        access: Access,
        tell: Callable[[], None],
        sentinels: Sentinels | None = None,
    ) -> None:
        self._at = at
        self._access = access
        self._sentinels = sentinels
        self._link = Link(str(at or "primary"), self._connect, tell)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to connect, and to watch who the primary is."""
        self._link.start()
        if self._sentinels is not None:
            self._task = asyncio.create_task(self._follow(self._sentinels), name="redis sentinel")
        await self._link.settled()

    async def close(self) -> None:
        """Close the connection."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._sentinels is not None:
            self._sentinels.close()
        await self._link.close()

    def link(self, key: bytes) -> Link | None:
        """The one there is."""
        return self._link

    def link_of(self, wire: Wire) -> Link | None:
        """The one there is, unless it has another connection by now."""
        return self._link if self._link.wire is wire else None

    def moved(self, error: str, is_for_good: bool) -> Link | None:
        """Nowhere: this is no Cluster."""
        return None

    async def learn(self, key: bytes) -> None:
        """Learn its epoch anew."""
        await self._link.learn()

    def links(self) -> Sequence[Link]:
        """The one there is."""
        return (self._link,)

    def is_ready(self) -> bool:
        """True when connected."""
        return self._link.is_ready

    def describe(self) -> dict[str, object]:
        """Where it is and what is wrong with it."""
        return {str(self._at or "primary"): self._link.trouble or "connected"}

    async def _connect(self) -> Wire:
        if self._sentinels is not None:
            self._at = await self._sentinels.primary()
            return await self._dial_while_named(self._at, self._sentinels)
        if self._at is None:
            raise StoreUnavailable("Redis: no address")
        return await dial(self._at, self._access)

    async def _dial_while_named(self, at: Endpoint, sentinels: Sentinels) -> Wire:
        """Connect; do not wait for one that is gone without a word once another is the primary."""
        dialing = asyncio.create_task(dial(at, self._access), name="redis dial")
        watching = asyncio.create_task(_another(at, sentinels), name="redis sentinel")
        try:
            await asyncio.wait((dialing, watching), return_when=asyncio.FIRST_COMPLETED)
            if not dialing.done():
                raise StoreUnavailable(f"the primary is {watching.result()} now")
            return dialing.result()
        except BaseException:
            dialing.cancel()
            with suppress(StoreUnavailable, asyncio.CancelledError):
                (await dialing).close("not wanted")
            raise
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)

    async def _follow(self, sentinels: Sentinels) -> None:
        """Leave a server that is no longer the primary, though it may not know that yet."""
        while True:
            await asyncio.sleep(ASK_EVERY)
            if not self._link.is_ready:
                continue  # whoever connects asks
            with suppress(StoreUnavailable):
                at = await sentinels.primary()
                if self._link.is_ready and at != self._at:
                    self._link.drop(f"the primary is {at} now")


async def _another(at: Endpoint, sentinels: Sentinels) -> Endpoint:
    """The primary, once that is another than `at`."""
    while True:
        await asyncio.sleep(PROBE_EVERY)
        with suppress(StoreUnavailable):
            if (named := await sentinels.primary()) != at:
                return named


class Sentinels:
    """Asks the Sentinels in turn who the primary is; stays with one that answers."""

    def __init__(self, servers: tuple[Endpoint, ...], service: str, access: Access) -> None:
        self._servers = list(servers)
        self._service = service
        self._access = access
        self._wire: Wire | None = None
        self._asking = asyncio.Lock()

    async def primary(self) -> Endpoint:
        """Address and port of the primary. Raises StoreUnavailable when nobody knows."""
        async with self._asking:
            problems = []
            for server in tuple(self._servers):
                try:
                    return await self._ask(server)
                except StoreUnavailable as problem:
                    problems.append(f"{server}: {problem}")
                    self.close()
                    self._servers.append(self._servers.pop(0))
            raise StoreUnavailable(f"no Sentinel knows {self._service!r}: {'; '.join(problems)}")

    def close(self) -> None:
        """Close the connection to the Sentinel at hand."""
        if self._wire is not None:
            self._wire.close("closed")
            self._wire = None

    async def _ask(self, server: Endpoint) -> Endpoint:
        if self._wire is None or self._wire.closed.done():
            self._wire = await dial_any(server, self._access)
        (answer,) = await ask(self._wire, ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._service))
        match answer:
            case [bytes(host), bytes(port)]:
                return Endpoint(host.decode(), int(port))
        raise StoreUnavailable(f"Sentinel does not know {self._service!r}")

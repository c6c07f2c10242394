"""A Redis Cluster: which of its primaries has which of the 16,384 slots.

The map is read from any node, again whenever a call was sent on (MOVED) or a node is lost, until
every slot has a node that is connected.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import cast

from gateway.config.values import Endpoint
from gateway.errors import StoreUnavailable
from gateway.state.redis.connect import Access, ask, dial, dial_any
from gateway.state.redis.keys import SLOTS, slot_number
from gateway.state.redis.link import Link
from gateway.state.redis.wire import Reply, Wire

MAP_EVERY = 0.2
"""Seconds between two reads of the map while a slot is nowhere."""


class ClusterServers:
    """The primaries of a Cluster, one link for each."""

    def __init__(
        self, seeds: tuple[Endpoint, ...], access: Access, tell: Callable[[], None]
    ) -> None:
        self._seeds = seeds
        self._access = access
        self._tell = tell
        self._links: dict[Endpoint, Link] = {}
        self._slots: list[Link | None] = [None] * SLOTS
        self._has_news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Read the map once, then keep it fresh."""
        with suppress(StoreUnavailable):
            await self._read_map()
        for link in tuple(self._links.values()):
            await link.settled()
        self._task = asyncio.create_task(self._keep_fresh(), name="redis cluster")

    async def close(self) -> None:
        """Close every connection."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        for link in self._links.values():
            await link.close()

    def link(self, key: bytes) -> Link | None:
        """The primary of the key's slot."""
        return self._slots[slot_number(key)]

    def link_of(self, wire: Wire) -> Link | None:
        """Whose connection it is, unless it was closed."""
        return next((link for link in self._links.values() if link.wire is wire), None)

    def moved(self, error: str, is_for_good: bool) -> Link | None:
        """The node that `MOVED 3999 127.0.0.1:6381` names."""
        _, slot, place = error.split(" ")[:3]
        host, _, port = place.rpartition(":")
        if not host:
            return None
        link = self._link_at(Endpoint(host, int(port)))
        if is_for_good:
            self._slots[int(slot)] = link
            self._has_news.set()
        return link

    async def learn(self, key: bytes) -> None:
        """Learn the epoch of the key's node anew. Raises StoreUnavailable."""
        link = self.link(key)
        if link is None:
            raise StoreUnavailable("Redis: no server has this slot")
        await link.learn()

    def links(self) -> Sequence[Link]:
        """Those to every node that has a slot."""
        return tuple(self._links.values())

    def is_ready(self) -> bool:
        """True when every slot's node is connected."""
        links = set(self._slots)
        return all(link is not None and link.is_ready for link in links)

    def describe(self) -> dict[str, object]:
        """Every node's state."""
        return {str(at): link.trouble or "connected" for at, link in self._links.items()}

    def _link_at(self, at: Endpoint) -> Link:
        link = self._links.get(at)
        if link is None:

            async def connect() -> Wire:
                return await dial(at, self._access)

            link = self._links[at] = Link(str(at), connect, self._tell)
            link.start()
        return link

    async def _keep_fresh(self) -> None:
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._has_news.wait(), MAP_EVERY)
            if self._has_news.is_set() or not self.is_ready():
                self._has_news.clear()
                with suppress(StoreUnavailable):
                    await self._read_map()

    async def _read_map(self) -> None:
        known = [at for at, link in self._links.items() if link.is_ready]
        problem = StoreUnavailable("Redis Cluster: no node")
        for at in [*known, *(seed for seed in self._seeds if seed not in known)]:
            try:
                wire = await dial_any(at, self._access)
                try:
                    (answer,) = await ask(wire, ("CLUSTER", "SLOTS"))
                finally:
                    wire.close("read")
            except StoreUnavailable as trouble:
                problem = trouble
                continue
            await self._adopt(at, answer)
            return
        raise problem

    async def _adopt(self, asked: Endpoint, answer: Reply) -> None:
        """Take over `[[first, last, [host, port, ...], ...], ...]`; forget who has no slot."""
        slots: list[Link | None] = [None] * SLOTS
        for entry in cast(list[Reply], answer):
            match entry:
                case [int(first), int(last), [host, int(port), *_], *_]:
                    name = host.decode() if isinstance(host, bytes) and host else asked.host
                    link = self._link_at(Endpoint(name, port))
                    slots[first : last + 1] = [link] * (last + 1 - first)
        if slots != self._slots:
            self._slots = slots
            self._tell()
        in_use = set(slots)
        for at, link in tuple(self._links.items()):
            if link not in in_use:
                del self._links[at]
                await link.close()

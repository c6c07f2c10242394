"""The marks of the whole platform: which database this is, and the number of its blocks.

Every MAIL reads them; those of one turn of the event loop share one command. `generation` is a
random word that the first process puts in: a database without it, or with another one, has lost
what was held, and every tenant's hash begins anew (see `healing`).
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable

from gateway.errors import StoreUnavailable
from gateway.state.redis.calls import Calls
from gateway.state.redis.keys import Keys
from gateway.state.redis.wire import Reply


class Marks:
    """Reads and makes the marks; `generation` is the last one read, "" before."""

    def __init__(self, calls: Calls, keys: Keys, on_blocks: Callable[[bytes | None], None]) -> None:
        self.generation = ""
        self._calls = calls
        self._keys = keys
        self._on_blocks = on_blocks
        self._under_way: asyncio.Future[Reply] | None = None

    def ask(self) -> asyncio.Future[Reply]:
        """Begin to read them, with all who ask in this turn; give the result to `read`."""
        asked = self._under_way
        if asked is None:
            asked = self._under_way = self._calls.send(
                "MGET", self._keys.generation, self._keys.blocks
            )
            asked.add_done_callback(_heard)
            asyncio.get_running_loop().call_soon(self._next)
        return asked

    async def read(self, asked: asyncio.Future[Reply]) -> bool:
        """True when this is the database it was. Raises StoreUnavailable."""
        answer = asked.result() if asked.done() else await asyncio.shield(asked)
        match answer:
            case [bytes() as generation, bytes() | None as blocks]:
                self._on_blocks(blocks)
                return generation == self.generation.encode()
            case [None, _]:
                return False
        raise StoreUnavailable(f"Redis: {answer!r}")

    async def refresh(self) -> None:
        """Learn the generation; where there is none, make one. Raises StoreUnavailable."""
        key = self._keys.generation
        found = await self._calls.do("GET", key)
        if found is None:
            await self._calls.do("SET", key, secrets.token_hex(8), "NX")
            found = await self._calls.do("GET", key)
        if not isinstance(found, bytes):
            raise StoreUnavailable("Redis: the mark of its database is gone")
        self.generation = found.decode()

    async def renew(self) -> None:
        """Make another generation: what was held cannot be trusted. Raises StoreUnavailable."""
        await self._calls.do("SET", self._keys.generation, secrets.token_hex(8))
        await self.refresh()

    def _next(self) -> None:
        """What is asked from now on goes out later: it may read something else."""
        self._under_way = None


def _heard(asked: asyncio.Future[Reply]) -> None:
    """Whoever asked may be gone by now: a failure is no news to the event loop."""
    if not asked.cancelled():
        asked.exception()

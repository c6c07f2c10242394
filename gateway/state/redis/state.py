"""All fast state of one process in Redis: how it is asked, what transactions hold, rate windows.

    state = RedisState.open(settings, "node-a", 1, saved, tenants)
    await state.start()          # connects, makes the tenants' hashes, renews every second
    await state.calls.do("GET", state.keys.blocks)
    await state.close()

`holds`, `rates` and `checkpoint` follow the ports of `policies.claims` and `policies.ports`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from gateway.config.redis import RedisSettings
from gateway.state.mailings import Mailing
from gateway.state.redis.calls import Calls
from gateway.state.redis.keys import Keys
from gateway.state.table import Bucket
from policies.ports import Clock


class Saved(Protocol):
    """Where windows and mailings are saved: `gateway.records.windows.WindowRecords`."""

    async def load(self) -> tuple[list[Bucket], list[Mailing]]:
        """Everything saved. Raises StoreUnavailable."""

    async def save(self, buckets: Sequence[Bucket], current: Sequence[Mailing]) -> None:
        """Replace buckets and mailings of the same name. Raises StoreUnavailable."""


class RedisState:
    """One process's part of the state that all share."""

    def __init__(
        self,
        calls: Calls,
        keys: Keys,
        node: str,
        worker: int,
        saved: Saved,
        tenants: Callable[[], Iterable[str]],
        on_blocks: Callable[[bytes | None], None],
        is_ended: Callable[[str], bool],
        clock: Clock,
    ) -> None:
        self.calls = calls
        self.keys = keys

    @classmethod
    def open(
        cls,
        settings: RedisSettings,
        node: str,
        worker: int,
        saved: Saved,
        tenants: Callable[[], Iterable[str]] = tuple,
        on_blocks: Callable[[bytes | None], None] = lambda _version: None,
        is_ended: Callable[[str], bool] = lambda _mailing: False,
        clock: Clock = time.time,
    ) -> RedisState:
        """Nothing is connected yet. Raises ConfigurationError.

        `tenants` names those whose hashes are to be ready before their first MAIL. `on_blocks` is
        told the block version (see `Keys.blocks`) that came with each MAIL. `is_ended` says of a
        mailing whether a case has ended it. `clock` gives Unix seconds for the windows.
        """
        return cls(
            Calls(settings),
            Keys(settings.prefix),
            node,
            worker,
            saved,
            tenants,
            on_blocks,
            is_ended,
            clock,
        )

    async def start(self) -> None:
        """Connect; a server that is away is no error, what is asked then is StoreUnavailable."""
        await self.calls.start()

    async def close(self) -> None:
        """Give up all connections; what transactions still hold ends with its lease."""
        await self.calls.close()

    def is_ready(self) -> bool:
        """True when every server that is needed is connected."""
        return self.calls.is_ready()

    def describe(self) -> dict[str, object]:
        """Servers and their states, for `status`."""
        return self.calls.describe()

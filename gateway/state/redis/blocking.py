"""Redis for threads: the same calls on a loop of their own, in a thread of their own.

For those that commit (the writer's thread, commands) and wait for the index. Starts when first
asked; a `run` waits for the answer of a coroutine that it is given the maker of. Not for the
thread of a running loop's sessions: whoever waits here holds it up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from threading import Lock, Thread
from typing import Any, TypeVar

from gateway.config.redis import RedisSettings
from gateway.state.redis.calls import Calls

T = TypeVar("T")


class Blocking:
    """One process's calls for threads. Raises ConfigurationError like `Calls`."""

    def __init__(self, settings: RedisSettings) -> None:
        self.calls = Calls(settings)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: Thread | None = None
        self._lock = Lock()

    def run(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """What the coroutine of `work` gives or raises."""
        return asyncio.run_coroutine_threadsafe(work(), self._started()).result()

    def close(self) -> None:
        """Close all connections and end the thread."""
        with self._lock:
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
        if loop is not None and thread is not None:
            asyncio.run_coroutine_threadsafe(self.calls.close(), loop).result()
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()

    def _started(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = Thread(
                    target=self._loop.run_forever, name="redis-for-threads", daemon=True
                )
                self._thread.start()
                asyncio.run_coroutine_threadsafe(self.calls.start(), self._loop).result()
            return self._loop

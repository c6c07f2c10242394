"""The time by which windows of all nodes go: that of the Redis server, without its jumps.

Starts at the server's time and goes on with this machine's monotonic clock; what the server says
later moves it by at most `STEP` a look. So nodes agree whatever their own clocks say, and a server
whose clock is set expires nothing in bulk.
"""

from __future__ import annotations

import time

STEP = 0.05
"""Seconds that one look at the server's clock may move ours."""


class ServerClock:
    """Unix seconds. Before the server was first heard, those of this machine."""

    def __init__(self) -> None:
        self._ahead: float | None = None

    def __call__(self) -> float:
        if self._ahead is None:
            return time.time()
        return self._ahead + time.monotonic()

    def hear(self, ahead: float) -> None:
        """Take in how far the server's Unix seconds are ahead of our monotonic ones."""
        if self._ahead is None:
            self._ahead = ahead
        else:
            self._ahead += min(max(ahead - self._ahead, -STEP), STEP)

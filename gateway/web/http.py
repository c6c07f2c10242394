"""The HTTP server under the web application: uvicorn, with its limits set and two gaps closed.

uvicorn waits for ever for a request that is never finished, so connections are closed after 30 s
and cut off after 60 s, whatever they do. And it leaves signals to us, so that the process can end
in its own order.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

import uvicorn
from starlette.types import ASGIApp

CONNECTION_SECONDS = 30.0
MAX_CONNECTIONS = 1000
MAX_HEAD = 16_384
"""Octets a request's line and header section may have."""


class HttpServer(uvicorn.Server):
    """Serves one application on sockets that are listening already."""

    def __init__(self, app: ASGIApp) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http="h11",
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                limit_concurrency=MAX_CONNECTIONS,
                timeout_keep_alive=5,
                timeout_graceful_shutdown=10,
                h11_max_incomplete_event_size=MAX_HEAD,
            )
        )
        self._since: dict[object, float] = {}

    @property
    def connections(self) -> int:
        """How many are open now."""
        return len(self.server_state.connections)

    def end(self) -> None:
        """Stop listening, finish what is under way, and return from `serve`."""
        self.should_exit = True

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the process's signal handlers as they are."""
        yield

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second; once a second look for connections that have been open too long."""
        if counter % 10 == 0:
            self.end_old_connections(time.monotonic())
        return await super().on_tick(counter)

    def end_old_connections(self, now: float) -> None:
        """Close what is older than the limit, cut off what is twice as old (`now` monotonic)."""
        connections = self.server_state.connections
        self._since = {known: self._since.get(known, now) for known in connections}
        for connection in list(connections):
            age = now - self._since[connection]
            if age > 2 * CONNECTION_SECONDS:
                connection.transport.abort()
            elif age > CONNECTION_SECONDS:
                connection.shutdown()

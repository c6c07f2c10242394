"""With implicit TLS a connection counted only after its handshake: half ones were unlimited."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from types import SimpleNamespace

from gateway.config.values import Endpoint
from gateway.smtp import listener
from gateway.smtp.engine import Offer
from gateway.smtp.services import Listening
from gateway.smtp.watch import Watch
from gateway.sockets import listen


async def test_handshakes_under_way_count() -> None:
    """They count from the start, to twice the limit, and no longer once they are given up."""
    watch = Watch(lambda: False)
    watch.max_per_client = 2
    services = SimpleNamespace(watch=watch, current=lambda: SimpleNamespace(idle_seconds=60.0))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    listening = Listening("tls", Offer("gateway.test", 1000), True, context)
    at = listener.Listener(Endpoint("127.0.0.1", 0), listening, listen("127.0.0.1", 0), services)  # type: ignore[arg-type]
    at.start()
    held = [socket.create_connection(("127.0.0.1", at.port)) for _ in range(7)]
    await until(lambda: sum(one.client == "127.0.0.1" for one in watch) == 4)
    for one in held:
        one.close()
    await until(lambda: len(watch) == 0)
    at.close()


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop run until `condition` holds; the test's time limit ends it otherwise."""
    while not condition():  # noqa: ASYNC110 - the condition is any state at all
        await asyncio.sleep(0.01)

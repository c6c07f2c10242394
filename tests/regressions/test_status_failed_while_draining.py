"""A listener asked its closed socket for the port, so `consentry status` failed during a drain."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

from gateway.config.values import Endpoint
from gateway.smtp.engine import Offer
from gateway.smtp.listener import Listener
from gateway.smtp.services import Listening
from gateway.sockets import listen


async def test_a_closed_listener_still_knows_its_port() -> None:
    """The port is known as long as the listener is."""
    listening = Listening("open", Offer("gateway.test", 1000), False, None)
    taken = listen("127.0.0.1", 0)
    listener = Listener(Endpoint("127.0.0.1", 0), listening, taken, SimpleNamespace())  # type: ignore[arg-type]
    port = listener.port
    listener.start()
    listener.close()
    await asyncio.sleep(0.01)
    assert listener._socket.fileno() == -1
    assert listener.port == port > 0

"""Loopback ports for tests: one that is free now, and waiting until a server answers on one.

`free_port` cannot promise that nobody takes the port before its user does; on a test machine that
has not happened, and the user would fail loudly.
"""

from __future__ import annotations

import socket
import time

LOOPBACK = "127.0.0.1"


def free_port() -> int:
    """A TCP port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for_port(port: int, seconds: float = 20.0) -> None:
    """Return once somebody accepts connections on `port`; raises TimeoutError."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection((LOOPBACK, port), timeout=1).close()
            return
        except OSError as error:
            if time.monotonic() > deadline:
                raise TimeoutError(f"nobody listens on {LOOPBACK}:{port}") from error
            time.sleep(0.02)

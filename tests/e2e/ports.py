"""Loopback ports for tests: one that is free now, and waiting until a server answers on one.

`free_port` cannot promise that nobody takes the port before its user does. It makes that unlikely:
no port twice, none that the system hands out by itself to outgoing connections, and none that
another of pytest's workers may give.
"""

from __future__ import annotations

import os
import secrets
import socket
import time

LOOPBACK = "127.0.0.1"
FIRST, LAST = 20_000, 32_000
"""Below what Linux takes for outgoing connections."""

WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
_OURS = range(FIRST + WORKER, LAST, WORKERS)
_given: set[int] = set()


def free_port() -> int:
    """A TCP port that nobody listens on, and that was not given before."""
    while True:
        port = secrets.choice(_OURS)
        if port in _given:
            continue
        with socket.socket() as probe:
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
        _given.add(port)
        return port


def wait_for_port(port: int, seconds: float = 120.0) -> None:
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

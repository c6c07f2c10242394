"""The gateway that hostile peers are let loose on, in this process: its patience is short, its
memory small, and `acme` may open many batches. "The others" are a message through another
connection, delivered while an attack lasts.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from gateway.smtp import authentication, listener, memory, session, watch
from gateway.smtp import connection as smtp_connection
from tests.e2e.certificates import Certificates
from tests.e2e.gateway import PASSWORD, Gateway, Settings, acme
from tests.e2e.ports import LOOPBACK
from tests.faults.customer import message, new_id, send
from tests.faults.hop import Hop
from tests.faults.houses import Inside

MEMORY = 2_000_000
SHORT = 1.5
"""Seconds of every patience here."""


@contextmanager
def impatient_house(
    hop: Hop, certificates: Certificates, folder: Path, message_bytes: int = 25 * 2**20
) -> Iterator[Inside]:
    """A gateway in front of `hop` that gives up on anything after `SHORT` seconds."""
    settings = Settings(
        hop.port,
        gateway={
            "session": {
                "idle_seconds": SHORT,
                "memory_bytes": MEMORY,
                "per_address": 130,
                "errors": 100_000,
                "refusals_per_hour": 10**9,
            },
            "limits": {"batches": 200, "message_bytes": message_bytes},
            "next_hops": [
                {"name": "main", "host": LOOPBACK, "port": hop.port, "max_connections": 50}
            ],
        },
        tenants={
            "acme": acme(
                logins=[{"name": "acme", "password_hash": PasswordHasher().hash(PASSWORD)}]
            )
        },
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(smtp_connection, "WRITE_STALL", SHORT)
        patch.setattr(smtp_connection, "SLOW_GRACE", SHORT)
        patch.setattr(watch, "SWEEP", 0.1)
        patch.setattr(memory, "PATIENCE", SHORT / 3)
        patch.setattr(authentication, "FAILURES_PER_ADDRESS", 5)
        for module in (listener, session):
            patch.setattr(module, "HANDSHAKE", SHORT)
        with Inside(Gateway(folder, settings, certificates)) as running:
            yield running


def others_are_served(house: Inside, hop: Hop) -> None:
    """Another connection delivers a message at once."""
    unique, started = new_id(), time.monotonic()
    assert send(house.port, message(unique)).code == 250
    assert hop.copies_of(unique) == 1
    assert time.monotonic() - started < 1.0

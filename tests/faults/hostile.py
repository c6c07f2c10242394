"""The gateways that hostile peers are let loose on, in this process: small in memory, `acme` may
open many batches, and patience is short where its end is what is tested. "The others" are a message
through another connection, delivered while an attack lasts.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import pytest

from gateway.smtp import authentication, listener, memory, session, watch
from gateway.smtp import connection as smtp_connection
from tests.e2e.certificates import Certificates
from tests.e2e.gateway import Gateway, Settings, acme
from tests.e2e.ports import LOOPBACK
from tests.faults.customer import message, new_id, send
from tests.faults.hop import Hop
from tests.faults.houses import Inside
from tests.faults.waiting import eventually

MEMORY = 2_000_000
SHORT = 1.5
"""Seconds of every patience of an impatient house."""
LONG = 60.0
"""Seconds of patience where nobody shall be timed out, however slow the machine."""


@contextmanager
def hostile_house(
    hop: Hop,
    certificates: Certificates,
    folder: Path,
    *,
    patience: float = LONG,
    message_bytes: int = 25 * 2**20,
) -> Iterator[Inside]:
    """A gateway in front of `hop` that gives up on a customer's silence after `patience` seconds,
    and on memory soon; one of them at a time."""
    settings = Settings(
        hop.port,
        gateway={
            "session": {
                "idle_seconds": patience,
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
        tenants={"acme": acme()},
    )
    with pytest.MonkeyPatch.context() as impatience:
        impatience.setattr(smtp_connection, "WRITE_STALL", patience)
        impatience.setattr(smtp_connection, "SLOW_GRACE", patience)
        impatience.setattr(watch, "SWEEP", 0.1)
        impatience.setattr(memory, "PATIENCE", SHORT / 3)
        impatience.setattr(authentication, "FAILURES_PER_ADDRESS", 5)
        for module in (listener, session):
            impatience.setattr(module, "HANDSHAKE", patience)
        with Inside(Gateway(folder, settings, certificates)) as running:
            yield running


@contextmanager
def nobody_is_sent_away(house: Inside) -> Iterator[None]:
    """No time limit of a session counts, so that whatever happens does not wait for one."""
    with patch.object(house.gateway.watch, "_end"):
        yield


def others_are_served(house: Inside, hop: Hop) -> None:
    """Another connection delivers a message before the attack is over, and the attack keeps the
    loop busy for less than a second until then."""
    unique, before = new_id(), house.spent
    with nobody_is_sent_away(house):
        assert send(house.port, message(unique)).code == 250
    assert hop.copies_of(unique) == 1
    assert house.spent - before < 1.0


def the_connection(house: Inside) -> smtp_connection.Connection:
    """The one that is open, once those of before have closed."""

    def alone() -> smtp_connection.Connection | None:
        found = house.call(lambda: list(house.gateway.watch))
        return found[0] if len(found) == 1 else None

    found = eventually(alone)
    assert found is not None
    return found

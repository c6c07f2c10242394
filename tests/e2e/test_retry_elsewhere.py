"""A worker dies past the final dot; the customer's retry reaches another one.

A real `consentry serve` with two workers, Redis and SQLite.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from gateway.control import SMTP_SOCKET, ControlError, ask
from tests.e2e.certificates import Certificates
from tests.e2e.deciding_hop import DecidingHop
from tests.e2e.gateway import Settings, acme
from tests.e2e.session import Session, letter
from tests.faults.houses import Served
from tests.faults.waiting import eventually
from tests.servers.redis import RedisServer

SENDER, READER = "news@acme.test", "anna@inbox.test"
WORKERS = {"smtp": SMTP_SOCKET, "smtp-2": "smtp-2.sock"}
"""Each by its name, and the socket it answers on."""


@pytest.fixture(scope="module")
def hop() -> Iterator[DecidingHop]:
    """The next hop."""
    with DecidingHop() as running:
        yield running


@pytest.fixture(scope="module")
def house(
    hop: DecidingHop,
    certificates: Certificates,
    shared_redis: RedisServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Served]:
    """Two workers, and room for a second batch while the dead one's is not free yet."""
    sections = {"workers": 2, "redis": shared_redis.settings(prefix="elsewhere")}
    tenants = {"acme": acme(limits={"batches": 2})}
    settings = Settings(hop.port, trusted=None, gateway=sections, tenants=tenants)
    with Served(tmp_path_factory.mktemp("house"), settings, certificates) as running:
        eventually(lambda: all(status(running, worker) for worker in WORKERS))
        yield running


def status(house: Served, worker: str) -> dict[str, Any]:
    """What a worker says of itself; {} when it does not."""
    with suppress(ControlError):
        said = asyncio.run(ask(house.folder / "state" / WORKERS[worker], "status"))
        return said if isinstance(said, dict) else {}
    return {}


def test_a_retry_elsewhere_is_announced_as_a_possible_double(
    house: Served, hop: DecidingHop
) -> None:
    """The next hop has the copy, but nobody knows: it goes again, said before and told 250."""
    raw = letter(SENDER)
    with hop.silent(), Session(house.open, "acme") as session:
        session.mail(SENDER)
        session.rcpt(READER)
        session.command("DATA")
        session.say_octets(raw + b".\r\n")
        eventually(lambda: len(hop.taken(SENDER)) == 1)
        busy = next(name for name in WORKERS if status(house, name).get("in_progress"))
        (other,) = WORKERS.keys() - {busy}
        os.kill(house.child(busy), signal.SIGKILL)
        with pytest.raises(ConnectionError):
            session.answer()
    with Session(house.open, "acme") as retry:
        assert status(house, other)["sessions"] == 1
        assert retry.send(SENDER, [READER], raw).code == 250
        assert len(hop.taken(SENDER)) == 2
        told = house.event("message.sent_again")
        assert told["detail"]["possible_doubles"] == [1]
        assert retry.send(SENDER, [READER], raw).code == 250
    assert len(hop.taken(SENDER)) == 3
    assert [event["kind"] for event in house.events()].count("message.sent_again") == 1

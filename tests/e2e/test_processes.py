"""Many processes as one service: workers on the same sockets, restarted one by one, counted as one.

A real `consentry serve` with two workers, Redis and SQLite.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Event
from typing import Any

import pytest

from gateway.node import ask_all, smtp_status
from gateway.processes import Process, Role
from tests.e2e.certificates import Certificates
from tests.e2e.deciding_hop import DecidingHop
from tests.e2e.gateway import Settings, acme, customer
from tests.e2e.ports import LOOPBACK
from tests.e2e.session import Session, letter
from tests.faults.houses import Served
from tests.faults.waiting import eventually
from tests.servers.redis import RedisServer

SENDER, READER = "news@acme.test", "anna@inbox.test"
RELAYED = 'consentry_messages_total{outcome="relayed"}'
WORKERS = [Process(Role.SMTP, number) for number in (1, 2)]
NAMES = [worker.name for worker in WORKERS]


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
    """Two workers; a tenant's MAIL waits longer for its batch than a lease lasts."""
    sections = {"workers": 2, "redis": shared_redis.settings(prefix="processes")}
    tenants = {"acme": acme(limits={"batch_wait": "30s"}), "other": customer("other")}
    settings = Settings(hop.port, trusted=None, gateway=sections, tenants=tenants)
    with Served(tmp_path_factory.mktemp("house"), settings, certificates) as running:
        eventually(lambda: is_whole(running))
        yield running


def rows(house: Served) -> list[dict[str, Any]]:
    """What the status says of each worker."""
    asked = ask_all(house.folder / "state", WORKERS, "status")
    found: Any = smtp_status(asyncio.run(asked)).get("workers", [])
    return list(found)


def sessions(house: Served) -> dict[str, int]:
    """Open sessions by worker, of those that answer."""
    return {row["name"]: row["sessions"] for row in rows(house) if "sessions" in row}


def is_whole(house: Served) -> bool:
    """Whether both workers answer."""
    return list(sessions(house)) == NAMES


def open_at(house: Served, login: str = "acme") -> tuple[Session, str]:
    """A session, and the name of the worker that has it; nobody else may have one."""
    eventually(lambda: is_whole(house) and not any(sessions(house).values()))
    session = Session(house.open, login)
    return session, next(name for name, count in sessions(house).items() if count)


def send(session: Session) -> int:
    """The code of the reply to a letter."""
    session.mail(SENDER)
    session.rcpt(READER)
    return session.data(letter(SENDER)).code


def scrape(house: Served) -> dict[str, float]:
    """What `/metrics` has."""
    with urllib.request.urlopen(f"http://{LOOPBACK}:{house.web}/metrics", timeout=60) as answer:
        found = re.findall(r"^([^# ]\S*(?: \S+=\S+)*) (\S+)$", answer.read().decode(), re.MULTILINE)
    return {name: float(value) for name, value in found}


def greeting(house: Served) -> str:
    """Connect, hear the greeting, and leave. A QUIT that crosses a 421 may be met by a reset."""
    with socket.create_connection((LOOPBACK, house.open), timeout=60) as client:
        said = client.recv(512).decode()
        with suppress(ConnectionResetError, BrokenPipeError):
            client.sendall(b"QUIT\r\n")
            while client.recv(512):
                pass
    return said[:3]


def test_a_killed_worker_frees_its_batch(house: Served) -> None:
    """The tenant's next MAIL waits for no more than its lease, and the worker comes back."""
    session, name = open_at(house)
    assert session.mail(SENDER).code == 250
    os.kill(house.child(name), signal.SIGKILL)
    with Session(house.open, "acme") as other:
        assert other.mail(SENDER).code == 250
        other.rcpt(READER)
        assert other.data(letter(SENDER)).code == 250
    session.drop()
    eventually(lambda: is_whole(house))


def test_the_status_has_a_row_for_each_worker(house: Served) -> None:
    """And names the processes beside them, with who leads."""
    eventually(lambda: is_whole(house))
    said = json.loads(house.run("status", "--json"))
    assert [row["name"] for row in said["smtp"]["workers"]] == NAMES
    assert said["jobs"]["leads"]
    assert said["web"]["listen"].endswith(f":{house.web}")


def test_sums_count_both_workers_and_survive_a_restart(house: Served) -> None:
    """What a worker had counted stays in the node's sums when it is started anew."""
    before = scrape(house).get(RELAYED, 0.0)
    seen = set[str]()
    while seen != set(NAMES):
        session, name = open_at(house)
        with session:
            assert send(session) == 250
        seen.add(name)
        before += 1
    counted = scrape(house)
    assert counted[RELAYED] == before
    assert [counted[f'consentry_process_up{{process="{name}"}}'] for name in NAMES] == [1, 1]
    assert (
        len({counted[f'consentry_process_start_time_seconds{{process="{n}"}}'] for n in NAMES}) == 2
    )
    house.crash(NAMES[1])
    eventually(lambda: is_whole(house))
    assert scrape(house)[RELAYED] == before


def test_a_restart_refuses_no_connection_and_ends_no_transaction(
    house: Served, hop: DecidingHop
) -> None:
    """Everybody who connects meanwhile is greeted; who is in the middle of a mail may finish it."""
    session, _ = open_at(house)
    assert session.mail(SENDER).code == 250
    count, pids = len(hop.taken(SENDER)), {one: house.child(one) for one in NAMES}
    over = Event()

    def knock() -> list[str]:
        heard = []
        while not over.wait(0.01):
            heard.append(greeting(house))
        return heard

    with ThreadPoolExecutor() as pool:
        knocking = [pool.submit(knock) for _ in range(2)]
        restarting = pool.submit(house.run, "restart")
        eventually(lambda: any(row.get("draining") for row in rows(house)))
        assert session.rcpt(READER)[0].code == 250
        assert session.data(letter(SENDER)).code == 250
        session.drop()
        said = restarting.result()
        over.set()
        heard = [greeted for one in knocking for greeted in one.result()]
    assert [line.split(" serves")[0] for line in said.splitlines()] == [*NAMES, "web", "jobs"]
    assert {one: house.child(one) for one in NAMES}.items().isdisjoint(pids.items())
    assert len(hop.taken(SENDER)) == count + 1
    assert set(heard) <= {"220", "421"}
    assert heard.count("220") > 0

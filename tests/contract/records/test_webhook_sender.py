"""The sender over a real database and a real HTTPS receiver: every row arrives, once it can."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from ipaddress import ip_network
from pathlib import Path

import httpx
import pytest
from sqlalchemy import Connection

from gateway.errors import StoreUnavailable
from gateway.events import Event
from gateway.message.address import parse_mailbox
from gateway.records import webhooks
from gateway.records.database import Database
from gateway.records.suppressions import Draft, add
from gateway.webhooks.call import Endpoint
from gateway.webhooks.sender import PATIENCE, Sender
from gateway.webhooks.targets import Targets
from gateway.words import WebhookKind
from suppression.keys import Keyring
from suppression.standing import Reason
from tests.e2e.certificates import Certificates, make_certificates
from tests.e2e.receiver import Call, Receiver

from .conftest import NOW

pytestmark = pytest.mark.sqlite_file
"""What is sent is the same wherever the rows lie; `test_webhooks` has those."""

SECRETS = (bytes(range(32)),)


class Clock:
    """Time as the test says."""

    now = NOW

    def __call__(self) -> float:
        return self.now


class Stage:
    """A sender with its clock, its events and its receivers."""

    def __init__(self, database: Database, keyring: Keyring, authority: Path) -> None:
        self.database, self.keyring = database, keyring
        self.clock = Clock()
        self.events: list[Event] = []
        self.context = ssl.create_default_context(cafile=authority)
        self.sender = self.new_sender()

    def new_sender(self) -> Sender:
        async def resolve(_host: str, _port: int) -> list[str]:
            return ["127.0.0.1"]

        return Sender(self.database, self.events.append, self.clock, Targets(resolve))

    def adopt(self, **ports: int) -> None:
        """Send to `https://localhost:<port>/` for each tenant."""
        receivers = {
            tenant: Endpoint(
                tenant,
                httpx.URL(f"https://localhost:{port}/"),
                SECRETS,
                frozenset(WebhookKind),
                (ip_network("127.0.0.0/8"),),
                self.context,
            )
            for tenant, port in ports.items()
        }
        self.sender.adopt(receivers, self.keyring)

    def suppress(self, name: str, tenant: str = "acme") -> None:
        """Something to tell a tenant."""
        draft = Draft(Reason.COMPLAINT, tenant, "operator", "test")
        with self.database.transaction() as connection:
            add(connection, self.keyring, parse_mailbox(f"{name}@example.org"), draft, NOW)

    async def until(self, is_done: Callable[[], bool]) -> None:
        """Run the job until something is so."""
        async with asyncio.timeout(60):
            while not is_done():
                await self.sender.run()
                await asyncio.sleep(0.005)

    def count(self, kind: str) -> int:
        return sum(event.kind == kind for event in self.events)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def receiver(certificates: Certificates) -> Iterator[Receiver]:
    with Receiver(certificates) as receiver:
        yield receiver


@pytest.fixture
async def stage(
    database: Database, keyring: Keyring, certificates: Certificates
) -> AsyncIterator[Stage]:
    stage = Stage(database, keyring, certificates.authority)
    yield stage
    await stage.sender.close()


def _open(connection: Connection, tenant: str = "acme") -> list[webhooks.Delivery]:
    return webhooks.recent(connection, tenant, 100, is_open=True)


async def test_each_row_arrives_with_its_address(stage: Stage, receiver: Receiver) -> None:
    """What was queued arrives signed, typed, with the address; then nothing is left."""
    stage.adopt(acme=receiver.port)
    await stage.sender.mark()
    for number in range(30):
        stage.suppress(f"jan{number}")
    await stage.until(lambda: stage.count("webhook.delivered") == 30)
    calls = receiver.calls
    assert all(call.is_signed() for call in calls)
    assert len({call.id for call in calls}) == 30
    assert calls[0].said == {
        "type": "suppressed",
        "timestamp": "2027-01-15T08:00:00Z",
        "data": {"stream": None, "reason": "complaint", "address": "jan0@example.org"},
    }
    with stage.database.reading() as connection:
        assert _open(connection) == []


async def test_an_erased_address_is_not_told(stage: Stage, receiver: Receiver) -> None:
    """Between queueing and sending the address was destroyed: only its absence is said."""
    stage.adopt(acme=receiver.port)
    await stage.sender.mark()
    stage.suppress("jan")
    with stage.database.transaction() as connection:
        connection.exec_driver_sql("UPDATE subject_secrets SET secret = zeroblob(17)")
    await stage.until(lambda: stage.count("webhook.delivered") == 1)
    assert receiver.calls[0].said["data"]["address"] is None


async def test_a_failure_is_tried_again_under_the_same_id(
    stage: Stage, certificates: Certificates
) -> None:
    """A 5xx puts off; the next attempt has the id of the first, and a fresh timestamp."""
    statuses = iter([503, 204])
    with Receiver(certificates, lambda _call: next(statuses)) as receiver:
        stage.adopt(acme=receiver.port)
        await stage.sender.mark()
        stage.suppress("jan")
        await stage.until(lambda: stage.count("webhook.failed") == 1)
        await stage.sender.run()
        assert len(receiver.calls) == 1
        stage.clock.now += 60
        await stage.until(lambda: stage.count("webhook.delivered") == 1)
        first, second = receiver.calls
    assert first.id == second.id
    assert first.headers["webhook-timestamp"] != second.headers["webhook-timestamp"]
    assert second.is_signed()


async def test_after_three_days_it_is_given_up(stage: Stage, certificates: Certificates) -> None:
    """Everything that waited so long is given up at once, with an event and an audit record."""
    with Receiver(certificates, lambda _call: 500) as receiver:
        stage.adopt(acme=receiver.port)
        await stage.sender.mark()
        for name in ("jan", "ola"):
            stage.suppress(name)
        attempts = 0
        while not stage.count("webhook.given-up"):
            attempts += 1
            await stage.until(partial(lambda n: stage.count("webhook.failed") == n, attempts))
            assert attempts < 60
            with stage.database.reading() as connection:
                due = min((d.next_at or 0 for d in _open(connection)), default=0)
            stage.clock.now = max(due, stage.clock.now + 60)
    assert stage.clock.now >= NOW + PATIENCE
    assert attempts > 10
    with stage.database.reading() as connection:
        assert {delivery.state for delivery in _open(connection)} == {"given up"}
        audited = connection.exec_driver_sql(
            "SELECT detail FROM audit WHERE action='webhook.given-up'"
        ).scalar_one()
    assert '"count":2' in audited


async def test_a_slow_receiver_holds_up_nobody_else(
    stage: Stage, receiver: Receiver, certificates: Certificates
) -> None:
    """While one tenant's receiver does not answer, the other's calls go out."""

    hold = threading.Event()

    def answer(_call: Call) -> int:
        hold.wait(60)
        return 204

    with Receiver(certificates, answer) as slow:
        stage.adopt(acme=slow.port, beta=receiver.port)
        await stage.sender.mark()
        for number in range(25):
            stage.suppress(f"jan{number}")
            stage.suppress(f"jan{number}", "beta")
        await stage.until(lambda: len(receiver.calls) == 25)
        assert len(slow.calls) == 1
        hold.set()
        await stage.until(lambda: stage.count("webhook.delivered") == 50)


async def test_what_could_not_be_noted_is_sent_again(
    stage: Stage, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process ends between the answer and its record: a new one sends the same id again."""
    stage.adopt(acme=receiver.port)
    await stage.sender.mark()
    stage.suppress("jan")

    async def lost(_work: object) -> None:
        raise StoreUnavailable("gone")

    with monkeypatch.context() as patch:
        patch.setattr(stage.database, "write", lost)
        await stage.until(lambda: stage.count("webhook.failed") == 1)
    await stage.sender.close()
    stage.sender = stage.new_sender()
    stage.adopt(acme=receiver.port)
    await stage.until(lambda: stage.count("webhook.delivered") == 1)
    first, second = receiver.calls
    assert first.id == second.id


async def test_gone_means_gone_until_the_next_configuration(
    stage: Stage, certificates: Certificates
) -> None:
    """After 410 nothing is sent or queued; a configuration loaded again starts anew."""
    statuses = iter([410, 204])
    with Receiver(certificates, lambda _call: next(statuses)) as receiver:
        stage.adopt(acme=receiver.port)
        await stage.sender.mark()
        stage.suppress("jan")
        await stage.until(lambda: stage.count("webhook.disabled") == 1)
        await stage.sender.run()
        stage.suppress("ola")
        with stage.database.reading() as connection:
            assert [delivery.state for delivery in _open(connection)] == ["given up"]
        stage.adopt(acme=receiver.port)
        await stage.sender.mark()
        stage.suppress("ewa")
        await stage.until(lambda: stage.count("webhook.delivered") == 1)
        assert receiver.calls[-1].said["data"]["address"] == "ewa@example.org"

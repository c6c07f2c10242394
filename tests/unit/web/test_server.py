from __future__ import annotations

import asyncio
import errno
import os
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import httpx
import pytest

from gateway.config.example import write_example
from gateway.config.load import load
from gateway.control import SMTP_SOCKET, ControlServer, ask
from gateway.errors import ConfigurationError, StoreUnavailable
from gateway.events import Event
from gateway.journal_reader import read_events
from gateway.metrics import Metrics
from gateway.node import CHECKS
from gateway.processes import WEB
from gateway.records.database import Database
from gateway.records.keyring import open_keyring
from gateway.records.streams import stream_number
from gateway.records.suppressions import find
from gateway.web.http import CONNECTION_SECONDS, HttpServer
from gateway.web.parts import Subscription
from gateway.web.server import WebProcess
from gateway.words import Address
from suppression.choices import Choice, InForce, Why
from suppression.tokens import Purpose, Token, Tokens

BOB = Address("bob@b.example", "bob", "b.example")
ONE_CLICK = {"List-Unsubscribe": "One-Click"}


class Site:
    """A web process that listens on a free port, as `consentry serve` runs it."""

    def __init__(self, folder: Path, port: int = 0) -> None:
        write_example(folder, "mail.example.com")
        self.config = folder / "consentry.yaml"
        self.state = folder / "state"
        text = self.config.read_text().replace(
            "listen: 127.0.0.1:8080", f"listen: 127.0.0.1:{port}"
        )
        self.config.write_text(text)
        self.process = WebProcess(load(self.config))
        self.database: Database = self.process.database
        self.keyring = open_keyring(self.database, folder / "keys" / "keyring.json")
        with self.database.transaction() as connection:
            self.number = stream_number(connection, "example", "weekly")

    def token(self) -> str:
        key = self.keyring.exact_key(BOB)
        return Tokens(self.keyring).make(Purpose.UNSUBSCRIBE, self.number, key)

    async def chooses(self, token: Token, **what: object) -> Subscription:
        choice = Choice(**what)  # type: ignore[arg-type]
        return await self.process._parts.recipients.choose(token, choice, "page")

    def entries(self) -> int:
        with self.database.reading() as connection:
            return len(find(connection, self.keyring, BOB))

    def events(self) -> list[Event]:
        self.process.journal.flush()
        return list(read_events(self.state / "journal"))

    def kinds(self) -> list[str]:
        return [event.kind for event in self.events()]


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    site = Site(tmp_path)
    await site.process.start()
    serving = asyncio.create_task(site.process.run())
    yield site
    site.process._http.end()
    await serving
    await site.process.stop()


@pytest.fixture
async def client(site: Site) -> AsyncIterator[httpx.AsyncClient]:
    port = site.process._socket.getsockname()[1]
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        yield client


async def test_a_hundred_identical_requests_have_one_effect(
    site: Site, client: httpx.AsyncClient
) -> None:
    """Each is answered 200, one entry is in force, one event is written."""
    link = f"/u/{site.token()}"
    answers = await asyncio.gather(*(client.post(link, data=ONE_CLICK) for _ in range(100)))
    assert {answer.status_code for answer in answers} == {200}
    assert site.entries() == 1
    assert site.kinds().count("unsubscribed") == 1


async def test_what_a_recipient_says_is_told_to_the_journal(site: Site) -> None:
    """An unsubscribe with its width and reason, a complaint of grade B with its source, which
    waits for a person as a report; once."""
    token = Token(site.number, site.keyring.exact_key(BOB))
    for _ in range(2):
        found = await site.chooses(token, is_wide=True, is_spam=True, why=Why.NEVER_SIGNED_UP)
    assert found.in_force == InForce(is_out_wide=True, has_complained=True)
    about = {"key": token.key.hex(), "source": "page", "why": "never-signed-up"}
    told = [event for event in site.events() if event.tenant]
    assert [(event.kind, event.tenant, event.stream, event.detail) for event in told] == [
        ("unsubscribed", "example", "weekly", {**about, "from": "sender"}),
        ("complaint.received", "example", "weekly", {**about, "grade": "B"}),
        (
            "report.received",
            "example",
            "weekly",
            {
                "report": 1,
                "grade": "B",
                "source": "page",
                "type": "abuse",
                "key": token.key.hex(),
            },
        ),
    ]


async def test_names_are_those_that_recipients_know(site: Site) -> None:
    """What the configuration calls sender and list, from the next reload on; else their names."""
    token = Token(site.number, site.keyring.exact_key(BOB))
    found = await site.process._parts.recipients.look(token)
    assert (found.sender_name, found.list_name) == ("example", "weekly")
    tenant = site.config.parent / "tenants/example.yaml"
    text = tenant.read_text().replace("  weekly:\n", "  weekly:\n    display_name: Weekly News\n")
    tenant.write_text(text + "display_name: Example, Inc.\n")
    site.process.reload()
    found = await site.process._parts.recipients.look(token)
    assert (found.sender_name, found.list_name) == ("Example, Inc.", "Weekly News")
    tenant.rename(tenant.with_name("another.yaml"))
    site.process.reload()
    found = await site.process._parts.recipients.look(token)
    assert (found.sender_name, found.list_name) == ("example", "weekly")


async def test_a_stream_the_records_do_not_know_is_no_confirmation(site: Site) -> None:
    """An authentic token for a number never given means that the records are not the newest."""
    with pytest.raises(StoreUnavailable):
        await site.chooses(Token(9999, bytes(16)))
    assert site.entries() == 0


async def test_an_unwritable_journal_is_no_confirmation(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The entry is in force all the same, and the caller comes back."""
    token = Token(site.number, site.keyring.exact_key(BOB))

    write = os.write

    def full(file: int, data: bytes) -> int:
        if ".jsonl" in os.readlink(f"/proc/self/fd/{file}"):
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(file, data)

    with monkeypatch.context() as disk:
        disk.setattr("gateway.journal.os.write", full)
        with pytest.raises(StoreUnavailable):
            await site.chooses(token)
    assert site.entries() == 1
    await site.chooses(token)


async def test_readiness_and_metrics_speak_for_both_processes(
    site: Site, client: httpx.AsyncClient
) -> None:
    """Asked over the control socket; an SMTP process that is away is a problem by itself."""
    assert "does not answer" in (await client.get("/readyz")).json()["problems"][0]
    assert 'consentry_process_up{process="smtp"} 0.0' in (await client.get("/metrics")).text

    async def health(_request: Mapping[str, object]) -> object:
        return dict.fromkeys(CHECKS, True)

    async def metrics(_request: Mapping[str, object]) -> object:
        return Metrics().text()

    smtp = ControlServer(site.state / SMTP_SOCKET, {"health": health, "metrics": metrics})
    await smtp.start()
    assert (await client.get("/readyz")).json() == {"ready": True}
    text = (await client.get("/metrics")).text
    assert 'consentry_process_up{process="smtp"} 1.0' in text
    assert 'consentry_loop_lag_seconds_count{process="smtp"}' in text
    assert 'consentry_loop_lag_seconds_count{process="web"}' in text
    await smtp.close()


def append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


async def test_a_bad_configuration_leaves_the_old_in_force(
    site: Site, client: httpx.AsyncClient
) -> None:
    """The error is told to who asked and to the journal; pages go on."""
    good = await ask(site.state / WEB.socket, "reload")
    append(site.config, "nonsense: true\n")
    with pytest.raises(ConfigurationError, match="nonsense"):
        site.process.reload()
    assert (await client.get(f"/u/{site.token()}")).status_code == 200
    status = await ask(site.state / WEB.socket, "status")
    assert isinstance(good, dict)
    assert isinstance(status, dict)
    assert status["config"] == good["config"]
    assert site.kinds() == ["process.started", "config.reloaded", "config.refused"]


async def test_a_request_that_is_never_finished_is_cut_off(
    site: Site, client: httpx.AsyncClient
) -> None:
    """One octet a second holds a connection for half a minute, no longer; others are served."""
    server: HttpServer = site.process._http
    host, port = site.process._socket.getsockname()
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ")
    assert (await client.get("/healthz")).status_code == 200
    server.end_old_connections(time.monotonic())
    assert not reader.at_eof()
    server.end_old_connections(time.monotonic() + CONNECTION_SECONDS + 1)
    assert b"200 OK" not in await asyncio.wait_for(reader.read(), 60)
    writer.close()


async def test_an_address_in_use_is_a_configuration_error(site: Site, tmp_path: Path) -> None:
    """Said with the key to change."""
    _, port = site.process._socket.getsockname()
    (tmp_path / "second").mkdir()
    second = Site(tmp_path / "second", port)
    with pytest.raises(ConfigurationError, match=r"web\.listen: 127\.0\.0\.1"):
        await second.process.start()
    await second.process.stop()

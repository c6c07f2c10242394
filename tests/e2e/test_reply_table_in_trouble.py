"""The rows of the reply table for a gateway in trouble, as swaks shows them through 587 and 465.

Each trouble is real (records without their index, a full disk, a held next hop), but for a store of
sign-ins that is down: the embedded default keeps those in memory, so one that fails is put in.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from gateway.errors import StoreUnavailable
from gateway.relay import pool
from tests.e2e.certificates import Certificates, make_certificates
from tests.e2e.gateway import Gateway, Settings, acme, customer
from tests.e2e.ports import free_port
from tests.e2e.reply_rows import check, explain, row
from tests.e2e.swaks import swaks
from tests.e2e.troubled_hop import TroubledHop
from tests.faults.customer import Customer
from tests.faults.hop import Action, Hop
from tests.faults.houses import Inside, Served
from tests.faults.waiting import eventually

TLS = ("starttls", "implicit")
WHOLE_MEMORY = "300KiB"
GONE = "gone@inbox.test"
UTF8 = "news@acme.test> SMTPUTF8 AUTH=<"
"""swaks knows no SMTPUTF8; this makes it say MAIL FROM:<news@acme.test> SMTPUTF8 AUTH=<>."""


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """An authority that clients trust and a certificate for localhost."""
    return make_certificates(tmp_path_factory.mktemp("certificates"))


class Untrusting(Served):
    """A gateway that takes mail from one far network only, and asks nobody to sign in."""

    def write(self) -> None:
        """Change every listener."""
        super().write()
        config = json.loads(self.config.read_text())
        for listener in config["listeners"]:
            listener["auth"] = False
            listener["trusted"] = [{"networks": ["192.0.2.0/24"], "tenant": "acme"}]
        self.config.write_text(json.dumps(config))


@pytest.fixture(scope="module")
def house(certificates: Certificates, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A gateway with little memory; its next hop takes everything and has no SMTPUTF8."""
    with TroubledHop("") as hop:
        settings = Settings(hop.port, gateway={"session": {"memory_bytes": WHOLE_MEMORY}})
        with Served(tmp_path_factory.mktemp("house"), settings, certificates) as running:
            running.run("suppress", "add", GONE, "--reason", "complaint", "--scope", "acme")
            yield running


@contextmanager
def nothing(_house: Served) -> Iterator[None]:
    """No trouble."""
    yield


@contextmanager
def records_away(house: Served) -> Iterator[None]:
    """The table that every look-up reads is not there."""
    renamed = "ALTER TABLE {} RENAME TO {}"
    with sqlite3.connect(house.database, timeout=60) as connection:
        connection.execute(renamed.format("standing_index", "away"))
    try:
        yield
    finally:
        connection.execute(renamed.format("away", "standing_index"))
        connection.commit()
        connection.close()


@contextmanager
def disk_full(house: Served) -> Iterator[None]:
    """The SMTP process can write no file."""
    with house.full_disk("smtp"):
        yield


Trouble = Callable[[Served], AbstractContextManager[None]]


@pytest.mark.parametrize("tls", TLS)
@pytest.mark.parametrize(
    ("trouble", "arguments", "options", "shown"),
    [
        (records_away, (), {}, (451, "4.3.0", "TEMP")),
        (nothing, (), {"sender": UTF8}, (550, "5.6.7", "SMTPUTF8")),
    ],
    ids=lambda value: value[2] if isinstance(value, tuple) and len(value) == 3 else "",
)
def test_row(
    tls: str,
    trouble: Trouble,
    arguments: tuple[str, ...],
    options: dict[str, str],
    shown: tuple[int, str, str],
    house: Served,
) -> None:
    """The row is shown whole, its link explains the tag, and its ref explains the case."""
    with trouble(house):
        transcript = swaks(house, tls, *arguments, **options)
    check(house, transcript, shown)


@pytest.mark.parametrize("tls", TLS)
def test_more_than_the_whole_memory(tls: str, house: Served, tmp_path: Path) -> None:
    """[MEMORY] for what finds no room."""
    body = tmp_path / "body"
    body.write_text("A line of some length, so that many of them make a message.\n" * 6000)
    check(house, swaks(house, tls, "--body", f"@{body}"), (452, "4.3.1", "MEMORY"))


@pytest.mark.parametrize("tls", TLS)
def test_data_behind_refused_recipients(tls: str, house: Served) -> None:
    """[NO-RECIPIENTS] for a pipelined DATA; its ref tells what was refused before it."""
    transcript = swaks(house, tls, "--pipeline", login="acme/weekly", to=[GONE])
    refusal = row(house, transcript, (554, "5.5.1", "NO-RECIPIENTS"))
    assert "COMPLAINT" in explain(house, refusal.ref, "COMPLAINT")


@pytest.mark.parametrize("tls", TLS)
def test_a_full_disk(tls: str, house: Served) -> None:
    """[STORAGE]; what could not be written then is in the journal once there is room again."""
    with disk_full(house):
        eventually(lambda: "[STORAGE]" in swaks(house, tls))
        transcript = swaks(house, tls)
    refusal = row(house, transcript, (452, "4.3.1", "STORAGE"))
    assert "STORAGE" in explain(house, refusal.ref, "STORAGE")
    eventually(lambda: "250 2.0.0" in swaks(house, tls))


@pytest.mark.parametrize("tls", TLS)
def test_a_foreign_address(tls: str, certificates: Certificates, tmp_path: Path) -> None:
    """[CLIENT-ADDRESS] where only listed addresses may send."""
    with Untrusting(tmp_path, Settings(free_port()), certificates) as running:
        transcript = swaks(running, tls, login="")
        check(running, transcript, (550, "5.7.1", "CLIENT-ADDRESS"))


@pytest.fixture
def inside(
    certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Inside, Hop]]:
    """A gateway in this process with one connection to its next hop and little patience."""
    monkeypatch.setattr(pool, "LINE_SECONDS", 0.3)
    with Hop() as hop:
        one = {"name": "main", "host": "127.0.0.1", "port": hop.port, "max_connections": 1}
        tenants = {"acme": acme(), "other": customer("other")}
        settings = Settings(hop.port, "other", {"next_hops": [one]}, tenants)
        with Inside(Gateway(tmp_path, settings, certificates)) as running:
            yield running, hop


@pytest.mark.parametrize("tls", TLS)
def test_a_busy_next_hop(tls: str, inside: tuple[Inside, Hop]) -> None:
    """[NEXT-HOP-BUSY] when every connection stays lent, here to a customer whose mail is held."""
    running, hop = inside
    hop.on("DATA", Action.HOLD)
    with Customer(running.port) as holder:
        holder.send(
            b"EHLO c\r\nMAIL FROM:<news@other.test>\r\nRCPT TO:<anna@inbox.test>\r\nDATA\r\n"
        )
        for _ in range(4):
            holder.answer()
        holder.send(b"From: news@other.test\r\n\r\nHello\r\n.\r\n")
        hop.wait_held()
        transcript = swaks(running.harness, tls)
        hop.release()
    row(running.harness, transcript, (451, "4.4.5", "NEXT-HOP-BUSY"))


class Down:
    """A store of sign-in failures that is away."""

    async def count(self, _key: str, _seconds: float) -> int:
        """Raise."""
        raise StoreUnavailable("the store is away")


@pytest.mark.parametrize("tls", TLS)
def test_a_store_of_sign_ins_that_is_down(
    tls: str, inside: tuple[Inside, Hop], monkeypatch: pytest.MonkeyPatch
) -> None:
    """[AUTH-TEMP], never a sign-in and never a wrong password."""
    running, _ = inside
    monkeypatch.setattr(running.gateway.authenticator, "_windows", Down())
    refusal = row(running.harness, swaks(running.harness, tls), (454, "4.7.0", "AUTH-TEMP"))
    assert "AUTH-TEMP" in explain(running.harness, refusal.ref, "AUTH-TEMP")


@pytest.mark.parametrize("tls", TLS)
def test_a_gateway_that_is_ending(tls: str, inside: tuple[Inside, Hop]) -> None:
    """[SHUTDOWN] for a transaction that is not at its dot when the grace period is over."""
    running, hop = inside
    watch = running.gateway.watch
    hop.on("RCPT", Action.HOLD)
    with ThreadPoolExecutor() as threads:
        sending = threads.submit(swaks, running.harness, tls)
        hop.wait_held()
        running.call(lambda: watch.drain(-1.0))
        running.call(watch._sweep)
        hop.release()
        transcript = sending.result(60)
    refusal = row(running.harness, transcript, (421, "4.3.2", "SHUTDOWN"))
    assert "SHUTDOWN" in explain(running.harness, refusal.ref, "SHUTDOWN")

"""How many mails that come back one core takes a second, beside a listener that records nothing.

    python -m benchmarks.feedback          (make bench-feedback)

A web process with the embedded records has core 0 to itself, `SESSIONS` connections on core 1 bring
it mail, each about a copy of another recipient that stands in the journal: reports with our token,
unsigned (grade B) and signed by a listed source (grade A, each a fact of a case), bounces with
`verp`, and requests to unsubscribe. The same reports go to the bare listener: aiosmtpd with our
limits, and nothing behind it. All take turns; figures are medians of the runs. `cpu` is the
process's own time for one mail, which a busy machine changes less than the rate. The aim is 300
reports a second, of grade B and of grade A; exit 1 when one misses it. Two quiet cores are needed;
three minutes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from itertools import count
from pathlib import Path

import uvloop

from benchmarks.processes import MEASURED, OTHER, cpu_seconds, move, on_core
from gateway.config.load import load
from gateway.events import Event
from gateway.feedback.listener import FeedbackListener
from gateway.feedback.mailboxes import Kind, Mailbox
from gateway.journal import Journal
from gateway.message.address import parse_mailbox
from gateway.message.body import RelaxedBodyHash
from gateway.message.dkim import Signer, sign
from gateway.message.dkim_keys import KeyKind, dns_record, load_key, new_key
from gateway.records.database import open_database
from gateway.records.streams import stream_number
from gateway.refs import new_ref
from gateway.sockets import listen
from suppression.keys import Keyring
from suppression.tokens import Purpose
from tests.campaigns.house import House
from tests.campaigns.notices import Web
from tests.e2e.certificates import make_certificates
from tests.e2e.gateway import Settings, customer
from tests.e2e.name_server import NameServer
from tests.e2e.ports import LOOPBACK, free_port, wait_for_port
from tests.e2e.returned_mail import DOMAIN, LOOP, dsn, plain, report, token_maker

AIM = 300.0
SESSIONS = 40
RECIPIENTS = 50
"""Of one relayed message in the journal."""
LISTED = LOOP.rpartition("@")[2]
LIMIT = "bare listener"
AIMED = ("report, grade B", "report, grade A")
"""What the aim is for."""
Make = Callable[[int], tuple[str, str, bytes]]
"""Sender, recipient and octets of the mail with this number."""


@dataclass(slots=True)
class Target:
    """A process that takes one kind of mail: its port, itself, and what was measured of it."""

    name: str
    port: int
    pid: Callable[[], int]
    make: Make
    rates: list[float] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)

    def measure(self, seconds: float, numbers: Iterator[int]) -> None:
        """One run."""
        pid = self.pid()
        before, began = cpu_seconds(pid), time.perf_counter()
        mails = asyncio.run(_send(self.port, self.make, seconds, numbers))
        took = time.perf_counter() - began
        self.rates.append(mails / took)
        self.cpu_us.append((cpu_seconds(pid) - before) / mails * 1e6)


@dataclass(frozen=True, slots=True)
class Row:
    """The medians of one kind of mail: a second, and microseconds of the process's own time."""

    name: str
    rate: float
    lowest: float
    highest: float
    cpu_us: float


# ---- what is sent -------------------------------------------------------------------------------


class Mails:
    """Makes the mail with a number, about the recipient with that number."""

    def __init__(self, keyring: Path, streams: list[int], key: bytes) -> None:
        self._token = token_maker(keyring)
        self._streams = streams
        self._signer = Signer(LISTED, "s1", load_key(key))
        self._run = os.urandom(4).hex()

    def report(self, number: int) -> tuple[str, str, bytes]:
        """Unsigned."""
        to, stream = recipient(number), self._streams[number % len(self._streams)]
        original = (
            f"From: news@customer{number % len(self._streams)}.test\nTo: {to}\nSubject: hello\n"
            f"Message-ID: <{number}@bench.test>\n"
            f"Consentry-Trace: {self._token(Purpose.FEEDBACK, stream, to)}"
        )
        return LOOP, f"fbl@{DOMAIN}", report(f"{self._run}{number}", original, recipient=to)

    def signed(self, number: int) -> tuple[str, str, bytes]:
        """The same, signed by a listed source."""
        sender, to, octets = self.report(number)
        head, _, body = octets.partition(b"\r\n\r\n")
        hashed = RelaxedBodyHash()
        hashed.add(body)
        field = sign([self._signer], head + b"\r\n", hashed.digest(), time.time())
        return sender, to, field + octets

    def bounce(self, number: int) -> tuple[str, str, bytes]:
        """To the return path of a copy."""
        to, stream = recipient(number), self._streams[number % len(self._streams)]
        path = f"bounce+{self._token(Purpose.RETURN_PATH, stream, to)}@{DOMAIN}"
        return "", path, dsn(f"{self._run}{number}", to)

    def wish(self, number: int) -> tuple[str, str, bytes]:
        """A request to be mailed no more."""
        to, stream = recipient(number), self._streams[number % len(self._streams)]
        mailbox = f"u+{self._token(Purpose.UNSUBSCRIBE, stream, to)}@{DOMAIN}"
        return to, mailbox, plain(f"{self._run}{number}")


def recipient(number: int) -> str:
    """The address of the recipient with this number."""
    return f"reader{number}@inbox{number % 500}.test"


async def _send(port: int, make: Make, seconds: float, numbers: Iterator[int]) -> int:
    """Mails taken in so many seconds, over connections that are kept."""
    until = time.perf_counter() + seconds
    taken = 0

    async def session() -> None:
        nonlocal taken
        reader, writer = await asyncio.open_connection(LOOPBACK, port)

        async def ask(command: bytes, wanted: bytes) -> None:
            writer.write(command)
            while (line := await reader.readline())[3:4] == b"-":
                pass
            if not line.startswith(wanted):
                raise RuntimeError(f"{command[:60]!r} was answered {line!r}")

        await ask(b"", b"220")
        await ask(b"EHLO bench.test\r\n", b"250")
        while time.perf_counter() < until:
            sender, to, octets = make(next(numbers))
            await ask(f"MAIL FROM:<{sender}>\r\n".encode(), b"250")
            await ask(f"RCPT TO:<{to}>\r\n".encode(), b"250")
            await ask(b"DATA\r\n", b"354")
            await ask(octets + b".\r\n", b"250")
            taken += 1
        await ask(b"QUIT\r\n", b"221")
        writer.close()

    await asyncio.gather(*(session() for _ in range(SESSIONS)))
    return taken


# ---- what takes it ------------------------------------------------------------------------------


class _Nothing:
    """Stands for the intake: everything is ours, and nothing is done with it."""

    async def find(self, address: str) -> Mailbox:
        """Any recipient."""
        return Mailbox(Kind.REPORTS, address)

    async def take(self, *_mail: object) -> str:
        """Taken."""
        return "250 2.0.0 taken"


def _bare(config: Path, port: int) -> None:
    """The process of the bare listener."""

    async def serve() -> None:
        intake: object = _Nothing()
        listener = FeedbackListener(load(config).config, intake, listen(LOOPBACK, port))  # type: ignore[arg-type]
        await listener.start()
        await asyncio.Event().wait()

    uvloop.run(serve())


@contextmanager
def bare(config: Path) -> Iterator[tuple[int, int]]:
    """The bare listener; its port and process id."""
    port = free_port()
    process = multiprocessing.get_context("spawn").Process(target=_bare, args=(config, port))
    process.start()
    try:
        wait_for_port(port)
        assert process.pid is not None
        move(process.pid, MEASURED)
        yield port, process.pid
    finally:
        process.terminate()
        process.join()


@contextmanager
def gateway(folder: Path, dns: int, recipients: int) -> Iterator[tuple[House, Web, int, list[int]]]:
    """A web process on its core whose journal has copies to all recipients; its port, and the
    numbers of the customers' streams."""
    port = free_port()
    tenants = {f"customer{number}": customer(f"customer{number}") for number in range(20)}
    settings = Settings(
        free_port(),
        trusted=None,
        gateway={
            "feedback": {
                "listen": f"{LOOPBACK}:{port}",
                "domain": DOMAIN,
                "max_connections": 2 * SESSIONS,
            },
            "sanctions": {"feedback_sources": [LISTED]},
            "sender_dns": {"resolvers": [f"{LOOPBACK}:{dns}"]},
        },
        tenants=tenants,
    )
    house = House(folder / "house", settings, make_certificates(folder / "certificates"))
    house.write()
    config = load(house.config).config
    database = open_database(config.database, config.opt_out_log)
    with database.transaction() as connection:
        streams = [stream_number(connection, name, "mail") for name in tenants]
    database.close()
    _fill(house, list(tenants), recipients)
    with on_core(MEASURED), Web(house) as web:
        wait_for_port(port)
        yield house, web, port, streams


def _fill(house: House, tenants: list[str], recipients: int) -> None:
    """A journal of messages to all recipients, those of one tenant together."""
    keyring = Keyring.load(house.folder / "keys/keyring.json")
    journal = Journal(house.folder / "state/journal", "smtp", 10**9, 10)
    for first in range(0, recipients, RECIPIENTS * len(tenants)):
        for place, tenant in enumerate(tenants):
            numbers = range(first + place, first + RECIPIENTS * len(tenants), len(tenants))
            event = Event("message.relayed", time.time(), ref=new_ref(), tenant=tenant)
            event.stream, event.mailing, event.domain = "mail", "m1", f"{tenant}.test"
            event.detail = {
                "recipients": [
                    {
                        "key": keyring.exact_key(parse_mailbox(recipient(number))).hex(),
                        "domain": recipient(number).partition("@")[2],
                        "state": "taken",
                        "code": 250,
                        "text": "2.0.0 taken",
                    }
                    for number in numbers
                ]
            }
            journal.emit(event)
    journal.close()


# ---- the whole ----------------------------------------------------------------------------------


def measure(folder: Path, seconds: float, runs: int, recipients: int) -> list[Row]:
    """All kinds in turn, again and again."""
    key = new_key(KeyKind.RSA)
    record = dns_record(key)
    numbers = (number % recipients for number in count())
    with (
        on_core(OTHER),
        NameServer({(f"s1._domainkey.{LISTED}", "TXT"): [record]}) as dns,
        gateway(folder, dns.port, recipients) as (house, web, port, streams),
        bare(house.config) as (limit, pid),
    ):
        mails = Mails(house.folder / "keys/keyring.json", streams, key)
        targets = [
            Target(LIMIT, limit, lambda: pid, mails.report),
            Target(AIMED[0], port, lambda: web.pid, mails.report),
            Target(AIMED[1], port, lambda: web.pid, mails.signed),
            Target("bounce", port, lambda: web.pid, mails.bounce),
            Target("unsubscribe mail", port, lambda: web.pid, mails.wish),
        ]
        _wait_for_index(house)
        for number in range(runs + 1):
            for target in targets:
                target.measure(seconds if number else 1.0, numbers)
                if not number:  # it has warmed up
                    target.rates.clear()
                    target.cpu_us.clear()
            print(f"run {number} of {runs}", file=sys.stderr, flush=True)
    return [
        Row(
            one.name,
            statistics.median(one.rates),
            min(one.rates),
            max(one.rates),
            statistics.median(one.cpu_us),
        )
        for one in targets
    ]


def _wait_for_index(house: House) -> None:
    """Until the journal is read, so that no run pays for it."""
    size = sum(file.stat().st_size for file in (house.folder / "state/journal").glob("smtp*"))
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        index = house.folder / "state/journal-index.sqlite"
        if index.exists() and reached(index) >= size:
            return
        time.sleep(0.2)
    raise RuntimeError("the journal's index was not read in two minutes")


def reached(index: Path) -> int:
    """How far the index has read; it may be in the making."""
    with sqlite3.connect(index) as connection, suppress(sqlite3.OperationalError):
        return int(connection.execute("SELECT coalesce(max(reached), 0) FROM files").fetchone()[0])
    return 0


def as_text(rows: list[Row]) -> str:
    """A table in Markdown."""
    lines = ["| mail | a second | lowest | highest | cpu, µs |", "|---|---:|---:|---:|---:|"]
    for row in rows:
        figures = " | ".join(f"{n:,.0f}" for n in (row.rate, row.lowest, row.highest, row.cpu_us))
        lines.append(f"| {row.name} | {figures} |")
    return "\n".join(lines)


def main() -> None:
    """Run and print; exit status 1 when an aim is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=5.0, help="of one run (5)")
    parser.add_argument("--runs", type=int, default=5, help="of each kind (5)")
    parser.add_argument("--recipients", type=int, default=100_000, help="in the journal (100,000)")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="consentry-bench-") as name:
        rows = measure(Path(name), options.seconds, options.runs, options.recipients)
    print(json.dumps([asdict(row) for row in rows], indent=2) if options.json else as_text(rows))
    if missed := [row.name for row in rows if row.name in AIMED and row.rate < AIM]:
        sys.exit(f"under {AIM:g} a second: {', '.join(missed)}")


if __name__ == "__main__":
    main()

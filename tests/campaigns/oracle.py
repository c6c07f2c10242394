"""A million RCPT decisions against an independent oracle, during imports, reloads and restarts.

    python -m tests.campaigns.oracle          (make oracle)

A real `consentry serve` takes a list of a million suppressions, given in 200 spellings
(`tests/campaigns/spellings.py`, which shares no code with the gateway). Then customers ask for a
hundred recipients at a time, each in a spelling of its own, on four streams of two tenants, while a
second list is imported, the SMTP process is killed and the configuration reloaded again and again.
What was asked while the second list was on its way may be answered either way as far as that list
goes; after it, only in one. Counted: who passed although stopped, and who was refused although
free; a 4xx decides nothing. Exits 1 when either count is not 0. `--broken identity` runs a gateway
that takes tags for part of a person, to show that it is seen.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import csv
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter, defaultdict
from contextlib import suppress
from pathlib import Path
from typing import cast

import uvloop

from tests.campaigns.broken import FAULTS, in_use
from tests.campaigns.house import House
from tests.campaigns.spellings import SCOPES, STREAMS, VARIANTS, Entry, Person, Stream, stops
from tests.campaigns.vitals import say
from tests.e2e.certificates import make_certificates
from tests.e2e.gateway import COMMAND, PASSWORD, Settings, customer
from tests.e2e.ports import LOOPBACK

GROUP = 100
CONNECTIONS = 8
WHOLE_DOMAINS = 40
"""Protected with everybody in them."""
PATIENCE = 60.0
RESTART_EVERY = 12.0
"""Over the supervisor's ten seconds, or it would wait longer each time."""
DEFERRED = "deferred (others are asked)"
PASSED, REFUSED = "PASSED although stopped", "REFUSED although free"


class Lists:
    """What the oracle knows: the entries of each person, and those that are on their way."""

    def __init__(self, chance: random.Random, entries: int, late: int) -> None:
        self.people = max(10, entries * 2 // 5)
        self.known: defaultdict[int, list[Entry]] = defaultdict(list)
        self.late: defaultdict[int, list[Entry]] = defaultdict(list)
        self.is_complete = False
        self.domains = {Person(chance.randrange(self.people)).domain for _ in range(WHOLE_DOMAINS)}
        self.domains.discard("gmail.com")
        for book, count in ((self.known, entries), (self.late, late)):
            for _ in range(count):
                reason = chance.choice(list(SCOPES))
                scope = chance.choice(SCOPES[reason])
                variant = chance.randrange(len(VARIANTS))
                book[chance.randrange(self.people)].append(Entry(reason, scope, variant))

    def write(self, book: dict[int, list[Entry]], file: Path) -> None:
        """One of the two as CSV."""
        with file.open("w", newline="", encoding="utf-8") as out:
            writer = csv.writer(out)
            writer.writerow(("reason", "address", "scope"))
            for number, entries in book.items():
                for entry in entries:
                    address = Person(number).spelt(VARIANTS[entry.variant])
                    writer.writerow((entry.reason, address, entry.scope))
            for domain in self.domains:
                writer.writerow(("protected", domain.title(), "*"))

    def verdicts(self, number: int, variant: int, stream: Stream) -> set[bool]:
        """The right answers to "is it stopped?": one, or both while the late list comes in."""
        person = Person(number)

        def is_stopped(book: dict[int, list[Entry]]) -> bool:
            return any(stops(person, one, variant, stream) for one in book.get(number, ()))

        if person.domain in self.domains and not stream.is_verified:
            return {True}
        known, late = is_stopped(self.known), is_stopped(self.late)
        return {known or late} if self.is_complete else {known, known or late}


class Sink(asyncio.Protocol):
    """A next hop that agrees to everything, internationalised addresses too."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet."""
        self._transport = cast(asyncio.Transport, transport)
        self._rest = b""
        transport.write(b"220 sink.test\r\n")

    def data_received(self, data: bytes) -> None:
        """Answer every line."""
        *lines, self._rest = (self._rest + data).split(b"\r\n")
        hello = b"250-sink.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n"
        self._transport.write(
            b"".join(
                hello if line[:4].upper() == b"EHLO" else b"250 2.0.0 ok\r\n" for line in lines
            )
        )


class Asker:
    """One connection that asks group after group and compares."""

    def __init__(
        self, port: int, lists: Lists, chance: random.Random, counts: Counter[str]
    ) -> None:
        self._port, self._lists, self._chance, self._counts = port, lists, chance, counts
        self._wrong: list[str] = []

    async def run(self, decisions: int) -> list[str]:
        """Ask until so many are decided; what was wrong, in words."""
        done = 0
        while done < decisions:
            stream = self._chance.choice(STREAMS)
            with suppress(OSError, EOFError, ValueError):
                reader, writer = await asyncio.open_connection(LOOPBACK, self._port)
                try:
                    await self._sign_in(reader, writer, stream)
                    for _ in range(20):
                        done += await self._group(reader, writer, stream)
                        if done >= decisions:
                            break
                finally:
                    writer.close()
                continue
            await asyncio.sleep(0.2)  # the gateway is being started again
        return self._wrong

    async def _sign_in(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, stream: Stream
    ) -> None:
        await _answer(reader)
        login = f"\0{stream.tenant}/{stream.name}\0{PASSWORD}".encode()
        for line in ("EHLO asker.test", f"AUTH PLAIN {base64.b64encode(login).decode()}"):
            writer.write(f"{line}\r\n".encode())
            if (await _answer(reader))[0] != "2":
                raise EOFError

    async def _group(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, stream: Stream
    ) -> int:
        asked = [
            (
                self._chance.randrange(self._lists.people * 6 // 5),
                self._chance.randrange(len(VARIANTS)),
            )
            for _ in range(GROUP)
        ]
        before = [self._lists.verdicts(*one, stream) for one in asked]
        lines = [f"MAIL FROM:<news@{stream.tenant}.test> SMTPUTF8"]
        lines += [f"RCPT TO:<{Person(n).spelt(VARIANTS[v])}>" for n, v in asked]
        writer.write("".join(f"{line}\r\n" for line in [*lines, "RSET"]).encode())
        began = await _answer(reader)
        answers = [await _answer(reader) for _ in asked]
        await _answer(reader)
        if began[0] != "2":
            self._counts[DEFERRED] += GROUP
            return 0
        done = 0
        for (number, variant), right, answer in zip(asked, before, answers, strict=True):
            if answer[0] == "4":
                self._counts[DEFERRED] += 1
                continue
            done += 1
            is_stopped = answer[0] == "5"
            right = right | self._lists.verdicts(number, variant, stream)
            self._counts["refused" if is_stopped else "passed"] += 1
            if is_stopped not in right:
                self._counts[REFUSED if is_stopped else PASSED] += 1
                spelt = Person(number).spelt(VARIANTS[variant])
                entries = self._lists.known[number] + self._lists.late[number]
                given = [
                    (e.reason, e.scope, Person(number).spelt(VARIANTS[e.variant])) for e in entries
                ]
                self._wrong.append(
                    f"{stream.tenant}/{stream.name} {spelt}: {answer}; listed {given}"
                )
        return done


async def _answer(reader: asyncio.StreamReader) -> str:
    """One reply: its code and last line."""
    while True:
        async with asyncio.timeout(PATIENCE):
            line = (await reader.readuntil(b"\r\n")).decode()
        if line[3:4] != "-":
            return line.strip()


async def campaign(
    folder: Path, entries: int, late: int, decisions: int, seed: int
) -> tuple[Counter[str], list[str]]:
    """Run it in `folder`; the counts, and each wrong answer in words."""
    chance = random.Random(seed)
    counts: Counter[str] = Counter()
    loop = asyncio.get_running_loop()
    sink = await loop.create_server(Sink, LOOPBACK, 0)
    certificates = make_certificates(folder / "certificates")
    gateway = House(folder / "house", _settings(sink.sockets[0].getsockname()[1]), certificates)
    lists = Lists(chance, entries, late)
    first, second = folder / "first.csv", folder / "second.csv"
    await asyncio.to_thread(lists.write, lists.known, first)
    await asyncio.to_thread(lists.write, lists.late, second)
    gateway.write()
    await asyncio.to_thread(gateway.start)
    try:
        say(f"importing {entries:,} entries in {len(VARIANTS)} spellings")
        await _import(gateway, first)
        say(f"asking {decisions:,} times")
        askers = [
            Asker(gateway.open, lists, random.Random(seed + n), counts) for n in range(CONNECTIONS)
        ]
        stirring = asyncio.create_task(_stir(gateway, counts))
        importing = asyncio.create_task(_import(gateway, second))
        half = decisions // 2 // CONNECTIONS
        wrong = await asyncio.gather(*(asker.run(half) for asker in askers))
        await importing
        lists.is_complete = True
        say("the second list is in force")
        await asyncio.gather(*(asker.run(decisions // CONNECTIONS - half) for asker in askers))
        stirring.cancel()
        await asyncio.gather(stirring, return_exceptions=True)
    finally:
        await asyncio.to_thread(gateway.stop)
        sink.close()
    return counts, [text for one in wrong for text in one]


async def _import(gateway: House, file: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(COMMAND, "suppress", "import", file, "--reason", "manual", "--scope", "*"),
        *("--config", gateway.config),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    _, words = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"the import ended with {process.returncode}: {words.decode()[-2000:]}")


async def _stir(gateway: House, counts: Counter[str]) -> None:
    """Reload, and kill the SMTP process, in turn."""
    while True:
        await asyncio.sleep(RESTART_EVERY / 2)
        os.kill(gateway.child("smtp"), signal.SIGHUP)
        counts["reloads"] += 1
        await asyncio.sleep(RESTART_EVERY / 2)
        await asyncio.to_thread(gateway.kill)
        counts["kills"] += 1


def _settings(port: int) -> Settings:
    def tenant(name: str) -> dict[str, object]:
        kinds = {
            "weekly": {"kind": "list", "consent_level": 0, "unsubscribe": "own"},
            "orders": {"kind": "transactional", "verified": True, "default": True},
            "bills": {"kind": "transactional"},
            "offers": {"kind": "inquiry", "open": True},
        }
        own = {s.name: kinds[s.name] for s in STREAMS if s.tenant == name}
        own.setdefault(
            "other", {"kind": "transactional"} | ({"default": True} if name == "beta" else {})
        )
        keys = {f"{name}.test": {"dkim": [{"selector": "rsa", "key_file": "keys/rsa.pem"}]}}
        return customer(name, streams=own, domains=keys)

    return Settings(
        port,
        trusted=None,
        gateway={
            "limits": {"batches": 1000},
            "session": {
                "per_address": 1000,
                "refusals_per_hour": 10**9,
                "refusals_per_transaction": 10**6,
                "errors": 10**6,
            },
            "journal": {"max_bytes": 50_000_000, "keep_files": 2},
            "policies": [
                {"tenant-state": "enforce"},
                {"recipients": "enforce"},
                {"suppression": "enforce"},
            ],
        },
        tenants={name: tenant(name) for name in ("acme", "beta")},
    )


def main() -> None:
    """Run and print; exit status 1 when one decision was wrong."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--entries", type=int, default=1_000_000, help="in the list (1,000,000)")
    parser.add_argument("--late", type=int, default=200_000, help="in the second list (200,000)")
    parser.add_argument("--decisions", type=int, default=1_000_000, help="asked for (1,000,000)")
    parser.add_argument("--seed", type=int, default=1, help="of all that is random (1)")
    parser.add_argument("--broken", choices=FAULTS, default="", help="run a broken copy instead")
    parser.add_argument("--json", action="store_true", help="print the counts as JSON")
    options = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="consentry-oracle-") as folder, in_use(options.broken):
        counts, wrong = uvloop.run(
            campaign(Path(folder), options.entries, options.late, options.decisions, options.seed)
        )
    figures = {
        "seconds": round(time.monotonic() - began),
        **dict.fromkeys((PASSED, REFUSED), 0),
        **counts,
    }
    if options.json:
        print(json.dumps(figures, indent=2))
    else:
        print("\n".join(f"{name:28} {count:>12,}" for name, count in figures.items()))
    for text in wrong[:10]:
        say(text)
    if counts[PASSED] or counts[REFUSED]:
        sys.exit("broken: the gateway and the oracle disagree")


if __name__ == "__main__":
    main()

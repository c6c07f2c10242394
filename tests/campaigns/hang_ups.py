"""Ten thousand clients that hang up at random moments: nobody gets another's answer, nothing leaks.

    python -m tests.campaigns.hang_ups          (make hang-ups)

A real `consentry serve` with two workers on Redis and PostgreSQL, the index in use. Every recipient
says in its address what must be answered: `p-7@` is protected, `o-7@` is open, the number is the
client's. Each client sends MAIL and a group of both kinds in random order, mostly in one write, and
hangs up, half of them by a reset: behind any octet it sent, at any reply, or some milliseconds
later; some send whole messages. Meanwhile Redis is made slow, cut off and silent again and again.
Every reply that arrives is compared with what its recipient says, every message at the next hop
with what its client sent. Promised: no answer of another; afterwards no session, no message under
way, no task, descriptor, Redis connection or PostgreSQL session more than before. Exits 1 when one
is broken. `--broken mixed` runs a gateway that gives look-ups which are under way at once one
answer. Takes about two minutes.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import struct
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from socket import SO_LINGER, SOL_SOCKET

import uvloop

from gateway.control import ask
from tests.campaigns.books import Count, broken, show
from tests.campaigns.broken import FAULTS, in_use
from tests.campaigns.customers import compose
from tests.campaigns.fleet import Node
from tests.campaigns.house import settings_for
from tests.campaigns.next_hop import NextHop, make_ports
from tests.campaigns.vitals import say
from tests.e2e.certificates import make_certificates
from tests.e2e.gateway import acme
from tests.e2e.ports import LOOPBACK
from tests.faults.customer import SENDER
from tests.faults.houses import STREAMS
from tests.servers.postgres import PostgresServer
from tests.servers.redis import RedisServer
from tests.servers.wire import Wire

AT_ONCE = 100
NUMBERS = 2_000
"""Protected addresses; a client's number modulo that is its own."""
WARM_UP = 500
PATIENCE = 30.0
MORE = 8
"""So many tasks or descriptors more than before are ordinary swings."""


@dataclass(slots=True)
class Tally:
    """What all clients saw."""

    replies: Counter[str] = field(default_factory=Counter)
    left: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    sent: dict[int, tuple[str, ...]] = field(default_factory=dict)
    """Recipients that each client named."""


class Client:
    """One connection that ends early."""

    def __init__(self, number: int, chance: random.Random, tally: Tally) -> None:
        self.number = number
        self.chance = chance
        self.tally = tally
        own = number % NUMBERS
        kinds = [chance.choice("po") for _ in range(chance.randint(1, 12))]
        self.recipients = tuple(
            f"{kind}-{own}@inbox.test" if kind == "p" else f"{kind}-{number}x{place}@inbox.test"
            for place, kind in enumerate(kinds)
        )
        tally.sent[number] = self.recipients

    async def run(self, port: int) -> None:
        """Connect, send, look at what comes, and leave."""
        chance = self.chance
        reader, writer = await asyncio.open_connection(LOOPBACK, port)
        try:
            async with asyncio.timeout(PATIENCE):
                await self._reply(reader)
                writer.write(b"EHLO client.test\r\n")
                await self._reply(reader)
                lines = [f"MAIL FROM:<{SENDER}>", *(f"RCPT TO:<{one}>" for one in self.recipients)]
                octets = "".join(f"{line}\r\n" for line in lines).encode()
                if chance.random() < 0.2:
                    octets = octets[: chance.randrange(len(octets))]
                    writer.write(octets)
                    return self._leave("behind an octet")
                writer.write(octets)
                if chance.random() < 0.4:
                    await asyncio.sleep(chance.uniform(0, 0.02))
                    return self._leave("soon")
                last = chance.randrange(len(lines)) if chance.random() < 0.5 else len(lines)
                accepted = await self._answers(reader, last)
                if last < len(lines):
                    return self._leave("at a reply")
                if not accepted or chance.random() < 0.3:
                    return self._leave("before DATA")
                writer.write(b"DATA\r\n")
                if (await self._reply(reader))[0] != 354:
                    return self._leave("at a refusal")
                body = b"Good morning, reader\r\n" * chance.randrange(1, 100)
                message = compose(self.number, SENDER, body) + b".\r\n"
                if chance.random() < 0.3:
                    writer.write(message[: chance.randrange(len(message))])
                    return self._leave("in the message")
                writer.write(message)
                if chance.random() < 0.5:
                    return self._leave("at the dot")
                self.tally.replies[f"dot {(await self._reply(reader))[0]}"] += 1
                return self._leave("in peace")
        except (OSError, asyncio.IncompleteReadError):
            return self._leave("cut off")
        except TimeoutError:
            self.tally.wrong.append(f"no reply within {PATIENCE:g} s")
            return None
        finally:
            if chance.random() < 0.5:
                linger = struct.pack("ii", 1, 0)
                with suppress(OSError):
                    writer.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, linger)
                writer.transport.abort()
            writer.close()

    async def _answers(self, reader: asyncio.StreamReader, count: int) -> int:
        """Compare so many replies, to MAIL and then to RCPTs; how many were accepted."""
        accepted = 0
        for place in range(count):
            code, text = await self._reply(reader)
            if code == 421:
                raise ConnectionError
            if place == 0:
                self.tally.replies[f"MAIL {code}"] += 1
                if code != 250:
                    return 0
                continue
            recipient = self.recipients[place - 1]
            kind = recipient[0]
            self.tally.replies[f"RCPT {kind} {code}"] += 1
            is_due = (kind == "o" and code == 250) or (kind == "p" and "[PROTECTED]" in text)
            if not is_due and code // 100 != 4:
                self.tally.wrong.append(f"RCPT of {kind}: {code} {text}")
            accepted += code == 250
        return accepted

    async def _reply(self, reader: asyncio.StreamReader) -> tuple[int, str]:
        text = ""
        while True:
            line = (await reader.readuntil(b"\r\n")).decode("ascii")
            text += line[4:-2]
            if line[3] != "-":
                return int(line[:3]), text

    def _leave(self, where: str) -> None:
        self.tally.left[where] += 1


async def clients(port: int, numbers: range, chance: random.Random, tally: Tally) -> None:
    """So many clients, `AT_ONCE` of them at a time."""
    waiting: Iterator[int] = iter(numbers)

    async def some() -> None:
        for number in waiting:
            if number % 1000 == 0:
                say(f"{number:>7} clients")
            await Client(number, random.Random(f"{chance.random()}"), tally).run(port)

    await asyncio.gather(*(some() for _ in range(AT_ONCE)))


async def trouble(wire: Wire, chance: random.Random) -> None:
    """Have Redis be slow, cut off and silent, again and again."""
    while True:
        await asyncio.sleep(chance.uniform(1, 4))
        await asyncio.to_thread(wire.slow, chance.choice((0.002, 0.02, 0.1, 0.2, 0.7)))
        await asyncio.sleep(chance.uniform(0.5, 1.5))
        await asyncio.to_thread(chance.choice((wire.cut, wire.stall, wire.mend)))
        await asyncio.sleep(chance.uniform(0.1, 0.6))
        await asyncio.to_thread(wire.mend)


async def held(
    node: Node, hop: NextHop, redis: RedisServer, postgres: PostgresServer, name: str
) -> Counter[str]:
    """What the gateway and its servers hold, once nothing is under way any more. Descriptors are
    those beside the connections to the next hop, of which some are kept for the next message."""
    state = node.folder / "state"
    found: Counter[str] = Counter()
    for socket, process in (("control.sock", "smtp"), ("smtp-2.sock", "smtp-2")):

        async def status(path: Path = state / socket) -> dict[str, int]:
            told = await ask(path, "status")
            assert isinstance(told, dict)
            return told

        for _ in range(300):
            told = await status()
            if not told["sessions"] and not told["in_progress"]:
                break
            await asyncio.sleep(0.1)
        found["sessions"] += told["sessions"]
        found["messages under way"] += told["in_progress"]
        found["tasks"] += told["tasks"]
        found["descriptors"] += len(os.listdir(f"/proc/{node.processes()[process]}/fd"))
    found["descriptors"] -= hop.open
    with redis.client() as client:
        found["Redis connections"] = len(client.client_list())
    found["PostgreSQL sessions"] = postgres.sessions(name)
    return found


async def campaign(
    folder: Path, count: int, redis: RedisServer, postgres: PostgresServer, chance: random.Random
) -> list[Count]:
    """Run it in `folder`; the counts."""
    certificates = make_certificates(folder / "certificates")
    hop = NextHop(lambda _phase: None, certificates, make_ports(2))
    settings = settings_for(hop.ports, certificates, PATIENCE, {"acme": acme(streams=STREAMS)})
    database = postgres.fresh()
    tally = Tally()
    with Wire(redis.port) as wire:
        sections = {
            "node": "node1",
            "workers": 2,
            "redis": redis.settings(servers=[f"{LOOPBACK}:{wire.port}"]),
            "postgresql": postgres.settings(database),
        }
        node = Node(folder / "node", settings, certificates, sections, postgres, is_balanced=False)
        await hop.start()
        node.write()
        node.start()
        try:
            await asyncio.to_thread(protect, node)
            # Everything that is opened once is open after these.
            await clients(node.open, range(WARM_UP), chance, tally)
            before = await held(node, hop, redis, postgres, database)
            troubling = asyncio.create_task(trouble(wire, chance))
            await clients(node.open, range(WARM_UP, WARM_UP + count), chance, tally)
            troubling.cancel()
            await asyncio.gather(troubling, return_exceptions=True)
            await asyncio.to_thread(wire.mend)
            # One more of the kind that was there before, so that both are alike.
            await clients(node.open, range(WARM_UP + count, 2 * WARM_UP + count), chance, tally)
            after = await held(node, hop, redis, postgres, database)
        finally:
            await asyncio.to_thread(node.stop)
            await hop.stop()
    return counts(tally, hop, before, after)


def protect(node: Node) -> None:
    """Have the protected addresses be so."""
    file = node.folder / "protected.csv"
    file.write_text("address\n" + "".join(f"p-{n}@inbox.test\n" for n in range(NUMBERS)))
    node.run("suppress", "import", str(file), "--reason", "protected", "--scope", "*")


def counts(tally: Tally, hop: NextHop, before: Counter[str], after: Counter[str]) -> list[Count]:
    """The table."""
    strays = mailed = 0
    for copy in hop.copies:
        mailed += any(one.startswith("p-") for one in copy.recipients)
        strays += not set(copy.recipients) <= set(tally.sent.get(copy.number, ()))
    return [
        Count("clients", len(tally.sent)),
        *(Count(f"left {where}", times) for where, times in sorted(tally.left.items())),
        *(Count(f"answers {what}", times) for what, times in sorted(tally.replies.items())),
        Count("copies at the next hop", len(hop.copies)),
        Count("wrong answers", len(tally.wrong), True),
        *(
            Count(f"  {text[:70]}", tally.wrong.count(text))
            for text in sorted(set(tally.wrong))[:5]
        ),
        Count("protected mailed", mailed, True),
        Count("copies of another's message", strays, True),
        *leaks(before, after),
    ]


def leaks(before: Counter[str], after: Counter[str]) -> Iterator[Count]:
    """What there is more of than before."""
    for what in before:
        yield Count(f"{what} before", before[what])
        yield Count(f"{what} after", after[what])
        allowed = MORE if what in ("tasks", "descriptors") else 0
        yield Count(f"{what} leaked", max(0, after[what] - before[what] - allowed), True)


def main() -> None:
    """Run the campaign and print its counts."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clients", type=int, default=10_000, help="that hang up (10,000)")
    parser.add_argument("--seed", type=int, default=1, help="of all that is random (1)")
    parser.add_argument("--json", action="store_true", help="print the counts as JSON")
    parser.add_argument("--broken", choices=FAULTS, default="", help="take this safety out first")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="consentry-hang-ups-") as folder,
        in_use(options.broken),
        RedisServer() as redis,
        PostgresServer() as postgres,
    ):
        chance = random.Random(options.seed)
        found = uvloop.run(campaign(Path(folder), options.clients, redis, postgres, chance))
    show(found, options.json)
    if names := broken(found):
        sys.exit(f"broken: {', '.join(names)}")


if __name__ == "__main__":
    main()

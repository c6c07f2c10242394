"""Two nodes behind HAProxy while a worker, a node, Redis and its primary are killed in turn.

    python -m tests.campaigns.cluster          (make cluster)

Two real `consentry serve` with two workers each, one PostgreSQL, a Redis primary with a replica and
three Sentinels, HAProxy as deploy/haproxy shows it, and a next hop that logs when each transaction
begins and ends. One tenant that may have one open transaction sends from fifty connections; for
each kill another tenant is half way through its daily octets and goes on beyond them, and messages
of both wait for the next hop's answer to their dot. Counted:
transactions of a tenant at the next hop that were open at once, octets beyond a limit, and what
`make faults` counts. Promised: none at once; never more than one message beyond a limit, and after
Redis lost what it held one second of that tenant's traffic; lost 0, doubles without a flag 0.
Prints one table; exits 1 when a promise is broken. Takes about two minutes.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count, pairwise
from pathlib import Path
from typing import NamedTuple

import uvloop

from tests.campaigns.books import Count, broken, reckon, show, what_happened
from tests.campaigns.broken import FAULTS, in_use
from tests.campaigns.customers import Crowd, Habits, Mail, compose
from tests.campaigns.fleet import Fleet
from tests.campaigns.hammering import a_little_slow, mails_without_end
from tests.campaigns.house import Kill, settings_for
from tests.campaigns.next_hop import NextHop, Turn, make_ports, overlaps
from tests.e2e.certificates import make_certificates
from tests.e2e.gateway import acme, customer
from tests.faults.houses import STREAMS
from tests.faults.waiting import eventually
from tests.servers.postgres import PostgresServer
from tests.servers.redis import RedisSet

CONNECTIONS = 50
GUESTS = 8
"""Connections of each tenant that meets its limit of octets."""
LETTER = 20_000
"""Octets of its messages, before the gateway stamps them."""
LETTERS = 300
"""So many of them make its limit."""
OPEN_AT_ONCE = 6
BEYOND = 12
"""It goes on until it was refused so often."""
HELD = 4
"""Messages of such a tenant that wait for their answer when the kill comes."""
PATIENCE = 30.0
"""Seconds that the gateway waits for a next hop: what is unknown here is so by a kill."""
FIRST_GUEST = 10_000_000
"""The number of its first mail; the hammering tenant counts from 0."""


class Guest(NamedTuple):
    """A tenant that met its limit during a kill, and whether that took Redis's memory away."""

    name: str
    kill: str
    forgets: bool


@dataclass(slots=True)
class Scene:
    """What the kills act on, and what they leave behind."""

    fleet: Fleet
    redis: RedisSet
    chance: random.Random
    kills: list[Kill]

    async def worker(self) -> None:
        """One of the four workers ends with SIGKILL."""
        node = self.chance.choice(self.fleet.nodes)
        name = self.chance.choice(("smtp", "smtp-2"))
        self.kills.append(await asyncio.to_thread(node.kill_worker, name))

    async def node(self) -> None:
        """All processes of one node end at once; it is started again two seconds later."""
        node = self.chance.choice(self.fleet.nodes)
        self.kills.append(await asyncio.to_thread(node.die))
        await asyncio.sleep(2)
        await asyncio.to_thread(node.start)

    async def redis_itself(self) -> None:
        """Primary and replica end at once and come back empty."""
        for one in self.redis.servers:
            one.kill()
        await asyncio.sleep(0.5)
        for one in self.redis.servers:
            one.start()

    async def primary(self) -> None:
        """The primary ends; its replica takes over, and it comes back as the replica."""
        before = self.redis.primary
        before.kill()
        await asyncio.to_thread(self.redis.wait_for_another, before)
        before.start()


KILLS: Sequence[tuple[str, Callable[[Scene], Awaitable[None]], bool]] = (
    ("worker", Scene.worker, False),
    ("node", Scene.node, False),
    ("redis", Scene.redis_itself, True),
    ("primary", Scene.primary, True),
)


def main() -> None:
    """Run the campaign and print its counts."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=2, help="of the four kills (2)")
    parser.add_argument(
        "--seconds", type=float, default=60, help="the tenant hammers at least so long (60)"
    )
    parser.add_argument("--seed", type=int, default=1, help="of all that is random (1)")
    parser.add_argument("--json", action="store_true", help="print the counts as JSON")
    parser.add_argument("--broken", choices=FAULTS, default="", help="take this safety out first")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="consentry-cluster-") as folder,
        in_use(options.broken),
        # Servers end with the thread that starts them: it must be the main one.
        RedisSet() as redis,
        PostgresServer() as postgres,
    ):
        chance = random.Random(options.seed)
        counts = uvloop.run(
            campaign(Path(folder), redis, postgres, options.rounds, options.seconds, chance)
        )
    show(counts, options.json)
    if names := broken(counts):
        sys.exit(f"broken: {', '.join(names)}")


async def campaign(
    folder: Path,
    redis: RedisSet,
    postgres: PostgresServer,
    rounds: int,
    seconds: float,
    chance: random.Random,
) -> list[Count]:
    """Run it in `folder`; the counts."""
    certificates = make_certificates(folder / "certificates")
    hop = NextHop(a_little_slow(random.Random(chance.random()), 0.3), certificates, make_ports(2))
    guests = [
        Guest(f"guest{number}", name, forgets)
        for number, (name, _, forgets) in enumerate(KILLS * rounds)
    ]
    tenants = {
        "acme": acme(streams=STREAMS, limits={"batches": 1, "bytes_per_day": 10**13}),
        **{
            guest.name: customer(
                guest.name, limits={"batches": OPEN_AT_ONCE, "bytes_per_day": LETTER * LETTERS}
            )
            for guest in guests
        },
    }
    settings = settings_for(hop.ports, certificates, PATIENCE, tenants)
    fleet = Fleet(folder, settings, certificates, redis=redis, postgres=postgres)
    scene = Scene(fleet, redis, chance, [])
    await hop.start()
    try:
        await asyncio.to_thread(fleet.__enter__)
        began = time.monotonic()
        crowd = Crowd(
            fleet.doors,
            certificates,
            mails_without_end(random.Random(chance.random()), lists=0.3, lines=100, tries=1000),
            Habits(customers=CONNECTIONS, hang_ups=0.02),
            chance.randrange(1000),
        )
        hammering = asyncio.ensure_future(crowd.run())
        crowds = [crowd]
        for number, guest in enumerate(guests):
            visiting = Crowd(
                fleet.doors,
                certificates,
                letters(guest.name, FIRST_GUEST * (number + 1)),
                Habits(customers=GUESTS, hang_ups=0.03),
                chance.randrange(1000),
                login=guest.name,
            )
            crowds.append(visiting)
            await visit(visiting, hop, guest, lambda n=number: KILLS[n % len(KILLS)][1](scene))
            await asyncio.to_thread(redis.wait_until_whole)
        await asyncio.sleep(max(0.0, seconds - (time.monotonic() - began)))
        crowd.end()
        await hammering
        took = time.monotonic() - began
        await asyncio.to_thread(eventually, lambda: not any(fleet.in_progress()), 60)
    finally:
        await asyncio.to_thread(fleet.__exit__, None, None, None)
        await hop.stop()
    mails = [mail for one in crowds for mail in one.over]
    counts = await asyncio.to_thread(reckon, mails, hop, fleet, scene.kills)
    return [
        Count("seconds", round(took, 1)),
        *what_happened(crowd, hop),
        *counts,
        *at_once(hop.turns, guests),
        *beyond(hop, guests),
    ]


def letters(tenant: str, first: int) -> Iterator[Mail]:
    """Mails of one size, without end; who is refused comes back a few times."""
    sender = f"news@{tenant}.test"
    body = b"Good morning, reader\r\n" * (LETTER // 22)
    for number in count(first):
        octets = compose(number, sender, body)
        recipients = (f"r{number}@inbox.test",)
        yield Mail(number, sender, recipients, octets, tries=15, stream=f"{tenant}/mail")


async def visit(
    crowd: Crowd, hop: NextHop, guest: Guest, kill: Callable[[], Awaitable[None]]
) -> None:
    """Have a guest send beyond its limit, with the kill half way."""
    visiting = asyncio.ensure_future(crowd.run())
    await until(lambda: taken(hop, guest.name) > LETTER * LETTERS / 2)
    due = hop.held + 1 + HELD
    hop.to_hold.update({"acme.test": 1, f"{guest.name}.test": HELD})
    await until(lambda: hop.held >= due)
    print(f"{len(hop.copies):>7} copies; {guest.kill}", file=sys.stderr)
    await kill()
    await until(lambda: sum(not mail.told for mail in crowd.over) >= BEYOND)
    crowd.end()
    await visiting


async def until(condition: Callable[[], bool]) -> None:
    """Return once it holds; fails after two minutes."""
    await asyncio.to_thread(eventually, condition, 120)


def taken(hop: NextHop, tenant: str) -> int:
    """Octets of a guest at the next hop."""
    end = f"@{tenant}.test"
    return sum(copy.octets for copy in hop.copies if copy.sender.endswith(end))


def at_once(turns: Sequence[Turn], guests: Sequence[Guest]) -> list[Count]:
    """Transactions that were open at once, of the hammering tenant and of the guests."""
    acme = [turn for turn in turns if turn.domain == "acme.test"]
    others = [turn for turn in turns if turn.domain != "acme.test"]
    longest = max(after.began - before.ended for before, after in pairwise(acme))
    over = overlaps(others, OPEN_AT_ONCE)
    return [
        Count("transactions of the hammering tenant", len(acme)),
        Count("its longest pause, seconds", round(longest, 2)),
        Count("two of it open at once", len(overlaps(acme)), True),
        Count(f"more than {OPEN_AT_ONCE} of a guest open at once", len(over), True),
        Count("guests", len(guests)),
    ]


def beyond(hop: NextHop, guests: Sequence[Guest]) -> list[Count]:
    """How far the guests got beyond their limits."""
    limit = LETTER * LETTERS
    most: Counter[str] = Counter()
    passed = unreached = 0
    for guest in guests:
        copies = [one for one in hop.copies if one.sender.endswith(f"@{guest.name}.test")]
        used = sum(copy.octets for copy in copies)
        largest = max(copy.octets for copy in copies)
        second = max(
            sum(other.octets for other in copies if one.at <= other.at <= one.at + 1)
            for one in copies
        )
        excess = used - limit
        kind = "after a loss" if guest.forgets else "otherwise"
        most[kind] = max(most[kind], excess)
        passed += excess > (largest + second if guest.forgets else largest)
        unreached += used < limit / 2
    return [
        Count("limit of a guest, octets", limit),
        Count("most beyond it, otherwise", most["otherwise"]),
        Count("most beyond it, after a loss", most["after a loss"]),
        Count("guests too far beyond", passed, True),
        Count("guests who did not come half way", unreached, True),
    ]


if __name__ == "__main__":
    main()

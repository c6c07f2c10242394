"""10,000 opt-outs while the Redis primary fails over and nodes die: none confirmed is missing.

    python -m tests.campaigns.opt_outs_cluster          (make opt-outs-cluster)

Two real `consentry serve` with two workers each on one PostgreSQL and a Redis with Sentinels,
behind HAProxy as deploy/haproxy shows it. The POSTs of RFC 8058 go to the balancer's web front end,
each for a recipient of its own; whoever gets no 200 tries again. Meanwhile, in turn, the Redis
primary is killed, a node with all its processes, and the primary is failed over in good order. One
answer in twenty is followed by a RCPT on both nodes: a second after the 200 nobody may be accepted.
At the end every recipient whose 200 was seen is asked for on both nodes. Exits 1 when one is not
refused with [UNSUB]. Takes ten minutes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import ssl
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

from tests.campaigns.broken import FAULTS, in_use
from tests.campaigns.fleet import Fleet
from tests.campaigns.opt_outs import Clicks, clicking
from tests.campaigns.stage import Sink
from tests.campaigns.vitals import say
from tests.e2e.certificates import HOST, make_certificates
from tests.e2e.gateway import Settings, acme
from tests.servers.postgres import PostgresServer
from tests.servers.redis import RedisSet

AT_ONCE = 32
GRACE = 1.0
"""Seconds until an opt-out is in force on every node."""


async def hurting(
    fleet: Fleet,
    redis: RedisSet,
    chance: random.Random,
    counts: Counter[str],
    is_over: asyncio.Event,
) -> None:
    """Fail over and kill in turn, until it is over."""
    while True:
        for hurt in ("primary killed", "node killed", "primary failed over"):
            with suppress(TimeoutError):
                await asyncio.wait_for(is_over.wait(), chance.uniform(5, 15))
                return
            say(hurt)
            counts[hurt] += 1
            if hurt == "primary killed":
                before = redis.primary
                before.kill()
                await asyncio.to_thread(redis.wait_for_another, before)
                before.start()
            elif hurt == "node killed":
                node = chance.choice(fleet.nodes)
                await asyncio.to_thread(node.die)
                await asyncio.sleep(1)
                await asyncio.to_thread(node.start)
            else:
                await asyncio.to_thread(redis.wait_until_whole)
                await asyncio.to_thread(redis.failover)
            await asyncio.to_thread(redis.wait_until_whole)


async def campaign(
    fleet: Fleet, redis: RedisSet, posts: int, rate: float, chance: random.Random
) -> dict[str, float]:
    """The figures."""
    clicks = Clicks(
        fleet.nodes[0],
        base=f"https://{HOST}:{fleet.balancer.web}",
        doors=[node.open for node in fleet.nodes],
        grace=GRACE,
    )
    tls = ssl.create_default_context(cafile=fleet.nodes[0].certificates.authority)
    is_over = asyncio.Event()
    began = time.monotonic()
    async with asyncio.TaskGroup() as both:
        both.create_task(hurting(fleet, redis, chance, clicks.counts, is_over))
        await clicking(clicks, iter(range(posts)), AT_ONCE / rate, tls, AT_ONCE)
        is_over.set()
    took = time.monotonic() - began
    say("asking for everybody on every node")
    lost = await asyncio.to_thread(clicks.missing)
    return {
        "seconds": round(took, 1),
        "confirmed": len(clicks.confirmed),
        **dict(sorted(clicks.counts.items())),
        "MISSING": len(lost),
    }


def main() -> None:
    """Run and print; exit status 1 when a promise is broken."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--posts", type=int, default=10_000, help="opt-outs (10,000)")
    parser.add_argument("--rate", type=float, default=60, help="a second at most (60)")
    parser.add_argument("--seed", type=int, default=1, help="of the times (1)")
    parser.add_argument("--broken", choices=FAULTS, default="", help="run a broken copy instead")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="consentry-opt-outs-") as name,
        in_use(options.broken),
        RedisSet() as redis,
        PostgresServer() as postgres,
        Sink() as sink,
    ):
        folder = Path(name)
        settings = Settings(
            sink.port,
            trusted=None,
            gateway={
                "limits": {"batches": 100},
                "session": {
                    "per_address": 1000,
                    "refusals_per_hour": 10**9,
                    "refusals_per_transaction": 10**6,
                    "errors": 10**6,
                },
            },
            tenants={"acme": acme()},
        )
        certificates = make_certificates(folder / "certificates")
        with Fleet(folder, settings, certificates, redis=redis, postgres=postgres) as fleet:
            figures = asyncio.run(
                campaign(fleet, redis, options.posts, options.rate, random.Random(options.seed))
            )
    if options.json:
        print(json.dumps(figures, indent=2))
    else:
        print("\n".join(f"{what:28} {figure:>12,}" for what, figure in figures.items()))
    if names := [what for what in ("MISSING", "NOT IN FORCE at once") if figures.get(what)]:
        sys.exit(f"broken: {', '.join(names)}")


if __name__ == "__main__":
    main()

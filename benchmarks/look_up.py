"""How long the RCPT look-up takes for a group of a hundred recipients in a million entries.

The gateway's own look-up, called in this process on the measured core. One recipient in ten is in
the records, and must be found. All others are new to every cache but the operating system's.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import time

from benchmarks import records
from benchmarks.processes import MEASURED, on_core
from gateway.records.standings import SqliteStandings
from gateway.words import StreamKind
from policies.terms import Limits, StreamTerms
from suppression.keys import Keyring

GROUP = 100
GROUPS = 500


def milliseconds() -> tuple[float, float]:
    """Median and 99th percentile of one look-up. RuntimeError when entries are not found."""
    folder = records.prepared()
    keyring = Keyring.load(folder / records.KEYRING)
    standings = SqliteStandings(folder / records.DATABASE, keyring)
    with on_core(MEASURED):
        taken = asyncio.run(_look_up(standings))
    standings.close()
    return statistics.median(taken) * 1000, statistics.quantiles(taken, n=100)[98] * 1000


async def _look_up(standings: SqliteStandings) -> list[float]:
    stream = StreamTerms("customer2", "news", 1, StreamKind.LIST, Limits(), consent_level=1)
    chance = random.Random(1)
    taken = []
    for _ in range(GROUPS):
        # Entries with odd numbers are in force for everybody.
        numbers = [chance.randrange(records.ENTRIES // 2) * 2 + 1 for _ in range(GROUP)]
        group = [
            records.mailable(number) if place % 10 else records.suppressed(number)
            for place, number in enumerate(numbers)
        ]
        began = time.perf_counter()
        found = await standings.look_up(stream, group)
        taken.append(time.perf_counter() - began)
        if [bool(standing.matches) for standing in found] != [not n % 10 for n in range(GROUP)]:
            raise RuntimeError(
                f"entries are not found as stored: remove {records.prepared()} to make them anew"
            )
    return taken

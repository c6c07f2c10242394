"""How long the RCPT look-up takes for a group of a hundred recipients in a million entries.

The gateway's own look-up, called in this process on the measured core. One recipient in ten is in
the records, and must be found. All others are new to every cache but the operating system's.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from benchmarks import records
from benchmarks.processes import MEASURED, on_core
from gateway.records.standings import SqliteStandings
from gateway.words import Address, StreamKind
from policies.terms import Limits, StreamTerms
from suppression.keys import Keyring

GROUP = 100
GROUPS = 500


def milliseconds(folder: Path | None = None, entries: int = records.ENTRIES) -> tuple[float, float]:
    """Median and 99th percentile of one look-up. RuntimeError when entries are not found.

    `folder` holds records made by `benchmarks.records`, or as those.
    """
    folder = folder or records.prepared()
    keyring = Keyring.load(folder / records.KEYRING)
    standings = SqliteStandings(folder / records.DATABASE, keyring)
    with on_core(MEASURED):
        taken = asyncio.run(_look_up(standings, entries))
    standings.close()
    return statistics.median(taken) * 1000, statistics.quantiles(taken, n=100)[98] * 1000


def groups(entries: int) -> Iterator[list[Address]]:
    """The groups that are looked up; the first of every ten recipients is in the records."""
    chance = random.Random(1)
    for _ in range(GROUPS):
        # Entries with odd numbers are in force for everybody.
        numbers = [chance.randrange(entries // 2) * 2 + 1 for _ in range(GROUP)]
        yield [
            records.mailable(number) if place % 10 else records.suppressed(number)
            for place, number in enumerate(numbers)
        ]


def check(found: Iterable[bool]) -> None:
    """RuntimeError unless just those of a group were found that are in the records."""
    if list(found) != [not place % 10 for place in range(GROUP)]:
        raise RuntimeError("entries are not found as stored: `make clean` to have them made anew")


async def _look_up(standings: SqliteStandings, entries: int) -> list[float]:
    stream = StreamTerms("customer2", "news", 1, StreamKind.LIST, Limits(), consent_level=1)
    taken = []
    for group in groups(entries):
        began = time.perf_counter()
        found = await standings.look_up(stream, group)
        taken.append(time.perf_counter() - began)
        check(bool(standing.matches) for standing in found)
    return taken

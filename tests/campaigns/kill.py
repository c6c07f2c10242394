"""`kill -9` of the SMTP process at random moments under load, and what is true afterwards.

One real `consentry serve` with months of history: journal files of 10,000,000 events, and a
database with suppressions, ledger and byte windows. Twenty-four customers send without a break
while the process is killed fifty times; the supervisor starts it again. Counted: what `make faults`
counts, the seconds from each kill to the next greeting, and for each kill the octets that the next
hop has but the window's last checkpoint had not. Those must be what the next hop took in the last
second, and `consentry status` must agree with the rest to the octet. Prints one table; exits 1 when
a promise is broken. Takes about fifteen minutes and 11 GB of disk.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import uvloop

from gateway.supervisor import SETTLED_AFTER
from tests.campaigns.books import Count, broken, reckon, show
from tests.campaigns.broken import in_use
from tests.campaigns.customers import Crowd, Habits
from tests.campaigns.hammering import a_little_slow, mails_without_end
from tests.campaigns.history import fill_records, write_journal
from tests.campaigns.house import House, Kill, house
from tests.campaigns.next_hop import Copy, NextHop, make_ports
from tests.e2e.certificates import make_certificates
from tests.faults.waiting import eventually

HABITS = Habits(customers=24, hang_ups=0.02, pause=0.05)
START_SECONDS = 5.0
LAST_SECOND = 1.25
"""A checkpoint each second, and a quarter for writing it."""
PATIENCE = 30.0
"""Seconds that the gateway waits for a next hop: what is unknown here is so by a kill."""


class Window(NamedTuple):
    """What a kill cost a byte window: octets `missing` from it, and how many seconds before the
    kill the next hop took the oldest of as many (`age`)."""

    missing: int
    age: float


def main() -> None:
    """Run the campaign and print its counts."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=50, help="how often (50)")
    parser.add_argument(
        "--gap",
        type=float,
        default=SETTLED_AFTER + 0.5,
        help="least seconds between two kills; up to 3 s more by chance (10.5: in less, the "
        "supervisor takes the process for one that cannot start, and waits longer each time)",
    )
    parser.add_argument(
        "--history", type=int, default=10_000_000, help="events in the journal (10,000,000)"
    )
    parser.add_argument("--seed", type=int, default=1, help="of all that is random (1)")
    parser.add_argument("--json", action="store_true", help="print the counts as JSON")
    parser.add_argument(
        "--broken", choices=["intents"], default="", help="take this safety out first"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="consentry-kill-") as folder, in_use(options.broken):
        counts = uvloop.run(
            campaign(
                Path(folder),
                options.kills,
                options.gap,
                options.history,
                random.Random(options.seed),
            )
        )
    show(counts, options.json)
    if names := broken(counts):
        sys.exit(f"broken: {', '.join(names)}")


async def campaign(
    folder: Path, times: int, gap: float, history: int, chance: random.Random
) -> list[Count]:
    """Run it in `folder`; the counts."""
    certificates = make_certificates(folder / "certificates")
    hop = NextHop(a_little_slow(random.Random(chance.random()), 0.05), certificates, make_ports(2))
    await hop.start()
    gateway = house(folder, hop.ports, certificates, PATIENCE)
    gateway.write()
    print(f"writing {history:,} events of history", file=sys.stderr)
    octets = await asyncio.to_thread(write_journal, folder / "state/journal", history)
    await asyncio.to_thread(fill_records, gateway)
    await asyncio.to_thread(gateway.start)
    before = gateway.window()
    began = time.monotonic()
    try:
        mails = mails_without_end(random.Random(chance.random()), lists=0.4, lines=200, tries=400)
        crowd = Crowd(gateway.doors, certificates, mails, HABITS, chance.randrange(1000))
        sending = asyncio.ensure_future(crowd.run())
        kills, windows = await killing(gateway, hop, before, times, gap, chance)
        crowd.end()
        await sending
        took = time.monotonic() - began
        await asyncio.to_thread(eventually, lambda: not gateway.status["in_progress"], 60)
        counted = await asyncio.to_thread(lambda: gateway.octets)
    finally:
        await asyncio.to_thread(gateway.stop)
        await hop.stop()
    expected = before + total(hop.copies) - sum(window.missing for window in windows)
    counts = await asyncio.to_thread(reckon, crowd.over, hop, gateway, kills)
    return [
        Count("seconds", round(took, 1)),
        Count("events of history", history),
        Count("GB of history", round(octets / 1e9, 1)),
        *counts,
        *start_ups([kill.seconds for kill in kills]),
        Count("octets at the next hop", total(hop.copies)),
        *costs(windows),
        Count("octets by which status is off at the end", abs(counted - expected), True),
    ]


def start_ups(seconds: Sequence[float]) -> list[Count]:
    """From the kills to the next greetings."""
    slow = sum(one >= START_SECONDS for one in seconds)
    return [
        Count("start-up, median seconds", round(statistics.median(seconds), 2)),
        Count("start-up, longest", round(max(seconds), 2)),
        Count(f"start-ups of {START_SECONDS:g} s or more", slow, True),
    ]


def costs(windows: Sequence[Window]) -> list[Count]:
    """What the kills cost the byte window."""
    missing = [window.missing for window in windows]
    ages = [window.age for window in windows]
    return [
        Count("octets missing after a kill, median", statistics.median_low(missing)),
        Count("octets missing after a kill, most", max(missing)),
        Count("oldest of them, seconds, median", round(statistics.median(ages), 3)),
        Count("oldest of them, seconds, most", max(ages)),
        Count(
            "kills that cost more than the last second", sum(a > LAST_SECOND for a in ages), True
        ),
        Count("windows with more than was sent", sum(octets < 0 for octets in missing), True),
    ]


async def killing(
    gateway: House,
    hop: NextHop,
    before: int,
    times: int,
    gap: float,
    chance: random.Random,
) -> tuple[list[Kill], list[Window]]:
    """Kill it so many times; what came of each. `before` is what the window began with."""
    kills: list[Kill] = []
    windows: list[Window] = []
    taken: list[Copy] = []

    def when_dead() -> None:
        eventually(lambda: hop.open == 0)  # what is still on its way to the next hop arrives
        taken[:] = hop.copies

    for number in range(times):
        await asyncio.sleep(gap + chance.uniform(0, 3))
        kill = await asyncio.to_thread(gateway.kill, when_dead)
        due = before + total(taken) - sum(window.missing for window in windows)
        missing = due - kill.octets
        windows.append(Window(missing, age_of(missing, taken, kill.at)))
        kills.append(kill)
        print(
            f"kill {number + 1}: back after {kill.seconds:.2f} s, {missing:,} octets missing, "
            f"the oldest {windows[-1].age:.2f} s old",
            file=sys.stderr,
        )
    return kills, windows


def age_of(missing: int, taken: Sequence[Copy], at: float) -> float:
    """How long before `at` the next hop took the oldest of its last copies that make `missing`."""
    oldest = at
    for copy in reversed(taken):
        if missing <= 0:
            break
        missing -= copy.octets
        oldest = copy.at
    return round(max(0.0, at - oldest), 3)


def total(copies: Sequence[Copy]) -> int:
    """Octets of these copies."""
    return sum(copy.octets for copy in copies)


if __name__ == "__main__":
    main()

"""500 slow clients of five kinds: ordinary customers do not notice, the slow ones are dismissed.

    python -m tests.campaigns.load_slow          (part of make load)

Twenty customers send at a steady rate; their p99 (MAIL to the reply to the dot) is taken while
nobody else is there, then with all slow clients connected, then without them again, for several
rounds. Promise: the median of the rounds with slow clients is at most twice that of the quiet
ones. In the last round the slow ones stay until each has been dismissed by its deadline: 30 s for
half a handshake and for silence or an unfinished command (`idle_seconds` is set to that here),
60 s for a message below its least speed and for replies that nobody reads. Exit status 1 when
a promise is broken.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from dataclasses import dataclass, field

from tests.campaigns.slow import COMMAND, DATA, DEAF, HANDSHAKE, KINDS, SILENT, Plan, SlowClients
from tests.campaigns.stage import NAMES, Stage, tenant
from tests.campaigns.traffic import Traffic
from tests.campaigns.vitals import percentile, say

SLOW = "slow"
IDLE = 30
DEADLINES = {COMMAND: IDLE, SILENT: IDLE, HANDSHAKE: 30, DATA: 60, DEAF: 60}
"""Seconds."""
SWEEPS = 5.0
"""Seconds that may pass between a deadline and the goodbye: sweeps, and a slow client's look."""
FACTOR = 2.0


@dataclass(slots=True)
class Figures:
    """Milliseconds, by round; the quiet ones lie around the others."""

    quiet: list[float] = field(default_factory=list)
    slow: list[float] = field(default_factory=list)
    sent: int = 0
    unexpected: dict[str, int] = field(default_factory=dict)
    dismissed: dict[str, list[float]] = field(default_factory=dict)
    """Seconds, first and last of each kind, and how many."""

    def broken(self, each: int) -> list[str]:
        """Every promise that did not hold."""
        found = [f"{count} x {what}" for what, count in self.unexpected.items()]
        quiet, slow = statistics.median(self.quiet), statistics.median(self.slow)
        if slow > FACTOR * quiet:
            found.append(f"p99 {slow:.1f} ms against {quiet:.1f} ms quiet")
        for kind in KINDS:
            taken = self.dismissed.get(kind, [])
            if len(taken) != each or max(taken) > DEADLINES[kind] + SWEEPS:
                found.append(f"{kind}: {len(taken)} of {each} dismissed, {max(taken, default=0)} s")
        return found


def main() -> None:
    """Run and print; exit status 1 when a promise is broken."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rate", type=float, default=300.0, help="messages a second of the twenty")
    parser.add_argument("--each", type=int, default=100, help="slow clients of each kind")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=8.0, help="length of one measurement")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args()
    figures = run(options.rate, options.each, options.rounds, options.seconds)
    broken = figures.broken(options.each)
    if options.json:
        print(
            json.dumps(
                {
                    "quiet": figures.quiet,
                    "slow": figures.slow,
                    "sent": figures.sent,
                    "dismissed": figures.dismissed,
                    "broken": broken,
                }
            )
        )
    else:
        print(table(figures, options.each))
    if broken:
        sys.exit("broken: " + "; ".join(broken))


def run(rate: float, each: int, rounds: int, seconds: float) -> Figures:
    """All rounds."""
    figures = Figures()
    gateway = {"session": {"per_address": 10 * each + 100, "idle_seconds": IDLE}}
    with Stage(gateway, {SLOW: tenant(SLOW, batches=2 * each)}, goes_first=True) as stage:
        plan = Plan(stage.house.open, stage.house.submissions, SLOW, each)
        with Traffic(stage.plan(rate)) as traffic:

            def measure(what: str) -> float:
                time.sleep(1.0)
                traffic.report()
                time.sleep(seconds)
                report = traffic.report()
                figures.sent += report.taken
                p99 = percentile(report.latencies, 99) * 1000
                say(f"{what}: p99 {p99:.1f} ms of {report.taken} messages")
                return p99

            measure("warm-up")
            for number in range(rounds):
                figures.quiet.append(measure("quiet"))
                with SlowClients(plan) as slow:
                    figures.slow.append(measure(f"{5 * each} slow clients"))
                    if number == rounds - 1:
                        time.sleep(max(DEADLINES.values()) + SWEEPS)
                        figures.dismissed = slow.dismissed()
            figures.quiet.append(measure("quiet"))
        figures.unexpected = dict(traffic.total.unexpected)
    return figures


def table(figures: Figures, each: int) -> str:
    """The figures for people."""
    quiet, slow = statistics.median(figures.quiet), statistics.median(figures.slow)
    rows = [
        f"{len(NAMES)} customers, {figures.sent:,} messages measured; p99 in ms, MAIL to 250",
        "",
        f"  quiet            {'  '.join(f'{one:6.1f}' for one in figures.quiet)}"
        f"  median {quiet:6.1f}",
        f"  {5 * each:3} slow clients {'  '.join(f'{one:6.1f}' for one in figures.slow)}"
        f"          median {slow:6.1f}  ({slow / quiet:.2f} times)",
        "",
        "  dismissed                          of     first      last  deadline",
    ]
    rows += [
        f"  {kind:31} {len(taken):3} {each:4} {min(taken, default=0):8.1f}s "
        f"{max(taken, default=0):8.1f}s {DEADLINES[kind]:8}s"
        for kind, taken in figures.dismissed.items()
    ]
    return "\n".join(rows)


if __name__ == "__main__":
    main()

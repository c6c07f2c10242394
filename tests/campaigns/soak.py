"""Hours at half speed: memory, descriptors and tasks stay flat, nothing fails, no reply is lost.

    python -m tests.campaigns.soak --minutes 60          (make soak)

A real gateway with twenty customers who sign with RSA-2048, list and transactional mail, and
Postfix's smtp-sink as next hop. Full speed is measured first (or `--rate` says what to send), then
half of it is sent, while some customers connect anew with TLS and AUTH for each message, people
look at unsubscribe pages and leave, suppressions are added and imported, the configuration is
reloaded and the journal is rotated. Every `--every` seconds both processes are looked at; in the
end the first quarter after the warm-up is compared with the last. Exit status 1 when it is broken.
`--broken leak` runs a gateway that keeps every message, to show that this is seen.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict

from tests.campaigns.broken import FAULTS, in_use
from tests.campaigns.stage import NAMES, Stage, tenant
from tests.campaigns.traffic import Tally, Traffic
from tests.campaigns.trail import Trail
from tests.campaigns.vitals import (
    MIB,
    Trend,
    Vitals,
    judge,
    late,
    loop_lag,
    percentile,
    say,
    take_both,
)
from tests.e2e.gateway import write_private

CALLERS = 4
"""Customers who connect anew each time; a tenant has one batch, so they keep no session."""
FULL_SPEED_SECONDS = 10.0
ADD_EVERY, RELOAD_EVERY, IMPORT_EVERY = 20.0, 120.0, 300.0
GATEWAY = {
    "journal": {"max_bytes": "50MB", "keep_files": 4},
    "session": {"refusals_per_hour": 10**9},
}


def main() -> None:
    """Run and print; exit status 1 when a promise is broken."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--rate", type=float, help="messages a second, instead of half speed")
    parser.add_argument("--every", type=float, default=15.0, help="seconds between two samples")
    parser.add_argument(
        "--entries", type=int, default=100_000, help="suppressions before it begins"
    )
    parser.add_argument("--broken", choices=FAULTS, default="", help="run a broken copy instead")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args()
    with in_use(options.broken), Stage(GATEWAY) as stage:
        soak = Soak(stage, options.minutes * 60, options.every)
        soak.run(options.rate, options.entries)
        figures = soak.figures()
    print(json.dumps(figures, indent=1) if options.json else soak.table())
    if soak.broken():
        sys.exit("broken: " + "; ".join(soak.broken()))


class Soak:
    """One run over `stage`."""

    def __init__(self, stage: Stage, seconds: float, every: float) -> None:
        self._stage = stage
        self._house = stage.house
        self._seconds = seconds
        self._every = every
        self._trail = Trail(self._house.folder / "state/journal")
        self._samples: dict[str, list[Vitals]] = {"smtp": [], "web": []}
        self._speeds: list[float] = []
        self._p99: list[float] = []
        self._files: list[dict[str, float]] = []
        self._log = ""
        self._tally = Tally()
        self._chores = dict.fromkeys(("added", "imported", "reloaded"), 0)
        self._lag: dict[str, tuple[int, int, float]] = {}
        self._reported = 0.0
        self.rate = 0.0

    # ---- the run ------------------------------------------------------------------------------

    def run(self, rate: float | None, entries: int) -> None:
        """Measure full speed unless `rate` is given, then soak."""
        self._import(0, entries)
        self.rate = rate or self._full_speed() / 2
        say(f"{self.rate:,.0f} messages a second for {self._seconds / 60:g} minutes")
        before = loop_lag(self._house)
        plan = self._stage.plan(
            self.rate,
            steady=NAMES[CALLERS:],
            callers=NAMES[:CALLERS],
            call_rate=4.0,
            view_rate=5.0,
            leave_rate=1.0,
        )
        with Traffic(plan) as traffic:
            self._watch(traffic)
        self._tally.add(traffic.total)
        after = loop_lag(self._house)
        self._lag = {process: late(before[process], after[process]) for process in after}
        # What is written 50 ms later, and what the sink counts a moment after its reply.
        time.sleep(1.0)
        self._trail.poll()
        self._trail.close()
        self._log = self._house.log

    def _full_speed(self) -> float:
        """Messages a second that a core of its own would give the SMTP process.

        By its processor time: whatever else the machine does, and were it the customers who are
        too slow, half of that is half of what the process can do.
        """
        with Traffic(self._stage.plan(0)) as traffic:
            time.sleep(2.0)
            before = asyncio.run(take_both(self._house))["smtp"]
            traffic.report()
            time.sleep(FULL_SPEED_SECONDS)
            taken = traffic.report().taken
            after = asyncio.run(take_both(self._house))["smtp"]
        self._tally.add(traffic.total)
        used = after.cpu_seconds - before.cpu_seconds
        say(
            f"full speed: {taken / used:,.0f} messages in a second of the SMTP process's time; "
            f"{taken / FULL_SPEED_SECONDS:,.0f} a second got through, with "
            f"{used / FULL_SPEED_SECONDS:.0%} of its core"
        )
        return taken / used

    def _watch(self, traffic: Traffic) -> None:
        """Samples and chores, each in its turn, until the time is over."""
        began = time.monotonic()
        chores: list[tuple[float, Callable[[int], None]]] = [
            (self._every, lambda _number: self._sample(traffic, began)),
            (ADD_EVERY, self._add),
            (min(RELOAD_EVERY, self._seconds / 3), self._reload),
            (min(IMPORT_EVERY, self._seconds / 2), self._import),
        ]
        due = [began + pause for pause, _ in chores]
        number = 0
        while (now := time.monotonic()) < began + self._seconds:
            turn = min(range(len(due)), key=due.__getitem__)
            if due[turn] > now:
                self._trail.poll()
                time.sleep(max(0.0, min(1.0, due[turn] - time.monotonic())))
                continue
            number += 1
            pause, chore = chores[turn]
            chore(number)
            due[turn] += pause

    def _sample(self, traffic: Traffic, began: float) -> None:
        last, self._reported = self._reported or began, time.monotonic()
        report = traffic.report()
        vitals = asyncio.run(take_both(self._house))
        for process, one in vitals.items():
            self._samples[process].append(one)
        self._speeds.append(report.taken / (self._reported - last))
        self._p99.append(percentile(report.latencies, 99) * 1000)
        self._files.append(self._sizes())
        held = " | ".join(
            f"{name} {one.anonymous / MIB:.1f} MiB {one.descriptors} fd {one.tasks} tasks "
            f"{one.threads} threads"
            for name, one in vitals.items()
        )
        files = " ".join(f"{name} {size:.1f}" for name, size in self._files[-1].items())
        say(
            f"{(self._reported - began) / 60:5.1f} min {self._speeds[-1]:5.0f} msg/s "
            f"p99 {self._p99[-1]:.1f} ms | {held} | {files} MiB | "
            f"{sum(self._trail.faults.values())} faults"
        )

    def _sizes(self) -> dict[str, float]:
        """MiB on disk."""
        state = self._house.folder / "state"
        files = {
            "db": [state / "consentry.db"],
            "wal": [state / "consentry.db-wal"],
            "intents": list((state / "intents").iterdir()),
            "journal": list((state / "journal").iterdir()),
        }
        return {
            name: sum(path.stat().st_size for path in paths if path.exists()) / MIB
            for name, paths in files.items()
        }

    # ---- chores -------------------------------------------------------------------------------

    def _add(self, number: int) -> None:
        self._house.run(
            "suppress", "add", f"added{number}@inbox.test", "--reason", "manual", "--scope", "*"
        )
        self._chores["added"] += 1

    def _import(self, number: int, entries: int = 5000) -> None:
        path = self._stage.folder / "list.txt"
        path.write_text("".join(f"imported{number}.{n}@inbox.test\n" for n in range(entries)))
        self._house.run("suppress", "import", str(path), "--reason", "manual", "--scope", "*")
        self._chores["imported"] += entries

    def _reload(self, number: int) -> None:
        """With a change, so that something new comes into force each time."""
        changed = tenant(NAMES[-1], recipients_per_message=100 + number)
        write_private(
            self._house.folder / f"tenants/{NAMES[-1]}.yaml", json.dumps(changed).encode()
        )
        self._house.run("reload")
        self._chores["reloaded"] += 1

    # ---- the verdict --------------------------------------------------------------------------

    def trends(self) -> list[Trend]:
        """Both processes' trends, after a warm-up of a tenth of the time, five minutes at most."""
        warm_up = min(300.0, self._seconds / 10)
        return [
            trend
            for process, samples in self._samples.items()
            for trend in judge(process, samples, warm_up)
        ]

    def broken(self) -> list[str]:
        """Every promise that did not hold."""
        found = [
            f"{one.process} {one.name} grew from {one.first:,.1f} to {one.last:,.1f}"
            for one in self.trends()
            if not one.is_flat
        ]
        found += [f"{count} x {what}" for what, count in self._trail.faults.items()]
        found += [f"{count} x {what}" for what, count in self._tally.unexpected.items()]
        if self._log:
            say(self._log)
            found.append(f"{len(self._log.splitlines())} lines in the log")
        for name, ours, theirs in self._accounts():
            if ours != theirs:
                found.append(f"{name}: {ours} against {theirs}")
        return found

    def _accounts(self) -> list[tuple[str, int, int]]:
        """What the customers counted against what others did."""
        tally, trail = self._tally, self._trail
        return [
            (
                "250s of customers, messages relayed by the journal",
                tally.taken,
                trail.kinds["message.relayed"],
            ),
            (
                "copies of customers, recipients taken by the journal",
                tally.copies,
                trail.recipients["taken"],
            ),
            ("copies of customers, messages at the next hop", tally.copies, self._stage.sink.taken),
            ("unsubscribed on the web, by the journal", tally.left, trail.kinds["unsubscribed"]),
            ("refused as unsubscribed, by the journal", tally.refused, trail.kinds["rcpt.refused"]),
            ("processes that were started, by the journal", 2, trail.kinds["process.started"]),
        ]

    def figures(self) -> dict[str, object]:
        """Everything, JSON-able."""
        return {
            "minutes": self._seconds / 60,
            "rate": self.rate,
            "speeds": self._speeds,
            "p99_ms": self._p99,
            "trends": [asdict(trend) | {"flat": trend.is_flat} for trend in self.trends()],
            "samples": {
                name: [asdict(one) for one in all_] for name, all_ in self._samples.items()
            },
            "files_mib": self._files,
            "accounts": self._accounts(),
            "loop_lag": self._lag,
            "chores": self._chores,
            "views": self._tally.views,
            "calls": self._tally.calls,
            "journal_files": self._trail.files,
            "broken": self.broken(),
        }

    def table(self) -> str:
        """The figures for people."""
        tally = self._tally
        rows = [
            f"{self._seconds / 60:g} minutes at {statistics.mean(self._speeds):,.0f} msg/s, "
            f"p99 {statistics.median(self._p99):.1f} ms (median of all samples)",
            f"{tally.calls:,} connections with TLS and AUTH, {tally.views:,} pages, "
            f"{tally.left:,} unsubscribed; suppressions: {self._chores['added']:,} added, "
            f"{self._chores['imported']:,} imported; {self._chores['reloaded']} reloads; "
            f"{self._trail.files} journal files",
            "",
            "                         first quarter   last quarter   at most",
        ]
        rows += [
            f"  {one.process:5} {one.name + ', MiB' * (one.name == 'anonymous'):16} "
            f"{one.first:14,.1f} {one.last:14,.1f} {one.most:9,.1f}  "
            f"{'flat' if one.is_flat else 'GROWS'}"
            for one in self.trends()
        ]
        rows.append("")
        rows += [
            f"  {name:55} {ours:12,} {theirs:12,}  {'equal' if ours == theirs else 'DIFFER'}"
            for name, ours, theirs in self._accounts()
        ]
        rows.append(f"  {'faults in the journal':55} {sum(self._trail.faults.values()):12,}")
        rows.append(f"  {'lines in the log':55} {len(self._log.splitlines()):12,}")
        rows.append(f"  {'replies nobody expected':55} {sum(tally.unexpected.values()):12,}")
        rows.append("")
        rows += [
            f"  {process:5} loop looked at {beats:,} times, later than 50 ms {over} times, "
            f"worst within {worst * 1000:g} ms"
            for process, (beats, over, worst) in self._lag.items()
        ]
        return "\n".join(rows)


if __name__ == "__main__":
    main()

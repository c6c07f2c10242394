"""What Redis, PostgreSQL and a second worker cost, beside the embedded gateway in the same run.

    python -m benchmarks.cluster          (make bench-cluster)

Four gateways with the records, customers and load of `make bench` (4 KiB over 20 connections): the
embedded one, one worker on Redis, one worker on Redis and PostgreSQL with the index (whose records
are empty: for a recipient without an entry the index costs the same), two workers on Redis. All run
at once and are asked in turn, again and again, so that a busy moment of the machine meets all
alike; figures are medians. The worker has core 0; Redis, PostgreSQL, next hop and load generator
share core 1, and so does the second worker. Printed besides: what a message costs Redis (scripts
and commands, those inside scripts included, octets, CPU time) and PostgreSQL (transactions, log),
and what each set-up costs a second without any mail; docs/scale.md sums them up. What a message
costs is told without that. Needs two cores, both quiet; some four minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks.house import DOMAINS, LOGINS, House, house
from benchmarks.processes import OTHER, Load, Run, RunFailed, cpu_seconds, loader, sink
from tests.servers.postgres import PostgresServer
from tests.servers.redis import RedisServer

EMBEDDED, REDIS = "embedded, one worker", "Redis, one worker"
BOTH, TWO = "Redis and PostgreSQL, one worker", "Redis, two workers"
SPEED_AIM, CPU_AIM = 0.8, 1.1
WARM_UP = 1.0


@dataclass(frozen=True, slots=True)
class Cost:
    """What one message costs, on average over a run; CPU times in microseconds."""

    rate: float
    p50: float
    worker_us: float
    redis_us: float = 0.0
    scripts: float = 0.0
    commands: float = 0.0
    octets_in: float = 0.0
    octets_out: float = 0.0
    commits: float = 0.0
    log_octets: float = 0.0


@dataclass(slots=True)
class SetUp:
    """One gateway, its load generator, and what it was seen to cost."""

    name: str
    house: House
    run: Run
    redis: RedisServer | None = None
    postgres: PostgresServer | None = None
    costs: list[Cost] = field(default_factory=list)
    idle: dict[str, float] = field(default_factory=dict)
    """What a second without mail costs."""

    def rest(self, seconds: float) -> None:
        """See what it costs to do nothing."""
        before, began = self._counters(), time.perf_counter()
        time.sleep(seconds)
        after, took = self._counters(), time.perf_counter() - began
        self.idle = {name: (after[name] - before[name]) / took for name in before}

    def measure(self, seconds: float) -> None:
        """One run."""
        before = self._counters()
        result = self.run(seconds)
        after = self._counters()
        spent = {
            name: (after[name] - before[name] - self.idle[name] * result.seconds) / result.messages
            for name in before
        }
        self.costs.append(Cost(result.rate, result.p50, **spent))

    def _counters(self) -> dict[str, float]:
        found = {"worker_us": 1e6 * sum(map(cpu_seconds, self.house.workers))}
        if self.redis:
            facts = self.redis.ask("INFO", "everything")
            scripts = (facts.get(f"cmdstat_{name}") for name in ("eval", "evalsha"))
            found |= {
                "redis_us": 1e6 * (facts["used_cpu_user"] + facts["used_cpu_sys"]),
                "scripts": sum(one["calls"] for one in scripts if one),
                "commands": facts["total_commands_processed"],
                "octets_in": facts["total_net_input_bytes"],
                "octets_out": facts["total_net_output_bytes"],
            }
        if self.postgres:
            ((commits,),) = self.postgres.execute(
                "SELECT sum(xact_commit) FROM pg_stat_database WHERE datname LIKE 'fresh%'"
            )
            ((log,),) = self.postgres.execute("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn")
            found |= {"commits": float(commits), "log_octets": float(log)}
        return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=7, help="of each gateway, in turn (7)")
    parser.add_argument("--seconds", type=float, default=4.0, help="length of one run (4)")
    parser.add_argument("--json", action="store_true", help="print every run as JSON")
    options = parser.parse_args()
    if (os.cpu_count() or 1) < 2:
        sys.exit("the benchmark needs two cores: one for a worker, one for everything else")
    os.sched_setaffinity(0, {OTHER})
    try:
        with tempfile.TemporaryDirectory(prefix="consentry-bench-") as folder:
            found = measure(Path(folder), options.runs, options.seconds)
    except RunFailed as failure:
        sys.exit(f"the run failed: {failure}")
    if options.json:
        runs = {one.name: [asdict(cost) for cost in one.costs] for one in found}
        print(json.dumps({"runs": runs, "idle": {one.name: one.idle for one in found}}))
    else:
        print("\n".join(table(found)))


def measure(folder: Path, runs: int, seconds: float) -> list[SetUp]:
    """Every run of every gateway."""
    with ExitStack() as running:
        next_hop = running.enter_context(sink())
        redis = [running.enter_context(RedisServer()) for _ in range(3)]
        postgres = running.enter_context(PostgresServer(durable=True))
        records = postgres.settings(postgres.fresh())
        set_ups = []
        for name, sections, cores, server, database in (
            (EMBEDDED, {}, 1, None, None),
            (REDIS, {"redis": redis[0].settings()}, 1, redis[0], None),
            (
                BOTH,
                {"redis": redis[1].settings(), "postgresql": records},
                1,
                redis[1],
                postgres,
            ),
            (TWO, {"redis": redis[2].settings(), "workers": 2}, 2, redis[2], None),
        ):
            say(f"starting: {name}")
            place = folder / str(len(set_ups))
            running_house = running.enter_context(house(place, next_hop, sections, cores))
            run = running.enter_context(loader(Load(), running_house.plain, DOMAINS, LOGINS))
            run(WARM_UP)
            set_ups.append(SetUp(name, running_house, run, server, database))
        for one in set_ups:
            say(f"idle: {one.name}")
            one.rest(seconds)
        for number in range(runs):
            for one in set_ups:
                say(f"run {number + 1}: {one.name}")
                one.measure(seconds)
    return set_ups


def median(costs: Sequence[Cost]) -> Cost:
    """The median of each figure."""
    rows = [asdict(one) for one in costs]
    return Cost(**{name: statistics.median(row[name] for row in rows) for name in rows[0]})


def table(found: Sequence[SetUp]) -> Iterator[str]:
    """For people."""
    medians = {one.name: median(one.costs) for one in found}
    yield f"{'':<34}{'msg/s':>8}{'p50 ms':>8}{'worker us':>11}   every run, msg/s"
    for one in found:
        cost = medians[one.name]
        rates = ", ".join(f"{run.rate:,.0f}" for run in one.costs)
        figures = f"{cost.rate:>8,.0f}{cost.p50:>8.2f}{cost.worker_us:>11,.0f}"
        yield f"{one.name:<34}{figures}   ({rates})"
    yield ""
    heads = ("scripts", "commands", "octets in", "octets out", "Redis us", "worker us")
    names = ("scripts", "commands", "octets_in", "octets_out", "redis_us", "worker_us")
    yield f"{'':<43}" + "".join(f"{head:>11}" for head in heads)
    for one in found:
        if one.redis:
            for text, figures in (
                (f"{one.name}: a message", asdict(medians[one.name])),
                ("  a second without mail", one.idle),
            ):
                yield f"{text:<43}" + "".join(f"{figures[name]:>11,.1f}" for name in names)
    both = medians[BOTH]
    yield f"PostgreSQL: {both.commits:.2f} transactions and {both.log_octets:,.0f} octets of log"
    yield ""
    yield f"{'':<60}{'aim':>8}{'reached':>9}"
    speed = medians[REDIS].rate / medians[EMBEDDED].rate
    shared = medians[TWO].worker_us / medians[REDIS].worker_us
    for text, aim, reached, is_met in (
        ("one worker with Redis: part of its embedded speed", SPEED_AIM, speed, speed >= SPEED_AIM),
        ("CPU a message at two workers: times that at one", CPU_AIM, shared, shared <= CPU_AIM),
    ):
        yield f"{text:<60}{aim:>8.0%}{reached:>9.0%}{'' if is_met else '  missed'}"


def say(text: str) -> None:
    """Tell what is going on."""
    print(f"  {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()

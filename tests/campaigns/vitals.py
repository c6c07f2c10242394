"""What a process holds: memory, descriptors, threads, asyncio tasks; and whether that stays flat.

`take(house)` samples both processes of a gateway; times are monotonic seconds, sizes octets.
`judge` compares the first quarter with the last by their medians, after the warm-up was cut off:
a leak grows with the work that is done, so it shows between them whatever the level is.
"""

from __future__ import annotations

import os
import re
import statistics
import sys
import time
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.control import ask
from gateway.processes import SMTP, WEB
from tests.e2e.ports import LOOPBACK
from tests.faults.houses import Served

MIB = 2**20
BEAT_LIMIT = 0.05
"""Seconds; how often the loop was later than that is counted."""
_STATUS = re.compile(r"^(VmRSS|RssAnon|Threads):\s+(\d+)", re.MULTILINE)
_LAG = re.compile(r'^consentry_loop_lag_seconds_bucket\{le="([^"]+)",process="(\w+)"\} (\S+)', re.M)


@dataclass(frozen=True, slots=True)
class Vitals:
    """One process at one moment."""

    at: float
    resident: int
    anonymous: int
    """Of the resident memory, what is not a file's: the mapped database comes and goes."""
    descriptors: int
    threads: int
    tasks: int
    cpu_seconds: float


@dataclass(frozen=True, slots=True)
class Bound:
    """`name` may grow by `share` or by `more`, whichever is larger."""

    name: str
    share: float
    more: float
    unit: float = 1
    """What figures are divided by for people."""


BOUNDS = (
    # Half an hour apart at 1,000 messages a second, 8 MiB are under five octets a message.
    Bound("anonymous", 0.05, 8 * MIB, MIB),
    # Ordinary swings: callers who come and go, connections to the next hop that are renewed.
    Bound("descriptors", 0, 8),
    Bound("tasks", 0, 8),
    # Pools of threads are filled once and never grow again.
    Bound("threads", 0, 2),
)


@dataclass(frozen=True, slots=True)
class Trend:
    """Medians of the first and the last quarter, in the bound's unit."""

    process: str
    name: str
    first: float
    last: float
    most: float
    """What the last may be."""

    @property
    def is_flat(self) -> bool:
        """Whether it is within its bound."""
        return self.last <= self.most


def take(pid: int, tasks: int) -> Vitals:
    """The process `pid` now; it says itself how many `tasks` it has."""
    proc = Path(f"/proc/{pid}")
    status = {name: int(value) for name, value in _STATUS.findall((proc / "status").read_text())}
    times = (proc / "stat").read_text().rpartition(")")[2].split()
    return Vitals(
        time.monotonic(),
        status["VmRSS"] * 1024,
        status["RssAnon"] * 1024,
        len(os.listdir(proc / "fd")),
        status["Threads"],
        tasks,
        (int(times[11]) + int(times[12])) / os.sysconf("SC_CLK_TCK"),
    )


async def take_both(house: Served) -> dict[str, Vitals]:
    """The `smtp` and the `web` process of a gateway now."""
    state = house.folder / "state"
    found = {}
    for process in ("smtp", "web"):
        socket = state / (WEB if process == "web" else SMTP).socket
        told = await ask(socket, "status")
        assert isinstance(told, dict)
        found[process] = take(house.child(process), told["tasks"])
    return found


def judge(process: str, samples: Sequence[Vitals], warm_up: float) -> list[Trend]:
    """How what a process holds developed, from `warm_up` seconds after its first sample on."""
    settled = [one for one in samples if one.at - samples[0].at >= warm_up]
    quarter = max(1, len(settled) // 4)
    trends = []
    for bound in BOUNDS:
        first = statistics.median(getattr(one, bound.name) for one in settled[:quarter])
        last = statistics.median(getattr(one, bound.name) for one in settled[-quarter:])
        most = first + max(bound.share * first, bound.more)
        trends.append(
            Trend(process, bound.name, first / bound.unit, last / bound.unit, most / bound.unit)
        )
    return trends


def loop_lag(house: Served) -> dict[str, dict[float, float]]:
    """Beats of each process's loop by how late they were at most: `{process: {bucket: count}}`."""
    with urllib.request.urlopen(f"http://{LOOPBACK}:{house.web}/metrics", timeout=20) as answer:
        text = answer.read().decode()
    buckets: dict[str, dict[float, float]] = {"smtp": {}, "web": {}}
    for edge, process, count in _LAG.findall(text):
        buckets[process][float(edge)] = float(count)
    return buckets


def late(before: Mapping[float, float], after: Mapping[float, float]) -> tuple[int, int, float]:
    """Beats between two readings: all, those later than `BEAT_LIMIT`, and the worst's bucket."""
    beats = {edge: after[edge] - before.get(edge, 0.0) for edge in sorted(after)}
    total = beats[float("inf")]
    worst = next((edge for edge, count in beats.items() if count == total), float("inf"))
    return int(total), int(total - beats[BEAT_LIMIT]), worst


def percentile(values: Sequence[float], percent: int) -> float:
    """That percentile; 0 when there is nothing."""
    return statistics.quantiles(values, n=100)[percent - 1] if len(values) > 1 else 0.0


def say(text: str) -> None:
    """Tell whoever waits."""
    print(text, file=sys.stderr, flush=True)

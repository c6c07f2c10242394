"""What was measured, as values, as a table for people and as JSON; and the aims it is held to.

Rates are messages per second, latencies milliseconds, CPU time microseconds per message. What a row
says is the median of its runs; every run is printed. In the table, "core" is the part of the core
that the gateway's SMTP process used (of the others: that was used at all), "RSA" the part of the
core's RSA ceiling that was reached: of the median of what was measured before, between and after
the row's runs.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field

from benchmarks.idle import CONNECTIONS
from benchmarks.look_up import GROUP
from benchmarks.processes import Result
from benchmarks.records import ENTRIES
from benchmarks.shares import Shares

SMALLEST_SHARE = 0.005
QUIET = 0.85
"""A quiet core reaches that part of its best RSA figure in every measurement."""


@dataclass(frozen=True, slots=True)
class Row:
    """One relay under one load; `direct` is that load without any relay.

    `ceilings` are RSA-2048 signatures per second of the core before, between and after the runs.
    """

    relay: str
    load: str
    runs: list[Result]
    direct: Result | None = None
    ceilings: tuple[float, ...] = ()

    def median(self, figure: Callable[[Result], float]) -> float:
        """The median of one figure over the runs."""
        return statistics.median(map(figure, self.runs))

    @property
    def rate(self) -> float:
        """Messages per second."""
        return self.median(lambda run: run.rate)

    @property
    def part_of_ceiling(self) -> float:
        """Of the signatures that the core could make, those that it made."""
        return self.rate / statistics.median(self.ceilings)

    @property
    def added_ms(self) -> float:
        """Median latency beyond the direct way's."""
        return self.median(lambda run: run.p50) - (self.direct.p50 if self.direct else 0.0)


@dataclass(slots=True)
class Report:
    """Everything of one `make bench`; what was not measured is empty, and `skipped` says why."""

    repetitions: int
    seconds: float
    rows: list[Row] = field(default_factory=list)
    shares: dict[str, Shares] = field(default_factory=dict)
    idle_bytes: float | None = None
    look_up_ms: tuple[float, float] | None = None
    skipped: list[str] = field(default_factory=list)

    @property
    def ceilings(self) -> list[float]:
        """RSA-2048 signatures per second, every measurement."""
        return [ceiling for row in self.rows for ceiling in row.ceilings]

    def find(self, relay: str, load: str) -> Row | None:
        """The row of a relay, named by the beginning of its name, under a load."""
        rows = (row for row in self.rows if row.relay.startswith(relay) and row.load == load)
        return next(rows, None)


@dataclass(frozen=True, slots=True)
class Target:
    """An aim, what was reached, and whether that is enough."""

    what: str
    aim: str
    reached: str
    is_met: bool


def targets(report: Report) -> Iterator[Target]:
    """The aims that this report can be held to."""
    small, large = "4 KiB, 20 connections", "100 KiB, 20 connections"
    if row := report.find("gateway", small):
        part = row.part_of_ceiling
        yield Target(f"{small}: msg/s", "2,000", f"{row.rate:,.0f}", row.rate >= 2000)
        yield Target(f"{small}: part of the RSA ceiling", "40%", f"{part:.0%}", part >= 0.4)
        for peer, aim in (("Haraka", 4), ("Postfix", 6)):
            if other := report.find(peer, small):
                times = row.rate / other.rate
                yield Target(f"{small}: times {peer}", f"{aim}", f"{times:.1f}", times >= aim)
    if row := report.find("gateway", "4 KiB, 1 connection"):
        added = row.added_ms
        yield Target("4 KiB, 1 connection: ms added (p50)", "1", f"{added:.2f}", added < 1)
    if row := report.find("gateway", large):
        yield Target(f"{large}: msg/s", "1,000", f"{row.rate:,.0f}", row.rate >= 1000)
    if (octets := report.idle_bytes) is not None:
        what = f"KiB for each of {CONNECTIONS:,} idle TLS connections"
        yield Target(what, "30", f"{octets / 1024:.1f}", octets <= 30 * 1024)
    if report.look_up_ms is not None:
        median, _ = report.look_up_ms
        what = f"ms to look up {GROUP} recipients in {ENTRIES:,}"
        yield Target(what, "1", f"{median:.2f}", median <= 1)


def as_json(report: Report) -> str:
    """Every figure."""
    figures = asdict(report)
    for row, shown in zip(report.rows, figures["rows"], strict=True):
        shown["messages_per_second"] = row.rate
    figures["rsa_signatures_per_second"] = statistics.median(report.ceilings)
    figures["targets"] = [asdict(target) for target in targets(report)]
    return json.dumps(figures, indent=1)


def as_text(report: Report, with_functions: bool) -> str:
    """The tables."""
    blocks = [
        f"One core. {ENTRIES:,} suppressions, 20 customers, RSA-2048, every policy on.\n"
        f"Median of {report.repetitions} runs of {report.seconds:g} s each; runs in brackets.",
        "\n".join(_rows(report)),
        "\n".join(_ceiling(report)),
        "\n".join(_parts(report)),
    ]
    if with_functions:
        blocks += [_functions(report, load, shares) for load, shares in report.shares.items()]
    blocks += ["\n".join(_targets(report)), "\n".join(f"skipped: {s}" for s in report.skipped)]
    return "\n\n".join(block for block in blocks if block)


def _rows(report: Report) -> Iterator[str]:
    yield f"{'':34}  msg/s  p50 ms  p99 ms  CPU us  core   RSA"
    relay = ""
    for row in report.rows:
        if row.relay != relay:
            relay = row.relay
            yield relay
        part = f"{row.part_of_ceiling:6.0%}" if row.ceilings else f"{'':6}"
        runs = " ".join(f"{run.rate:,.0f}" for run in row.runs)
        yield (
            f"  {row.load:32}{row.rate:7,.0f}{row.median(lambda run: run.p50):8.2f}"
            f"{row.median(lambda run: run.p99):8.2f}{row.median(lambda run: run.cpu_us):8,.0f}"
            f"{row.median(lambda run: run.busy):6.0%}{part}  ({runs})"
        )
    yield "load generator and sink alone"
    for row in report.rows:
        if row.direct:
            direct = row.direct
            yield f"  {row.load:32}{direct.rate:7,.0f}{direct.p50:8.2f}{direct.p99:8.2f}"


def _ceiling(report: Report) -> Iterator[str]:
    found = report.ceilings
    low, middle, high = min(found), statistics.median(found), max(found)
    yield (
        f"RSA-2048 ceiling of the core: {middle:,.0f} signatures/s "
        f"({low:,.0f} to {high:,.0f} in {len(found)} measurements)"
    )
    if low < QUIET * high:
        yield "The core was not quiet: something else ran there, and every figure is too low."
    for row in report.rows:
        own = report.find("gateway", row.load)
        if own and row.relay != "gateway":
            yield f"{row.load}: {own.rate / row.rate:.1f} times {row.relay}"


def _parts(report: Report) -> Iterator[str]:
    if not report.shares:
        return
    yield "CPU time per message by part, from a sampled run: us and share"
    loads = list(report.shares)
    widths = [max(len(load) + 2, 17) for load in loads]
    heads = (f"{load:>{width}}" for load, width in zip(loads, widths, strict=True))
    yield f"{'':28}" + "".join(heads)
    for part in report.shares[loads[0]].parts:
        cells = ""
        for load, width in zip(loads, widths, strict=True):
            share = report.shares[load].parts.get(part, 0.0)
            row = report.find("gateway", load)
            spent = share * row.median(lambda run: run.cpu_us) if row else 0.0
            cells += f"{spent:{width - 7},.0f}{share:7.1%}"
        if any(report.shares[load].parts.get(part, 0) >= SMALLEST_SHARE for load in loads):
            yield f"  {part:26}{cells}"


def _functions(report: Report, load: str, shares: Shares) -> str:
    row = report.find("gateway", load)
    cpu = row.median(lambda run: run.cpu_us) if row else 0.0
    lines = []
    for title, functions in (("by themselves", shares.functions), ("whole", shares.whole)):
        lines.append(f"Costliest functions, {title}; {load}: us and share")
        lines += [f"{part * cpu:6.0f}{part:7.1%}  {name}" for name, part in functions.items()]
    return "\n".join(lines)


def _targets(report: Report) -> Iterator[str]:
    yield f"{'':54}{'aim':>7}{'reached':>9}"
    for target in targets(report):
        verdict = "" if target.is_met else "  missed"
        yield f"  {target.what:52}{target.aim:>7}{target.reached:>9}{verdict}"

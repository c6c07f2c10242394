"""A million-line import, reloads and web pages while mail flows: no reply waits for the loop.

    python -m tests.campaigns.load_lag          (part of make load)

Customers send at a steady rate. First without anything else, then while a suppression list of a
million lines is imported, the configuration is changed and reloaded again and again, people look
at unsubscribe pages and unsubscribe, and customers connect with TLS and sign in against real
Argon2 hashes. Promise: the SMTP process's event loop is never more than 50 ms late, neither by its
own `loop_lag` (a look every 10 ms) nor for a client that sends NOOP every 5 ms. The SMTP process
has core 0, and goes before other programs there; all else shares core 1, where the NOOPs' client
goes first (SCHED_FIFO); both only where the system lets them. Where other programs make the loop
wait for its core in the quiet phase already, only what is late without that wait breaks the
promise. Exit status 1 when it is broken; `--broken hold` runs a gateway whose loop each reload
holds for 80 ms, to show that this is seen.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

from argon2 import PasswordHasher

from gateway.control import ask
from gateway.processes import SMTP, WEB
from tests.campaigns.broken import FAULTS, in_use
from tests.campaigns.stage import NAMES, Stage, tenant
from tests.campaigns.traffic import Traffic
from tests.campaigns.vitals import late, loop_lag, percentile, say
from tests.e2e.gateway import COMMAND, PASSWORD, write_private
from tests.e2e.session import Session

PROBER = "prober"
CALLERS = 4
LIMIT = 0.05
"""Seconds a reply may wait for the loop."""
EVERY = 0.005
RELOAD_EVERY = 2.0


@dataclass(slots=True)
class Phase:
    """What was measured in one phase; times in seconds."""

    seconds: float = 0.0
    messages: int = 0
    p99: float = 0.0
    beats: int = 0
    late_beats: int = 0
    worst_beat: float = 0.0
    """The upper end of the worst one's bucket."""
    waited_for_core: float = 0.0
    noops: list[float] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    """Of each NOOP's time, how long the loop was ready and waited for its core."""
    reloads: int = 0
    views: int = 0
    left: int = 0
    calls: int = 0
    unexpected: dict[str, int] = field(default_factory=dict)

    @property
    def late_noops(self) -> int:
        """Replies that took longer than `LIMIT`."""
        return sum(one > LIMIT for one in self.noops)

    @property
    def late_by_itself(self) -> int:
        """Those that took longer even without the loop's wait for its core."""
        pairs = zip(self.noops, self.waits, strict=True)
        return sum(took - waited > LIMIT for took, waited in pairs)


def broken(quiet: Phase, busy: Phase) -> list[str]:
    """Every promise that did not hold in the busy phase."""
    found = [f"{count} x {what}" for what, count in busy.unexpected.items()]
    if busy.late_by_itself:
        found.append(f"the loop itself made {busy.late_by_itself} replies wait over 50 ms")
    if not quiet.late_beats and not quiet.late_noops:
        if busy.late_beats:
            found.append(f"the loop was over 50 ms late {busy.late_beats} times")
        if busy.late_noops:
            found.append(f"{busy.late_noops} replies took over 50 ms")
    return found


def main() -> None:
    """Run and print; exit status 1 when a promise is broken."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--lines", type=int, default=1_000_000, help="of the import")
    parser.add_argument("--rate", type=float, default=150.0, help="messages a second")
    parser.add_argument("--quiet", type=float, default=30.0, help="seconds without anything else")
    parser.add_argument("--broken", choices=FAULTS, default="", help="run a broken copy instead")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args()
    with in_use(options.broken):
        quiet, busy = run(options.lines, options.rate, options.quiet)
    found = broken(quiet, busy)
    if options.json:
        print(json.dumps({"quiet": asdict(quiet), "busy": asdict(busy), "broken": found}))
    else:
        print(table(quiet, busy, options.lines))
    if found:
        sys.exit("broken: " + "; ".join(found))


def run(lines: int, rate: float, seconds: float) -> tuple[Phase, Phase]:
    """Both phases."""
    more = {PROBER: tenant(PROBER, batches=5)}
    for name in NAMES[:CALLERS]:
        login = {"name": name, "password_hash": PasswordHasher().hash(PASSWORD)}
        more[name] = tenant(name) | {"logins": [login]}
    session = {"refusals_per_hour": 10**9}
    with Stage({"session": session}, more, goes_first=True) as stage:
        list_file = stage.folder / "list.txt"
        list_file.write_text("".join(f"listed{n}@list.test\n" for n in range(lines)))
        steady = NAMES[CALLERS:]
        with Traffic(stage.plan(rate, steady=steady)) as traffic, _Prober(stage) as prober:
            time.sleep(2.0)
            quiet = _measure(stage, traffic, prober, lambda phase: time.sleep(seconds))
        say("now everything at once")
        plan = stage.plan(
            rate,
            steady=steady,
            callers=NAMES[:CALLERS],
            call_rate=4.0,
            view_rate=20.0,
            leave_rate=10.0,
        )
        with Traffic(plan) as traffic, _Prober(stage) as prober:
            time.sleep(2.0)
            busy = _measure(stage, traffic, prober, lambda phase: _chores(stage, list_file, phase))
    return quiet, busy


def _measure(
    stage: Stage, traffic: Traffic, prober: _Prober, work: Callable[[Phase], None]
) -> Phase:
    phase = Phase()
    loop = _Loop(stage.house.child("smtp"))
    traffic.report()
    prober.report()
    before, waited, began = loop_lag(stage.house)["smtp"], loop.waited(), time.monotonic()
    work(phase)
    report = traffic.report()
    for took, waited_for_core in prober.report():
        phase.noops.append(took)
        phase.waits.append(waited_for_core)
    phase.seconds = time.monotonic() - began
    phase.waited_for_core = loop.waited() - waited
    after = loop_lag(stage.house)["smtp"]
    phase.beats, phase.late_beats, phase.worst_beat = late(before, after)
    phase.messages, phase.p99 = report.taken, percentile(report.latencies, 99)
    phase.views, phase.left, phase.calls = report.views, report.left, report.calls
    phase.unexpected = dict(report.unexpected)
    return phase


def _chores(stage: Stage, list_file: Path, phase: Phase) -> None:
    """Import, and reload as long as that takes."""
    house = stage.house
    command = [str(COMMAND), "suppress", "import", str(list_file), "--reason", "manual"]
    with subprocess.Popen(
        [*command, "--scope", "*", "--config", str(house.config)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    ) as importing:
        while importing.poll() is None:
            began = time.monotonic()
            phase.reloads += 1
            name = NAMES[-1]
            changed = tenant(name, recipients_per_message=100 + phase.reloads)
            write_private(house.folder / f"tenants/{name}.yaml", json.dumps(changed).encode())
            for control in (SMTP.socket, WEB.socket):
                asyncio.run(ask(house.folder / "state" / control, "reload", patience=60.0))
            with suppress(subprocess.TimeoutExpired):
                importing.wait(max(0.1, RELOAD_EVERY - (time.monotonic() - began)))
    if importing.returncode:
        phase.unexpected["the import failed"] = 1


class _Loop:
    """The main thread of a process: its event loop."""

    def __init__(self, pid: int) -> None:
        self._file = os.open(f"/proc/{pid}/schedstat", os.O_RDONLY)

    def waited(self) -> float:
        """Seconds that it was ready and did not run (the second figure, nanoseconds)."""
        return int(os.pread(self._file, 100, 0).split()[1]) / 1e9


class _Prober:
    """A client on a process of its own that sends NOOP every 5 ms and times the replies."""

    def __init__(self, stage: Stage) -> None:
        context = multiprocessing.get_context("spawn")
        self._here, there = context.Pipe()
        self._process = context.Process(
            target=_probe, args=(stage.house.open, stage.house.child("smtp"), there), daemon=True
        )

    def __enter__(self) -> _Prober:
        self._process.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._here.send("stop")
        self._process.join()

    def report(self) -> list[tuple[float, float]]:
        """Seconds of every reply since the last report, and of the loop's wait meanwhile."""
        self._here.send("report")
        found = self._here.recv()
        assert isinstance(found, list)
        return found


def _probe(port: int, pid: int, pipe: Connection) -> None:
    with suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    loop = _Loop(pid)
    times: list[tuple[float, float]] = []
    with Session(port, PROBER) as session:
        session._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for number in range(10**9):
            # Only so many commands may come that bring no mail nearer.
            mail = (f"MAIL FROM:<news@{PROBER}.test>", "RSET") if number % 50 == 0 else ()
            for command in (*mail, "NOOP"):
                waited, began = loop.waited(), time.perf_counter()
                session.command(command)
                took = time.perf_counter() - began
                times.append((took, loop.waited() - waited))
            time.sleep(EVERY)
            if pipe.poll():
                if pipe.recv() == "stop":
                    return
                pipe.send(times)
                times = []


def table(quiet: Phase, busy: Phase, lines: int) -> str:
    """The figures for people."""
    rows = [
        f"import of {lines:,} lines in {busy.seconds:.0f} s; meanwhile {busy.reloads} reloads, "
        f"{busy.views:,} pages, {busy.left:,} unsubscribed, {busy.calls:,} sign-ins over TLS",
        "",
        "                                         quiet       busy",
    ]
    readings: tuple[tuple[str, Callable[[Phase], str]], ...] = (
        ("messages a second", lambda p: f"{p.messages / p.seconds:,.0f}"),
        ("p99 of a message, ms", lambda p: f"{p.p99 * 1000:.1f}"),
        ("looks at the loop", lambda p: f"{p.beats:,}"),
        ("  later than 50 ms", lambda p: f"{p.late_beats:,}"),
        ("  worst within, ms", lambda p: f"{p.worst_beat * 1000:g}"),
        ("NOOPs", lambda p: f"{len(p.noops):,}"),
        ("  median, ms", lambda p: f"{percentile(p.noops, 50) * 1000:.2f}"),
        ("  p99, ms", lambda p: f"{percentile(p.noops, 99) * 1000:.1f}"),
        ("  worst, ms", lambda p: f"{max(p.noops) * 1000:.1f}"),
        ("  over 50 ms", lambda p: f"{p.late_noops:,}"),
        ("  without the wait for its core", lambda p: f"{p.late_by_itself:,}"),
        ("loop's wait for its core, ms/s", lambda p: f"{p.waited_for_core / p.seconds * 1000:.0f}"),
    )
    for name, read in readings:
        rows.append(f"  {name:32} {read(quiet):>10} {read(busy):>10}")
    return "\n".join(rows)


if __name__ == "__main__":
    main()

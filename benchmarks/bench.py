"""How fast the gateway is on one core, beside other relays and what RSA-2048 leaves possible there.

Real processes: `consentry serve` with twenty customers and every policy on (`house.py`), Postfix's
`smtp-sink` as next hop, our load generator (`load.py`) in front. The gateway's SMTP process has
core 0 to itself; everything else runs on core 1. Then Postfix with OpenDKIM and Haraka do the same
(`peers.py`), if they are installed. A reply that is not positive fails the run, and so does a
gateway that does not sign; a peer of which that is true is left out. docs/performance.md explains
the figures. Run it from the project's folder:
`make bench`, or `make bench BENCH="--quick"` for a minute.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from benchmarks import idle, look_up, records, report
from benchmarks.ceiling import signatures_per_second
from benchmarks.house import DOMAINS, LOGINS, House, house
from benchmarks.peers import Peer, peers, signature_of
from benchmarks.processes import (
    MEASURED,
    OTHER,
    Load,
    Result,
    Run,
    RunFailed,
    core_seconds,
    cpu_seconds,
    loader,
    sink,
    taken,
)
from benchmarks.report import Report, Row
from benchmarks.shares import shares
from tests.e2e.sink import Sink

LOADS = {
    "4 KiB, 20 connections": Load(),
    "4 KiB, 1 connection": Load(sessions=1),
    "100 KiB, 20 connections": Load(size=102_400),
    "100 KiB, 1 connection": Load(size=102_400, sessions=1),
    "4 KiB, TLS and AUTH each time": Load(fresh=True),
}
COMPARED = ("4 KiB, 20 connections", "100 KiB, 20 connections")
RUNS = 3
WARM_UP = 1.0
SAMPLED_SECONDS = 15.0
DRAIN_SECONDS = 120.0
SIGNATURE = 344
"""Characters of an RSA-2048 signature in Base64."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="only 4 KiB over 20 connections")
    parser.add_argument(
        "--seconds", type=float, default=5.0, help="length of one run (%(default)s)"
    )
    parser.add_argument("--profile", action="store_true", help="also print the costliest functions")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args()
    if (os.cpu_count() or 1) < 2:
        sys.exit("the benchmark needs two cores: one for the gateway, one for everything else")
    os.sched_setaffinity(0, {OTHER})
    try:
        found = measure(options.seconds, options.quick)
    except RunFailed as failure:
        sys.exit(f"the run failed: {failure}")
    print(report.as_json(found) if options.json else report.as_text(found, options.profile))


def measure(seconds: float, quick: bool) -> Report:
    """Run everything once."""
    records.prepared()
    found = Report(RUNS, seconds)
    loads = {name: LOADS[name] for name in list(LOADS)[: 1 if quick else None]}
    with folder() as place:
        say("does the gateway sign and stamp?")
        with Sink() as recorder, house(place, recorder.port) as running:
            raw = one_message(running.plain, LOGINS, recorder)
            check_signature("the gateway", raw)
            if b"\r\nList-Unsubscribe-Post: " not in raw:
                raise RunFailed("the gateway stamped no unsubscribe pair")
    with folder() as place, sink() as next_hop, house(place, next_hop) as running:
        for name, load in loads.items():
            found.rows.append(gateway_row(name, load, running, next_hop, seconds))
            if name in COMPARED or load.fresh:
                sample(found, name, load, running, place)
    if quick:
        return found
    with folder() as place, sink() as next_hop, house(place, next_hop) as running:
        say("idle connections")
        with loader(Load(), running.plain, DOMAINS, LOGINS) as run:
            run(WARM_UP)
        found.idle_bytes = idle.bytes_per_connection(running)
    say("look-ups")
    found.look_up_ms = look_up.milliseconds()
    for peer in peers():
        if peer.missing:
            found.skipped.append(f"{peer.name}: not installed: {peer.missing}")
            continue
        try:
            found.rows += [peer_row(peer, name, LOADS[name], seconds) for name in COMPARED]
        except (RunFailed, RuntimeError, OSError) as error:
            # What was measured of the gateway is not to be lost over it.
            found.skipped.append(f"{peer.name}: {error}")
    return found


def gateway_row(name: str, load: Load, running: House, next_hop: int, seconds: float) -> Row:
    """The gateway's runs, the ceiling before, between and after them, and the way without it."""
    direct = None
    if not load.fresh:
        with loader(load, next_hop, DOMAINS, []) as run:
            run(WARM_UP)
            direct = run(seconds / 2)
    runs = []
    with loader(load, running.tls if load.fresh else running.plain, DOMAINS, LOGINS) as run:
        run(WARM_UP)
        ceilings = [signatures_per_second()]
        for number in range(RUNS):
            say(f"gateway, {name}, run {number + 1}")
            runs.append(with_cpu(run, seconds, running.smtp))
            ceilings.append(signatures_per_second())
    return Row("gateway", name, runs, direct, tuple(ceilings))


def sample(found: Report, name: str, load: Load, running: House, place: Path) -> None:
    """One more run, whose CPU time is looked into."""
    say(f"gateway, {name}, sampled")
    with loader(load, running.tls if load.fresh else running.plain, DOMAINS, LOGINS) as run:
        run(WARM_UP)
        try:
            found.shares[name] = shares(run, running.smtp, SAMPLED_SECONDS, place)
        except OSError as error:
            found.skipped.append(f"CPU time by part: {error}")


def peer_row(peer: Peer, name: str, load: Load, seconds: float) -> Row:
    """A peer's runs, once it has shown that it signs."""
    with folder() as place, Sink() as recorder, peer.run(place, recorder.port) as port:
        check_signature(peer.name, one_message(port, peer.logins, recorder))
    with folder() as place:
        count = place / "count"
        with (
            sink(count) as next_hop,
            peer.run(place, next_hop) as port,
            loader(load, port, DOMAINS, peer.logins) as run,
        ):
            arriving(run, WARM_UP, count)
            runs = []
            for number in range(RUNS):
                say(f"{peer.name}, {name}, run {number + 1}")
                runs.append(arriving(run, seconds, count))
    return Row(peer.name, name, runs)


def arriving(run: Run, seconds: float, count: Path) -> Result:
    """A run that lasts until its messages have arrived: Postfix answers before it sends on."""
    before, began, cpu = taken(count), time.perf_counter(), core_seconds(MEASURED)
    result = run(seconds)
    while taken(count) - before < result.messages:
        if time.perf_counter() - began > seconds + DRAIN_SECONDS:
            raise RunFailed(f"{taken(count) - before} of {result.messages} messages arrived")
        time.sleep(0.01)
    cpu = core_seconds(MEASURED) - cpu
    taken_us = cpu / result.messages * 1e6
    return replace(result, seconds=time.perf_counter() - began, cpu_us=taken_us)


def with_cpu(run: Run, seconds: float, pid: int) -> Result:
    """A run with the CPU time per message of process `pid`."""
    before = cpu_seconds(pid)
    result = run(seconds)
    return replace(result, cpu_us=(cpu_seconds(pid) - before) / result.messages * 1e6)


def one_message(port: int, logins: Sequence[str], next_hop: Sink) -> bytes:
    """What arrives of one message."""
    with loader(Load(sessions=1), port, DOMAINS, logins) as run:
        run(0.001)
    return next_hop.wait_for(1)[0].raw


def check_signature(name: str, raw: bytes) -> None:
    """Raises RunFailed when a message carries no RSA-2048 signature."""
    if len(signature_of(raw)) != SIGNATURE:
        raise RunFailed(f"{name} does not sign with RSA-2048")


@contextmanager
def folder() -> Iterator[Path]:
    """A temporary folder."""
    with tempfile.TemporaryDirectory(prefix="consentry-bench-") as path:
        yield Path(path)


def say(text: str) -> None:
    """Tell what is going on."""
    print(f"  {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()

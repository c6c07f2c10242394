"""Messages per second through the gateway on one core, beside what RSA-2048 leaves possible there.

Real processes: `consentry serve` with twenty customers who sign with RSA-2048, Postfix's
`smtp-sink` as next hop, our load generator (`load.py`) in front. The gateway's SMTP process has
core 0 to itself; everything else runs on core 1. Prints one table; `--json` prints the figures.
A reply that is not positive, or a message that the loader does not see through, fails the run.
Run it from the project's folder: `make bench`.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.e2e.certificates import make_certificates
from tests.e2e.gateway import PASSWORD, Gateway, Settings, customer
from tests.e2e.ports import LOOPBACK, free_port, wait_for_port

GATEWAY_CORE, OTHER_CORE = 0, 1
TENANTS = SESSIONS = 20
NAMES = [f"customer{number}" for number in range(TENANTS)]
SIZE = 4096
RUNS = 3
CEILING_SECONDS = 2.0

Run = Callable[[int], dict[str, float]]
"""Sends so many messages and gives the loader's figures."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured; times per message, the gateway's runs by their median."""

    messages_per_second: float
    p50_ms: float
    p99_ms: float
    cpu_us_per_message: float
    rsa_signatures_per_second: float
    loader_alone_per_second: float
    runs: tuple[float, ...]

    @property
    def ratio(self) -> float:
        """The part of the RSA ceiling that is reached."""
        return self.messages_per_second / self.rsa_signatures_per_second


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=6000, help="messages of one run")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args()
    if (os.cpu_count() or 1) < 2:
        sys.exit("the benchmark needs two cores: one for the gateway, one for everything else")
    os.sched_setaffinity(0, {OTHER_CORE})
    figures = measure(options.messages)
    if options.json:
        print(json.dumps(asdict(figures) | {"ratio": figures.ratio}))
    else:
        print(table(figures, options.messages))


def measure(messages: int) -> Figures:
    """Run everything once: the ceiling, the loader alone, the gateway `RUNS` times."""
    domains = [f"{name}.test" for name in NAMES]
    ceiling = rsa_ceiling()
    with tempfile.TemporaryDirectory(prefix="consentry-bench-") as folder, sink() as sink_port:
        with loader(sink_port, domains, []) as run:
            run(messages)
            alone = rate(run(messages))
        tenants = {name: customer(name, domains=signed(f"{name}.test")) for name in NAMES}
        settings = Settings(sink_port, trusted=None, tenants=tenants)
        certificates = make_certificates(Path(folder) / "certificates")
        gateway = Gateway(Path(folder), settings, certificates)
        gateway.write()
        with on_core(GATEWAY_CORE):
            gateway.start()
        try:
            smtp = keep_apart(gateway.pid)
            with loader(gateway.open, domains, [f"{name}:{PASSWORD}" for name in NAMES]) as run:
                run(messages // 4)
                measured = [run_with_cpu(run, messages, smtp) for _ in range(RUNS)]
        finally:
            gateway.stop()
    rates = tuple(rate(one) for one in measured)
    return Figures(
        messages_per_second=statistics.median(rates),
        p50_ms=statistics.median(one["p50"] for one in measured),
        p99_ms=statistics.median(one["p99"] for one in measured),
        cpu_us_per_message=statistics.median(one["cpu_us"] for one in measured),
        rsa_signatures_per_second=ceiling,
        loader_alone_per_second=alone,
        runs=rates,
    )


def signed(domain: str) -> dict[str, object]:
    """The domain's settings with an RSA-2048 key."""
    return {domain: {"dkim": [{"selector": "rsa", "key_file": "keys/rsa.pem"}]}}


def rsa_ceiling() -> float:
    """RSA-2048 signatures a second of the gateway's core, by the library the gateway signs with."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    with on_core(GATEWAY_CORE):
        count, began = 0, time.perf_counter()
        while (seconds := time.perf_counter() - began) < CEILING_SECONDS:
            key.sign(b"%d" % count, padding.PKCS1v15(), hashes.SHA256())
            count += 1
    return count / seconds


@contextmanager
def sink() -> Iterator[int]:
    """Postfix's smtp-sink, which takes everything and keeps nothing; its port."""
    port = free_port()
    command = ["smtp-sink", f"{LOOPBACK}:{port}", "1000"]
    if os.geteuid() == 0:
        command[1:1] = ["-u", "nobody"]
    path = os.environ["PATH"] + ":/usr/sbin:/sbin"
    with subprocess.Popen(command, env={**os.environ, "PATH": path}) as process:
        try:
            wait_for_port(port)
            yield port
        finally:
            process.terminate()


@contextmanager
def loader(port: int, domains: Sequence[str], logins: Sequence[str]) -> Iterator[Run]:
    """The load generator, signed in; gives a function that sends so many messages."""
    command = [sys.executable, str(Path(__file__).with_name("load.py")), "--port", str(port)]
    command += ["--sessions", str(SESSIONS), "--size", str(SIZE)]
    command += ["--domains", *domains, "--logins", *logins]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def run(messages: int) -> dict[str, float]:
            print(messages, file=process.stdin, flush=True)
            result = json.loads(process.stdout.readline() or '{"refusal": "the loader died"}')
            if refusal := result.pop("refusal"):
                sys.exit(f"the run failed: {refusal}")
            if result["messages"] != messages:
                sys.exit(f"{result['messages']} of {messages} messages were taken")
            return result

        yield run


def run_with_cpu(run: Run, messages: int, pid: int) -> dict[str, float]:
    """One run's figures with the CPU time per message of process `pid`."""
    before = cpu_seconds(pid)
    result = run(messages)
    return result | {"cpu_us": (cpu_seconds(pid) - before) / messages * 1e6}


def rate(result: Mapping[str, float]) -> float:
    """Messages per second of one run."""
    return result["messages"] / result["seconds"]


@contextmanager
def on_core(core: int) -> Iterator[None]:
    """This process, and what it starts meanwhile, runs on `core`."""
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, {OTHER_CORE})


def keep_apart(supervisor: int) -> int:
    """Move all of the gateway but its SMTP process to the other core; that process's id."""
    children = Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()
    commands = {int(pid): Path(f"/proc/{pid}/cmdline").read_bytes() for pid in children}
    (smtp,) = (pid for pid, command in commands.items() if b"smtp" in command.split(b"\0"))
    for pid in {supervisor, *commands} - {smtp}:
        for thread in Path(f"/proc/{pid}/task").iterdir():
            os.sched_setaffinity(int(thread.name), {OTHER_CORE})
    return smtp


def cpu_seconds(pid: int) -> float:
    """User and system time of a process with all its threads (proc(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def table(figures: Figures, messages: int) -> str:
    """The figures for people."""
    runs = ", ".join(f"{one:,.0f}" for one in figures.runs)
    return f"""\
{SIZE // 1024} KiB messages, {TENANTS} customers, {SESSIONS} sessions, RSA-2048 signatures, one core
{messages:,} messages a run, median of {len(figures.runs)} runs ({runs})

  through the gateway     {figures.messages_per_second:8,.0f} msg/s
  RSA-2048 ceiling        {figures.rsa_signatures_per_second:8,.0f} signatures/s of that core
  part of the ceiling     {figures.ratio:8.0%}
  CPU per message         {figures.cpu_us_per_message:8,.0f} us, signing included
  latency, MAIL to 250    {figures.p50_ms:8.1f} ms median, {figures.p99_ms:.1f} ms p99
  loader and sink alone   {figures.loader_alone_per_second:8,.0f} msg/s, without the gateway"""


if __name__ == "__main__":
    main()

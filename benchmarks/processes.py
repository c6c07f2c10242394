"""The processes around what is measured: cores, CPU time, the sink and the load generator.

What is measured has core `MEASURED` to itself, everything else runs on `OTHER`. A context manager
here ends what it started.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.ports import LOOPBACK, free_port, wait_for_port

MEASURED, OTHER = 0, 1
PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"


class RunFailed(Exception):
    """A message was refused or not seen through: the figures would mean nothing."""


@dataclass(frozen=True, slots=True)
class Result:
    """One run of the load generator; latencies in milliseconds, `cpu_us` per message.

    The CPU time is the measured process's, or its core's where several processes do the work.
    """

    messages: int
    seconds: float
    p50: float
    p99: float
    cpu_us: float = 0.0

    @property
    def rate(self) -> float:
        """Messages per second."""
        return self.messages / self.seconds

    @property
    def busy(self) -> float:
        """The part of the time that the measured core was computing."""
        return self.cpu_us * self.messages / 1e6 / self.seconds


@dataclass(frozen=True, slots=True)
class Load:
    """What the load generator sends."""

    size: int = 4096
    sessions: int = 20
    fresh: bool = False


Run = Callable[[float], Result]
"""Sends for so many seconds."""


def find(program: str) -> str | None:
    """Where a program is, also among those for administrators."""
    return shutil.which(program, path=PATH)


@contextmanager
def on_core(core: int) -> Iterator[None]:
    """This process, and what it starts meanwhile, runs on `core`."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def move(pid: int, core: int) -> None:
    """Have a running process, with all its threads, run on `core`."""
    for thread in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(thread.name), {core})


def cpu_seconds(pid: int) -> float:
    """User and system time of a process with all its threads (proc(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def core_seconds(core: int) -> float:
    """Time that a core has computed, for whomever (proc(5)): all but idle, iowait and steal."""
    line = Path("/proc/stat").read_text().splitlines()[1 + core].split()
    user, nice, system, _idle, _wait, irq, softirq, *_ = map(int, line[1:])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def resident_bytes(pid: int) -> int:
    """Memory of a process that is in use."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@contextmanager
def stopping(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    """`process`, ended when the block ends."""
    with process:
        try:
            yield process
        finally:
            process.terminate()


@contextmanager
def sink(count_in: Path = Path(os.devnull)) -> Iterator[int]:
    """Postfix's smtp-sink, which takes everything and keeps nothing; its port.

    It counts messages in the file `count_in`, if there is one; `taken` reads it.
    """
    port = free_port()
    command = ["smtp-sink", f"{LOOPBACK}:{port}", "1000"]
    if os.geteuid() == 0:
        command[1:1] = ["-u", "nobody"]
    if count_in != Path(os.devnull):
        command[1:1] = ["-c"]
    with count_in.open("w") as out:
        process = subprocess.Popen(command, stdout=out, env={**os.environ, "PATH": PATH}, text=True)
    with stopping(process):
        wait_for_port(port)
        yield port


def taken(count: Path) -> int:
    """Messages that a sink has counted so far."""
    with count.open("rb") as file:
        file.seek(max(0, count.stat().st_size - 200))
        found = re.findall(rb"mesg=(\d+)\r", file.read())
    return int(found[-1]) if found else 0


@contextmanager
def loader(load: Load, port: int, domains: Sequence[str], logins: Sequence[str]) -> Iterator[Run]:
    """The load generator, signed in on `port`; raises RunFailed when a message is refused."""
    command = [sys.executable, str(Path(__file__).with_name("load.py")), "--port", str(port)]
    command += ["--sessions", str(load.sessions), "--size", str(load.size)]
    command += ["--domains", *domains, "--logins", *logins] + ["--fresh"] * load.fresh
    with stopping(
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    ) as process:
        commands, answers = process.stdin, process.stdout
        assert commands is not None
        assert answers is not None
        if answers.readline() != "ready\n":
            raise RunFailed("the load generator could not sign in")

        def run(seconds: float) -> Result:
            print(seconds, file=commands, flush=True)
            answer = json.loads(answers.readline() or '{"refusal": "the loader died"}')
            if refusal := answer.pop("refusal"):
                raise RunFailed(refusal)
            return Result(**answer)

        yield run

"""100 messages of 25 MB at once where there is 1 GiB of memory: 452 for some, and nobody dies.

    python -m tests.campaigns.load_memory          (part of make load)

The SMTP process may have 1 GiB of data (RLIMIT_DATA: heap, stacks and every other private
writable page, touched or not, so it counts more than a memory control group would). Half of the
customers announce their size, half do not; each sends all of its message but the final dot, and
waits with that until all the others have, so that they are all in memory at once. Promise: each
gets 250 or 452 [MEMORY], the budget of the configuration (512 MiB) is never exceeded, the next
hop has just the messages with a 250, the process lives on and takes the next message. Exit
status 1 when it is broken; `--budget 3GiB` shows a budget that does not fit.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import resource
import sys
import time
from collections import Counter
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from gateway.control import SMTP_SOCKET, ControlError, ask
from tests.campaigns.stage import Stage, tenant
from tests.campaigns.vitals import MIB, say, take
from tests.e2e.gateway import PASSWORD
from tests.e2e.ports import LOOPBACK

BIG = "big"
TAKEN, NO_ROOM = "250", "452 [MEMORY]"
LINE = b"A line of a very long message that says nothing at all, again and again.\r\n"
PATIENCE = 300.0
"""Seconds for all of it."""


@dataclass(slots=True)
class Figures:
    """What happened; memory in octets."""

    answers: Counter[str] = field(default_factory=Counter)
    """Of the big messages, by code and tag."""
    at_next_hop: int = 0
    budget: int = 0
    budget_peak: int = 0
    resident_before: int = 0
    resident_peak: int = 0
    resident_after: int = 0
    is_alive: bool = False
    afterwards: str = ""
    seconds: float = 0.0
    log: str = ""

    def broken(self, limit: int) -> list[str]:
        """Every promise that did not hold."""
        found = [
            f"{count} x {answer!r}"
            for answer, count in self.answers.items()
            if answer not in (TAKEN, NO_ROOM)
        ]
        found += [f"nobody was told {one}" for one in (TAKEN, NO_ROOM) if not self.answers[one]]
        if self.at_next_hop != self.answers[TAKEN]:
            found.append(f"{self.at_next_hop} at the next hop, {self.answers[TAKEN]} taken")
        if self.budget_peak > self.budget:
            found.append(f"the budget was exceeded: {self.budget_peak / MIB:,.0f} MiB")
        if self.resident_peak > limit:
            found.append(f"{self.resident_peak / MIB:,.0f} MiB resident")
        if not self.is_alive or not self.afterwards.startswith(TAKEN):
            found.append(f"the process did not live on: {self.afterwards!r}")
        if self.log:
            say(self.log)
            found.append(f"{len(self.log.splitlines())} lines in the log")
        return found


def main() -> None:
    """Run and print; exit status 1 when a promise is broken."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=100, help="messages at once")
    parser.add_argument("--size", type=int, default=25_000_000, help="octets of each")
    parser.add_argument("--limit", type=int, default=2**30, help="octets the process may have")
    parser.add_argument("--budget", default="512MiB", help="session.memory_bytes")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args()
    figures = run(options.count, options.size, options.limit, options.budget)
    broken = figures.broken(options.limit)
    if options.json:
        print(json.dumps(asdict(figures) | {"broken": broken}))
    else:
        print(table(figures, options.count, options.size, options.limit))
    if broken:
        sys.exit("broken: " + "; ".join(broken))


def run(count: int, size: int, limit: int, budget: str) -> Figures:
    """All at once."""
    gateway = {
        "session": {"memory_bytes": budget, "per_address": 2 * count},
        "limits": {"batches": 2 * count},
    }
    with Stage(gateway, {BIG: tenant(BIG)}) as stage:
        pid = stage.house.child("smtp")
        resource.prlimit(pid, resource.RLIMIT_DATA, (limit, limit))
        figures = asyncio.run(_send_all(stage, pid, count, size))
        time.sleep(1.0)  # the sink counts a moment after its reply
        _look(pid, figures)
        figures.at_next_hop = stage.sink.taken - figures.afterwards.startswith(TAKEN)
        figures.is_alive = stage.house.child("smtp") == pid
        figures.log = stage.house.log
    return figures


async def _send_all(stage: Stage, pid: int, count: int, size: int) -> Figures:
    figures = Figures(resident_before=take(pid, 0).resident)
    body = LINE * (size // len(LINE))
    gate = asyncio.Barrier(count)
    watching = asyncio.create_task(_watch(stage.house.folder / "state" / SMTP_SOCKET, figures))
    began = time.monotonic()
    async with asyncio.timeout(PATIENCE):
        answers = await asyncio.gather(
            *(_send(stage.house.open, number, body, gate) for number in range(count))
        )
    figures.seconds = time.monotonic() - began
    figures.answers = Counter(answers)
    watching.cancel()
    figures.afterwards = await _send(stage.house.open, count, LINE, asyncio.Barrier(1))
    return figures


def _look(pid: int, figures: Figures) -> None:
    """What the process has held at most, and holds now."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return  # it has died, which is told already
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    figures.resident_peak = int(peak.split()[1]) * 1024
    figures.resident_after = take(pid, 0).resident


async def _watch(socket: Path, figures: Figures) -> None:
    """How much of the budget is used, at its most."""
    while True:
        try:
            status = await ask(socket, "status")
        except ControlError:
            return  # a process that has died shows in the answers
        assert isinstance(status, dict)
        figures.budget = status["memory"]["total"]
        figures.budget_peak = max(figures.budget_peak, status["memory"]["used"])
        await asyncio.sleep(0.05)


async def _send(port: int, number: int, body: bytes, gate: asyncio.Barrier) -> str:
    """One message; its final reply as code and tag."""
    try:
        reader, writer = await asyncio.open_connection(LOOPBACK, port)
        try:
            return await _talk(reader, writer, number, body, gate)
        finally:
            writer.close()
    except OSError as trouble:
        await gate.abort()
        return repr(trouble)


async def _talk(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    number: int,
    body: bytes,
    gate: asyncio.Barrier,
) -> str:
    async def say(octets: bytes, replies: int) -> str:
        writer.write(octets)
        line = b""
        while replies:
            line = await reader.readline()
            if not line.endswith(b"\n"):
                raise ConnectionError(f"closed after {line!r}")
            replies -= line[3:4] == b" "
        return line.decode()

    secret = base64.b64encode(f"\0{BIG}\0{PASSWORD}".encode())
    await say(b"EHLO client.test\r\nAUTH PLAIN " + secret + b"\r\n", 3)
    size = f" SIZE={len(body) + 200}" if number % 2 else ""
    mail = f"MAIL FROM:<news@{BIG}.test>{size}\r\nRCPT TO:<reader{number}@inbox.test>\r\nDATA\r\n"
    answer = await say(mail.encode(), 3)
    is_asked = answer.startswith("354")
    if is_asked:
        head = f"From: <news@{BIG}.test>\r\nTo: <r@inbox.test>\r\nSubject: {number}\r\n\r\n"
        writer.write(head.encode())
        for start in range(0, len(body), MIB):
            writer.write(body[start : start + MIB])
            await writer.drain()
    with suppress(asyncio.BrokenBarrierError):  # somebody was cut off: that is told by its answer
        await gate.wait()
    if is_asked:
        answer = await say(b".\r\n", 1)
    return f"{answer[:3]} [MEMORY]" if "MEMORY" in answer else answer[:3]


def table(figures: Figures, count: int, size: int, limit: int) -> str:
    """The figures for people."""
    answers = ", ".join(f"{number} x {answer}" for answer, number in figures.answers.items())
    return f"""\
{count} messages of {size / 1e6:g} MB at once, {limit / MIB:,.0f} MiB of memory, \
{figures.seconds:.0f} s

  answers                 {answers}
  at the next hop         {figures.at_next_hop}
  budget, most used       {figures.budget_peak / MIB:,.0f} of {figures.budget / MIB:,.0f} MiB
  resident before         {figures.resident_before / MIB:,.0f} MiB
  resident at its peak    {figures.resident_peak / MIB:,.0f} MiB
  resident afterwards     {figures.resident_after / MIB:,.0f} MiB
  the process             {"lived on" if figures.is_alive else "DIED"}; the next message: \
{figures.afterwards}"""


if __name__ == "__main__":
    main()

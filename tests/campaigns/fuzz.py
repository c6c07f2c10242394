"""Fuzzing: a million mutated inputs against one part of the gateway, each held to its promises.

    python -m tests.campaigns.fuzz --target dialogue --count 1000000 --seed 1

Targets are `dialogue`, `feedback`, `message` and `token`. The same seed makes the same inputs. An
input that breaks a promise, raises anything unexpected or takes over a second is counted by what it
broke and printed, so that it can become a test. Memory is measured at 10 and 50 % of the inputs
and at the end.
`--broken endings` runs against a copy of the gateway in which the check for bare CR, LF and NUL is
taken out; the campaign must then fail.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import json
import math
import os
import sys
import time
from collections import Counter
from contextlib import nullcontext
from pathlib import Path
from random import Random
from types import ModuleType

from tests.campaigns.broken import FAULTS, broken_copy

TARGETS = {
    "dialogue": "tests.campaigns.fuzz_dialogues",
    "feedback": "tests.campaigns.fuzz_feedback",
    "message": "tests.campaigns.fuzz_messages",
    "token": "tests.campaigns.fuzz_tokens",
}
STALL = 1.0
"""Seconds one input may take."""
GROWTH = 20.0
"""MiB by which memory may grow between a tenth of the inputs and all of them."""
ENOUGH = 20
"""Broken inputs after which the campaign stops."""


def main() -> int:
    """Run one target; 1 when a promise was broken."""
    options = _options()
    with broken_copy(options.broken) if options.broken else nullcontext() as folder:
        if folder is not None:
            sys.path.insert(0, str(folder))
        target = importlib.import_module(TARGETS[options.target])
        result = run(target, options.count, options.seed, options.seconds)
    result["target"] = options.target
    print(json.dumps(result) if options.json else _table(result))
    return 1 if result["broken"] else 0


class Run:
    """One run of a target; `broken` counts the promises that were not kept."""

    def __init__(self, target: ModuleType) -> None:
        self.broken: Counter[str] = Counter()
        self.examples: dict[str, str] = {}
        self.memory: dict[str, float] = {}
        self.slowest, self.dearest = 0.0, 0.0
        """Seconds by the clock, and seconds of CPU time, of the worst inputs."""
        self._target = target

    def feed(self, data: bytes, stall: float = STALL) -> None:
        """Feed one input and note what it breaks and whether it takes over `stall` seconds."""
        took = self._time(data)
        if took > stall:  # measured again: on a busy machine it may have been somebody else's
            took = min(took, self._time(data))
        if took > self.slowest:
            self.slowest = took
        if took > stall:
            self._note("no input stalls", f"{took:.1f} s", data)

    def _time(self, data: bytes) -> float:
        began, worked = time.perf_counter(), time.process_time()
        try:
            self._target.one_input(data)
        except Exception as fault:
            name = getattr(fault, "name", "") or f"nothing unexpected is raised ({fault!r:.80})"
            self._note(name, fault, data)
        self.dearest = max(self.dearest, time.process_time() - worked)
        return time.perf_counter() - began

    def measure(self, mark: str) -> None:
        """Note the resident memory."""
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        self.memory[mark] = round(pages * os.sysconf("SC_PAGESIZE") / 2**20, 1)
        print(f"{mark}: {self.memory[mark]} MiB", file=sys.stderr)

    def _note(self, name: str, what: object, data: bytes) -> None:
        self.broken[name] += 1
        self.examples.setdefault(name, f"{what!s:.600}\n  input: {data!r:.3000}")


def run(target: ModuleType, count: int, seed: int, seconds: float) -> dict[str, object]:
    """Feed `count` inputs, or as many as fit into `seconds`, to the target."""
    random, made = Random(seed), Run(target)
    for data in target.seeds():
        made.feed(data, math.inf)  # unmutated; and what is made once is made now
    target.COUNTS.clear()
    gc.collect()
    gc.freeze()  # as the gateway does
    made.slowest = made.dearest = 0.0
    started = time.perf_counter()
    marks = {max(1, count * percent // 100): f"{percent} %" for percent in (10, 50)}
    done = 0
    while done < count and made.broken.total() < ENOUGH:
        if time.perf_counter() - started > seconds:
            break
        made.feed(target.generate(random))
        done += 1
        if done in marks:
            made.measure(marks[done])
    elapsed = time.perf_counter() - started
    made.measure("end")  # also when the time was over before the inputs were
    growth = made.memory["end"] - made.memory.get("10 %", made.memory["end"])
    if growth > GROWTH:
        made.broken["memory stays flat"] += 1
    return {
        "inputs": done,
        "seed": seed,
        "seconds": round(elapsed, 1),
        "inputs a second": round(done / elapsed),
        "slowest input, ms": round(made.slowest * 1000, 1),
        "slowest input, ms of CPU time": round(made.dearest * 1000, 1),
        "memory, MiB": made.memory,
        "memory grown since 10 %, MiB": round(growth, 1),
        **dict(sorted(target.COUNTS.items())),
        "broken": dict(made.broken),
        "examples": made.examples,
    }


def _table(result: dict[str, object]) -> str:
    rows = [f"{name:<40} {value}" if not isinstance(value, int) else f"{name:<40} {value:,}"
            for name, value in result.items() if name not in ("broken", "examples")]  # fmt: skip
    broken, examples = result["broken"], result["examples"]
    assert isinstance(broken, dict)
    assert isinstance(examples, dict)
    rows += [f"BROKEN  {name:<40} {times} times\n  {examples.get(name, '')}"
             for name, times in broken.items()]  # fmt: skip
    return "\n".join([*rows, "FAILED" if broken else "every promise was kept"])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.campaigns.fuzz",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--target", choices=sorted(TARGETS), required=True)
    parser.add_argument("--count", type=int, default=1_000_000, help="inputs (1,000,000)")
    parser.add_argument("--seed", type=int, default=1, help="of the generator (1)")
    parser.add_argument("--seconds", type=float, default=3600.0, help="at most (3600)")
    parser.add_argument("--broken", choices=sorted(FAULTS), default="", help="take a safety out")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())

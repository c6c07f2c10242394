"""Where the CPU time of a process goes, by part of the gateway: sampled stacks, grouped.

py-spy stops the process a hundred times a second and writes down its Python stacks. A sample counts
for what the innermost line calls, where `CALLS` knows it, else for the innermost folder of ours; so
what C libraries do counts for the line that called them. Threads that wait count for nothing.
Every stop empties the caches and so makes all but RSA dearer: by 8 % at this rate, measured, but
double at 500 a second. (Looking without stopping tears one stack in five; native stacks cost more.)
A sampled run is therefore never a measured one. Needs the right to look into another process: root,
or sudo.
"""

from __future__ import annotations

import linecache
import os
import re
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from benchmarks.processes import Run

SAMPLES_A_SECOND = 100
TOP, TOP_WHOLE = 30, 60
PROJECT = Path(__file__).parent.parent
PACKAGES = ("gateway", "policies", "suppression")
SIGNING = "RSA signature"
CALLS = (
    (re.compile(r"queue\.get\("), ""),  # a thread without work
    (re.compile(r"\.key\.sign\("), SIGNING),
    (re.compile(r"transport\.write|os\.(write|fsync|fdatasync)\("), "sending and writing files"),
    (re.compile(r"connection\.execute\("), "SQLite"),
    (re.compile(r"verify_secret\("), "Argon2"),
)
"""What a line of source calls, and what that is; "" is waiting."""
LOOP = Path("gateway/app.py"), "event loop, receiving, TLS"
"""What runs the loop, and what is none of ours counts for below it."""
_FRAME = re.compile(r"^(.*) \((.*):(\d+)\)$")


@dataclass(frozen=True, slots=True)
class Shares:
    """Parts of the CPU time, the largest first: of packages and kinds of calls, of single functions
    of ours with what they call outside, and of the same with all that they call."""

    parts: dict[str, float]
    functions: dict[str, float]
    whole: dict[str, float]


def shares(run: Run, pid: int, seconds: float, folder: Path) -> Shares:
    """Sample process `pid` during a run. Raises OSError when that is not possible here."""
    out = folder / "stacks"
    command = [str(Path(sys.executable).with_name("py-spy")), "record", "--pid", str(pid)]
    command += ["--duration", f"{seconds:.0f}", "--rate", str(SAMPLES_A_SECOND)]
    command += ["--format", "raw", "--full-filenames", "--output", str(out)]
    if os.geteuid() != 0:
        command[:0] = ["sudo", "-n"]
    spy = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    run(seconds + 1.0)
    said, _ = spy.communicate()
    if spy.returncode != 0:
        raise OSError(f"py-spy cannot sample the gateway: {said.strip()[-200:]}")
    return group(out.read_text())


def group(stacks: str) -> Shares:
    """Shares of stacks in py-spy's raw format: frames from outermost to innermost, a count."""
    parts: Counter[str] = Counter()
    functions: Counter[str] = Counter()
    whole: Counter[str] = Counter()
    for line in stacks.splitlines():
        stack, _, count = line.rpartition(" ")
        frames = [found for frame in stack.split(";")[::-1] if (found := _FRAME.match(frame))]
        if part := _part(frames):
            own = [f"{frame[1]} ({path})" for frame in frames if (path := _own(frame))]
            parts[part] += int(count)
            functions[own[0] if own else "none of ours"] += int(count)
            whole.update(dict.fromkeys(own, int(count)))
    total = parts.total()
    if not parts[SIGNING]:
        raise RuntimeError("no sample is within a signature: was the line that makes it changed?")
    return Shares(
        *(
            {name: count / total for name, count in counter.most_common(limit)}
            for counter, limit in ((parts, None), (functions, TOP), (whole, TOP_WHOLE))
        )
    )


def _part(frames: list[re.Match[str]]) -> str:
    """What a sample counts for, "" for nothing; `frames` from innermost to outermost."""
    if frames:
        source = linecache.getline(frames[0][2], int(frames[0][3]))
        for pattern, name in CALLS:
            if pattern.search(source):
                return name
    own = next((path for frame in frames if (path := _own(frame))), None)
    if own is None:
        return "other"
    if own == LOOP[0]:
        return LOOP[1]
    depth = 2 if own.parts[0] == "gateway" else 1
    return "/".join(own.parts[:depth]).removesuffix(".py")


def _own(frame: re.Match[str]) -> Path | None:
    """The frame's file within our packages, None for a file elsewhere, such as `.venv`."""
    path = Path(frame[2])
    if not path.is_relative_to(PROJECT):
        return None
    own = path.relative_to(PROJECT)
    return own if own.parts[0] in PACKAGES else None

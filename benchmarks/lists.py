"""How a list of ten million suppressions is loaded, kept and looked up, beside Redis and Postfix.

The same list, one address a line, goes into a gateway's records by `consentry suppress import`,
into a SET of a Redis without persistence, and into a map for Postfix (`beside.py`). Each is then
asked for the same groups of a hundred recipients, one in ten of them listed, and must find just
those. A tenth of the list is imported first, to show that memory does not grow with the list. It
needs some 6 GB of disk in `build/` and 2 GB of memory for ten million. Run it from the project's
folder: `make bench-lists`, or `make bench-lists BENCH="--entries 100000"` for half a minute.
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks import look_up, records
from benchmarks.beside import Beside, in_postfix, in_redis
from tests.e2e.certificates import make_certificates
from tests.e2e.gateway import COMMAND, Gateway, Settings

ENTRIES = 10_000_000
BUILD = Path(__file__).parent.parent / "build"
MIB = 1 << 20
LOAD_SECONDS, LOOK_UP_MS, INDEX_OCTETS, ALL_OCTETS = 480, 2, 60, 180
"""The aims, for ten million entries."""


@dataclass(frozen=True, slots=True)
class Import:
    """One import by the command: times in seconds, sizes in octets an entry of what it added.

    `memory` is the most its process had resident, in octets, mapped pages of the database
    included; `index` is what RCPT reads, `whole` the database, `log` the opt-out log besides.
    """

    entries: int
    seconds: float
    cpu_seconds: float
    memory: int
    index: float
    whole: float
    log: float


@dataclass(frozen=True, slots=True)
class Report:
    """What was measured; look-ups of a hundred recipients in milliseconds."""

    imports: list[Import]
    median_ms: float
    p99_ms: float
    beside: list[Beside]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--entries", type=int, default=ENTRIES, help="default %(default)s")
    parser.add_argument("--map", default="hash", help="type of Postfix's map (%(default)s)")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args()
    if options.entries < 1000:
        parser.error("a list has 1,000 entries or more")
    BUILD.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=BUILD) as name:
        report = _measure(Path(name), options.entries, options.map)
    print(json.dumps(asdict(report), indent=1) if options.json else as_text(report))


def _measure(folder: Path, entries: int, map_type: str) -> Report:
    part, whole = _write(folder / "part.txt", entries // 10), _write(folder / "list.txt", entries)
    imports = [_import(folder / "part", part, entries // 10)]
    imports.append(_import(folder / "whole", whole, entries))
    _say("looking up")
    median_ms, p99_ms = look_up.milliseconds(_flat(folder / "whole"), entries)
    others = []
    for load in (in_redis, in_postfix):
        _say(f"{load.__name__.replace('_', ' ')} ...")
        others.append(load(folder, whole, entries, map_type))
    return Report(imports, median_ms, p99_ms, others)


def _write(path: Path, entries: int) -> Path:
    with path.open("w") as file:
        file.writelines(f"{records.suppressed(number)}\n" for number in range(entries))
    return path


def _import(folder: Path, file: Path, entries: int) -> Import:
    """Import `file` into fresh records in `folder`."""
    _say(f"importing {entries:,} entries")
    folder.mkdir()
    gateway = Gateway(folder, Settings(1), make_certificates(folder / "certificates"))
    gateway.write()
    database = folder / "state" / records.DATABASE
    gateway.run("suppress", "export", "--dry-run")  # makes it
    empty = database.stat().st_size
    command = [COMMAND, "suppress", "import", file, "--reason", "manual", "--scope", "*", "--json"]
    began = time.monotonic()
    with subprocess.Popen(
        [*command, "--config", gateway.config], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        told = process.stdout.read()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.monotonic() - began
    if process.returncode or json.loads(told)[0]["added"] != entries:
        sys.exit(f"the import failed: {told.decode()}")
    with closing(sqlite3.connect(database)) as connection:
        query = "SELECT sum(pgsize) FROM dbstat WHERE name = 'standing_index'"
        (index,) = connection.execute(query).fetchone()
    return Import(
        entries,
        seconds,
        used.ru_utime + used.ru_stime,
        used.ru_maxrss * 1024,
        index / entries,
        (database.stat().st_size - empty) / entries,
        (folder / "opt-outs/opt-outs.log").stat().st_size / entries,
    )


def _flat(folder: Path) -> Path:
    """The records of a gateway in `folder` as `look_up` wants them: side by side."""
    (folder / records.DATABASE).symlink_to(folder / "state" / records.DATABASE)
    (folder / records.KEYRING).symlink_to(folder / "keys" / records.KEYRING)
    return folder


def as_text(report: Report) -> str:
    """The figures for people."""
    tenth, whole = report.imports
    shown = [
        Beside("gateway", whole.seconds, whole.whole, report.median_ms, report.p99_ms),
        *report.beside,
    ]
    lines = [
        f"{whole.entries:,} suppressions",
        "",
        "                        load s   entries/s   octets an entry   100 recipients: ms  p99",
    ]
    for row in shown:
        rate = whole.entries / row.seconds
        p99 = "" if row.p99_ms is None else f"{row.p99_ms:.2f}"
        lines.append(
            f"{row.name:22} {row.seconds:7,.1f} {rate:11,.0f} {row.octets:17,.1f}"
            f" {row.median_ms:20.3f} {p99:>5}"
        )
    lines += [
        "",
        "import               entries   seconds   CPU s   memory MiB   octets: index    all    log",
    ]
    lines += [
        f"{row.entries:28,} {row.seconds:9,.1f} {row.cpu_seconds:7,.1f}"
        f" {row.memory / MIB:12,.0f} {row.index:15.1f} {row.whole:6.1f} {row.log:6.1f}"
        for row in (tenth, whole)
    ]
    lines += ["", f"{'':46}{'aim':>8} {'reached':>8}"]
    lines += [
        f"{what:46}{aim:>8} {reached:>8.4g}{'' if reached <= aim else '  missed'}"
        for what, aim, reached in (
            ("seconds to import", LOAD_SECONDS, whole.seconds),
            ("ms to look up 100 recipients (median)", LOOK_UP_MS, report.median_ms),
            ("octets an entry in what RCPT reads", INDEX_OCTETS, whole.index),
            ("octets an entry in all", ALL_OCTETS, whole.whole),
        )
    ]
    return "\n".join(lines)


def _say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()

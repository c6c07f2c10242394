"""Fuzzing led by coverage: the targets of `fuzz`, with Atheris to look for inputs that go further.

    python -m tests.campaigns.atheris_run --target dialogue --runs 200000

Every branch of gateway/, policies/ and suppression/ is instrumented. A broken promise, or anything
else that is raised, ends the run with the input that did it, and so does one of over five seconds.
Needs the extra `fuzz` (`pip install -c constraints.txt -e '.[fuzz]'`).
"""

from __future__ import annotations

import argparse
import importlib
import os
import subprocess
import sys
import tempfile
from contextlib import nullcontext
from pathlib import Path

try:
    import atheris
except ModuleNotFoundError:
    sys.exit("Atheris is not installed; it needs Python 3.11 to 3.13 and the extra `fuzz`")

from tests.campaigns.broken import FAULTS, PROJECT, broken_copy
from tests.campaigns.fuzz import TARGETS

LONGEST = 4096
"""Octets of an input."""
STALL = 5
"""Seconds one input may take: instrumented code is several times slower."""
SHOWN = 40
"""Lines of the fuzzer's own output that are shown when something broke."""


def main() -> int:
    """Run one target in a process of its own, which the fuzzer ends as it likes."""
    options = _options()
    if options.corpus:
        _fuzz(options)
    with (
        tempfile.TemporaryDirectory(prefix="consentry-atheris-") as name,
        broken_copy(options.broken) if options.broken else nullcontext(PROJECT) as packages,
    ):
        folder = Path(name)
        corpus, scratch = folder / "corpus", folder / "tmp"
        corpus.mkdir()
        scratch.mkdir()
        target = importlib.import_module(TARGETS[options.target])
        for number, seed in enumerate(target.seeds()):
            (corpus / f"seed{number}").write_bytes(seed)
        words = [sys.executable, "-m", "tests.campaigns.atheris_run", *sys.argv[1:],
                 "--corpus", str(corpus), "--packages", str(packages)]  # fmt: skip
        done = subprocess.run(
            words,
            check=False,
            env={**os.environ, "TMPDIR": str(scratch)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        lines = [line for line in done.stdout.splitlines() if "Instrumenting" not in line]
        found = sum(1 for _ in corpus.iterdir())
    ends = [line for line in lines if "INITED" in line or "DONE" in line]
    shown = [*ends, f"{found} inputs in the corpus"] if done.returncode == 0 else lines[-SHOWN:]
    print(options.target, *shown, sep="\n")
    print("every promise was kept" if done.returncode == 0 else "FAILED")
    return 1 if done.returncode else 0


def _fuzz(options: argparse.Namespace) -> None:
    """Fuzz until the runs are over; does not return."""
    sys.path.insert(0, options.packages)
    with atheris.instrument_imports(include=["gateway", "policies", "suppression"]):
        target = importlib.import_module(TARGETS[options.target])
    for seed in target.seeds():  # what is made once must not look like a stall
        target.one_input(seed)
    arguments = [
        sys.argv[0],
        options.corpus,
        f"-runs={options.runs}",
        f"-max_total_time={options.seconds}",
        f"-seed={options.seed}",
        f"-max_len={LONGEST}",
        f"-timeout={STALL}",
        "-rss_limit_mb=1024",
        "-artifact_prefix=" + tempfile.gettempdir() + "/",
        "-print_final_stats=1",
    ]
    atheris.Setup(arguments, target.one_input)
    atheris.Fuzz()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.campaigns.atheris_run",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--target", choices=sorted(TARGETS), required=True)
    parser.add_argument("--runs", type=int, default=200_000, help="inputs (200,000)")
    parser.add_argument("--seconds", type=int, default=300, help="at most (300)")
    parser.add_argument("--seed", type=int, default=1, help="of the fuzzer (1)")
    parser.add_argument("--broken", choices=sorted(FAULTS), default="", help="take a safety out")
    parser.add_argument("--corpus", default="", help=argparse.SUPPRESS)
    parser.add_argument("--packages", default="", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())

"""The hostile-input table row by row: its tests pass, and each fails without the safety it is for.

Runs the files of tests that `tests.campaigns.rows` lists, a line for each row. With `--broken` each
runs on a copy of the project in which that safety is taken out, and must fail there. Exit code 1
when a test did not do what it should. `--markdown` prints the table of docs/security.md.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.campaigns.broken import PACKAGES, PROJECT, Edit
from tests.campaigns.rows import ROWS, Proof, Row

FAILED = 1
"""What pytest exits with when tests ran and some failed; anything else proves nothing."""


def document() -> str:
    """The table of docs/security.md."""
    lines = [
        "| input | safety | test | seen to fail on a copy with an edit in |",
        "|---|---|---|---|",
    ]
    for row in ROWS:
        for number, proof in enumerate(row.proofs):
            edited = " and ".join(f"`{edit.path}`" for edit in edits(proof))
            name = "" if number else row.input
            lines.append(f"| {name} | {proof.safety} | `{proof.test}` | {edited} |")
    return "\n".join(lines) + "\n"


def copy_without(proof: Proof, folder: Path) -> None:
    """Copy packages and tests to `folder` and take the safety out there.

    Raises RuntimeError when the source no longer holds it exactly once.
    """
    ignored = shutil.ignore_patterns("__pycache__", "node_modules")
    for name in (*PACKAGES, "tests", "deploy", "docs"):
        shutil.copytree(PROJECT / name, folder / name, ignore=ignored)
    shutil.copy(PROJECT / "pyproject.toml", folder)
    for edit in edits(proof):
        file = folder / edit.path
        text = file.read_text()
        if text.count(edit.sound) != 1:
            raise RuntimeError(f"{edit.path} no longer holds what {proof.safety!r} takes out")
        file.write_text(text.replace(edit.sound, edit.broken))


def run(tests: Sequence[str], folder: Path) -> tuple[int, str]:
    """pytest's exit code and its summary for `tests` in `folder`, whose packages are used."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests],
        check=False,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
    )
    lines = done.stdout.strip().splitlines() or [""]
    failures = [line for line in lines[:-1] if line.startswith(("E  ", "FAILED", "ERROR"))]
    return done.returncode, "\n".join([*failures, lines[-1]])


def edits(proof: Proof) -> tuple[Edit, ...]:
    """What takes the proof's safety out."""
    return (proof.edit,) if proof.also is None else (proof.edit, proof.also)


def _broken(proof: Proof) -> tuple[int, str]:
    with tempfile.TemporaryDirectory(prefix="consentry-broken-") as name:
        copy_without(proof, Path(name))
        return run([proof.test], Path(name))


def _check(row: Row, is_broken: bool) -> list[dict[str, object]]:
    """One entry for each safety of the row on broken copies, or one for all of its tests."""
    found: list[dict[str, object]] = []
    tries = [(p.safety, p) for p in row.proofs] if is_broken else [("", None)]
    for safety, proof in tries:
        started = time.monotonic()
        if proof is None:
            code, said = run(sorted({p.test.partition("::")[0] for p in row.proofs}), PROJECT)
        else:
            code, said = _broken(proof)
        # Errors alone would be a copy that does not even start.
        kept = code == FAILED and "\nFAILED" in said if is_broken else code == 0
        seconds, last = time.monotonic() - started, said.rpartition("\n")[2] if kept else said
        found.append({"input": row.input, "safety": safety, "is_as_it_should": kept, "said": last})
        mark = "ok  " if kept else "WRONG"
        text = f"{row.input}: {safety}" if safety else row.input
        print(f"{mark} {seconds:5.1f} s  {text}\n              {last}", file=sys.stderr, flush=True)
    return found


def main() -> int:
    """Run what the arguments ask for; the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "--broken", action="store_true", help="each test on a copy that it must fail on"
    )
    parser.add_argument("--row", default="", help="only rows whose input or safety holds this text")
    parser.add_argument("--json", action="store_true", help="print what was found as JSON")
    parser.add_argument("--markdown", action="store_true", help="print the table and run nothing")
    given = parser.parse_args()
    if given.markdown:
        print(document(), end="")
        return 0
    rows = [
        Row(row.input, proofs)
        for row in ROWS
        if (
            proofs := tuple(
                p for p in row.proofs if given.row.lower() in f"{row.input} {p.safety}".lower()
            )
        )
    ]
    found = [entry for row in rows for entry in _check(row, given.broken)]
    wrong = [entry for entry in found if not entry["is_as_it_should"]]
    if given.json:
        print(json.dumps(found, indent=1))
    what = "tests failed on the copy they should fail on" if given.broken else "rows are kept"
    print(f"{len(found) - len(wrong)} of {len(found)} {what}")
    return 1 if wrong or not found else 0


if __name__ == "__main__":
    sys.exit(main())
